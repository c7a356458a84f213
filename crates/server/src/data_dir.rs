//! The data directory: made by whoever comes first, served from by one server at a time.

use anyhow::{Context, bail};
use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

/// Locked by the server that serves from the directory. The lock ends with its process, however that ends.
const LOCK: &str = "serving.lock";

/// Makes the directory, for this user alone, where it does not exist.
pub(crate) fn make(path: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("the data directory {} cannot be made", path.display()))
}

/// Held while a server serves from the directory: two would finish each other's recordings and write into each other's rooms.
#[derive(Debug)]
pub(crate) struct Serving {
    _lock: File,
}

impl Serving {
    /// Refused while another server serves from there.
    pub(crate) fn from(path: &Path) -> anyhow::Result<Self> {
        make(path)?;
        let file = path.join(LOCK);
        let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&file);
        let lock = opened.with_context(|| format!("{} cannot be opened", file.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "the data directory {} is in use by another unisono; end that one, or give this one its own (--data-dir)",
                path.display()
            ),
            // Some network file systems know no locks.
            Err(TryLockError::Error(error)) => {
                tracing::warn!(%error, file = %file.display(), "no lock: make sure that no other server uses this data directory");
            }
        }
        Ok(Self { _lock: lock })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::TemporaryDir;

    #[test]
    fn one_server_at_a_time_and_the_next_when_it_is_gone() {
        let folder = TemporaryDir::new().expect("a folder");
        let path = folder.path().join("data");
        let first = Serving::from(&path).expect("free");
        let refused = Serving::from(&path).expect_err("taken").to_string();
        assert!(refused.contains("in use by another unisono") && refused.contains("--data-dir"), "{refused}");
        drop(first);
        Serving::from(&path).expect("free again");
    }
}
