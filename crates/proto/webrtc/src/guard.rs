//! Panics of the protocol libraries are contained (docs/decisions/0003).

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs what a third party's parser makes of outside bytes. A panic in there, which happened with a hostile offer, may
/// cost this session and never the worker with all the others (docs/decisions/0003).
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    // The session is ended after a panic and its state not looked at again, so that it may be torn.
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let words =
            panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref().copied());
        let words = format!("the WebRTC stack failed: {}", words.unwrap_or("no reason given"));
        tracing::error!(%words, "panic contained");
        words
    })
}
