//! A test stream from the binary alone: moving picture with burnt-in counter, flash and beep. `unisono demo`
//! publishes it in process, `unisono testsource` writes its picture for encoders elsewhere.

pub(crate) mod auction;
mod counter;
mod encoder;
mod font;
mod picture;
mod publisher;
mod raw;
mod tone;

pub(crate) use encoder::{H264, Settings};
pub(crate) use picture::{Picture, Size};
pub(crate) use publisher::{Demo, STREAM};
pub(crate) use raw::{CounterMode, write_raw};
pub(crate) use tone::Tone;

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

/// A data directory for a demo that was not given one; it and what is in it go with the value.
pub(crate) struct TemporaryDir(PathBuf);

impl TemporaryDir {
    /// A fresh directory below the system's temporary one, for this user only. One that exists is never taken over.
    pub(crate) fn new() -> io::Result<Self> {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
        let path = std::env::temp_dir().join(format!("unisono-demo-{}-{nanos}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryDir {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::debug!(%error, dir = %self.0.display(), "the demo's directory stays");
        }
    }
}

/// Opens `url` in the person's browser where there is a display; a printed URL is enough otherwise.
pub(crate) fn open_browser(url: &str) {
    let has_display = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    if !has_display {
        return;
    }
    let mut command = Command::new("xdg-open");
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Err(error) = spawn_detached(&mut command) {
        tracing::debug!(%error, "no browser was opened");
    }
}

/// The child is waited for on a thread of its own, so that it leaves no zombie.
fn spawn_detached(command: &mut Command) -> io::Result<()> {
    let mut child = command.spawn()?;
    std::thread::Builder::new().name("browser".to_owned()).spawn(move || {
        let _ = child.wait();
    })?;
    Ok(())
}
