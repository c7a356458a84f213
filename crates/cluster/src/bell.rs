//! A doorbell for a task.

use tokio::sync::Notify;
use unisono_base::Doorbell;

/// Two rings before the task looks are one.
#[derive(Debug, Default)]
pub(crate) struct Bell(Notify);

impl Bell {
    pub(crate) async fn rung(&self) {
        self.0.notified().await;
    }
}

impl Doorbell for Bell {
    fn ring(&self) {
        self.0.notify_one();
    }
}
