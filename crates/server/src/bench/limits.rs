//! File descriptors: each viewer has one here, and joining takes one more for a moment.

/// Beside the viewers: connections of HTTP, the selector, files.
const OTHERS: u64 = 256;

/// Makes room for `viewers`, `joining` of them at a time; refuses in words where the limit does not allow it.
#[cfg(unix)]
pub(super) fn make_room(viewers: u64, joining: u64) -> anyhow::Result<()> {
    use rlimit::{Resource, increase_nofile_limit};
    let needed = viewers + joining + OTHERS;
    // Up to the hard limit, and beyond it where that is ours to change (root).
    let granted = increase_nofile_limit(needed).unwrap_or(0);
    if granted >= needed || Resource::NOFILE.set(needed, needed).is_ok() {
        return Ok(());
    }
    anyhow::bail!(
        "{viewers} viewers need {needed} file descriptors and the limit is {granted}: raise it (`ulimit -Hn {needed}` as root) or take fewer viewers"
    )
}

/// Elsewhere a socket that cannot be opened says so itself.
#[cfg(not(unix))]
pub(super) fn make_room(_: u64, _: u64) -> anyhow::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_enough_and_what_cannot_be_is_refused_in_words() {
        make_room(1, 1).expect("a few descriptors");
        let error = make_room(1 << 62, 0).expect_err("too many").to_string();
        assert!(error.contains("file descriptors"), "{error}");
    }
}
