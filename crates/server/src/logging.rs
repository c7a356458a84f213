//! Logs: to standard error, as text or JSON. Standard output is for what a person asked to see.

use crate::config::{Log, LogFormat};
use anyhow::Context;
use std::io::{self, IsTerminal};
use tracing_subscriber::{EnvFilter, reload};

type Set = dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync;

/// Changes what is logged while the process runs.
pub(crate) struct Switch(Box<Set>);

impl Switch {
    /// From now on `filter` decides what is logged.
    pub(crate) fn set(&self, filter: EnvFilter, full_addresses: bool) -> Result<(), reload::Error> {
        unisono_base::show_full_addresses(full_addresses);
        (self.0)(filter)
    }
}

/// Starts logging for the whole process.
pub(crate) fn start(log: &Log) -> anyhow::Result<Switch> {
    unisono_base::show_full_addresses(log.full_addresses);
    let builder = tracing_subscriber::fmt().with_env_filter(filter(log)?).with_writer(io::stderr);
    Ok(Switch(match log.format {
        LogFormat::Text => {
            let builder = builder.with_ansi(io::stderr().is_terminal()).with_target(false);
            let builder = builder.with_filter_reloading();
            let handle = builder.reload_handle();
            builder.init();
            Box::new(move |filter| handle.reload(filter))
        }
        LogFormat::Json => {
            let builder = builder.json().flatten_event(true).with_filter_reloading();
            let handle = builder.reload_handle();
            builder.init();
            Box::new(move |filter| handle.reload(filter))
        }
    }))
}

/// What `log.level` means.
pub(crate) fn filter(log: &Log) -> anyhow::Result<EnvFilter> {
    EnvFilter::try_new(&log.level).with_context(|| {
        format!(
            "log.level {:?} is neither a level such as info nor a filter such as unisono_gateway_webrtc=debug,info",
            log.level
        )
    })
}
