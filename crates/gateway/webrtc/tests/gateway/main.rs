//! The gateway as clients see it: HTTP through the real routes, media through the real ports.

mod common;
mod following;
mod malformed;
mod publish_and_watch;
mod refusals;
mod storm;
mod strangers;
mod tcp;
