//! Recording is keeping the segments: the very bytes that LL-HLS serves, on disk or in a bucket, with the room's events
//! beside them. Nothing is remuxed for keeping (docs/decisions/0018).
//!
//! * [`Recordings`] watches the hub, records the streams it is told to, and knows what was recorded.
//! * A *recorder* takes whole segments from the packager of a stream and puts them into a bounded queue; it never waits. A
//!   *keeper* writes them, one after the other, for as long as it takes. What the queue cannot hold becomes a counted gap.
//! * A recording says itself what it is: `recording.json`, and a line per segment in `index/`. [`Index`] reads them, however
//!   the writing ended.
//! * [`vod`] writes playlists, [`Clip`] one MP4 file, both from what is kept.

mod catalog;
mod clip;
mod config;
mod id;
mod index;
mod keep;
mod live;
mod load;
mod manifest;
mod metrics;
mod owner;
mod queue;
mod recorder;
mod recordings;
mod repair;
mod retention;
mod running;
mod storage;
mod turns;
pub mod vod;

pub use clip::{Clip, ClipError, Cut};
pub use config::{Bucket, Config, Place};
pub use id::{NoRecordingId, RecordingId};
pub use index::Index;
pub use live::Trouble;
pub use manifest::{Ended, Gap, Head, HeaderLine, Line, Rendition, SegmentLine, State, Summary, VERSION};
pub use metrics::Metrics;
pub use owner::Owner;
pub use recordings::{
    Logs, OpenError, Packagers, Recording, Recordings, RemoveError, Rule, RuleError, Views, check,
};
pub use storage::{Entries, Shelf, StorageError};
