//! One MP4 file from kept CMAF segments (ISO/IEC 14496-12): sample tables in front, then the media, so that it plays while
//! it is still being loaded. Nothing is encoded again: the samples are those of the segments, byte for byte.
//!
//! [`Segment::read`] finds the samples of a segment; [`Track`] collects their times and sizes; [`head`] writes everything in
//! front of the media, which the caller then copies in the order it was told of.

mod read;
mod write;

pub use read::{Sample, Segment};
pub use write::{Edit, Track, head};

/// Why a file cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What was kept is not a header or segment as this program writes them.
    #[error("the kept file is damaged: {0}")]
    Damaged(&'static str),
    /// A codec or clock that cannot follow the one before in one track.
    #[error("the codec changes from {before} to {after} within it; choose a span on one side of the change")]
    Mixed {
        /// Four characters.
        before: String,
        /// Four characters.
        after: String,
    },
    /// More samples than one file may have.
    #[error(
        "it has more than {max} pictures or units of sound, the limit of one file; choose a shorter span"
    )]
    TooLong {
        /// The limit.
        max: usize,
    },
    /// The box writer refused, or what was kept cannot be read.
    #[error("MP4 boxes: {0}")]
    Boxes(#[from] mp4_atom::Error),
}
