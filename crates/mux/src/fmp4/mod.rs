//! Fragmented MP4 as CMAF uses it (ISO/IEC 14496-12, 23000-19): one track per file, a *header* (`ftyp moov`) and
//! *fragments* (`emsg* prft (moof mdat)+`).
//!
//! Nothing here decides times or borders: samples come with durations and offsets in ticks of [`timescale`], and the
//! same input always gives the same bytes. A payload is copied once, into the fragment.

mod fragment;
mod header;
mod message;
mod video_entry;

pub use fragment::{Chunking, Fragment, Reference, Sample};
pub use header::{header, timescale};
pub use message::{ID3_SCHEME, Message, id3_private};

/// Id of the one track in every file.
pub const TRACK_ID: u32 = 1;

/// Why a header or fragment could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Events have no MP4 track of their own; they travel in `emsg`.
    #[error("an events track cannot be written as MP4")]
    NoMedia,
    /// A picture side or a size that its MP4 field cannot hold.
    #[error("{0} does not fit its MP4 field")]
    TooLarge(&'static str),
    /// The box writer refused, which means one of the values contradicts another.
    #[error("MP4 boxes: {0}")]
    Boxes(#[from] mp4_atom::Error),
}
