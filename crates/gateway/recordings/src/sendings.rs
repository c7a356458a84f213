//! How much of recordings is on its way to clients at once, in bytes of memory: a client that reads slowly holds what is sent
//! to it, and any viewer may ask.

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use unisono_api::Problem;

/// What all answers together may hold.
const KIB_MAX: u32 = 512 << 10;
/// Pieces a file is sent in, so that its place is held until the client has taken most of it.
const PIECE: usize = 64 << 10;
/// When a client that found no place comes again.
const AGAIN_S: u32 = 2;

/// See the module.
#[derive(Debug)]
pub(crate) struct Sendings {
    kib: Arc<Semaphore>,
    kib_max: u32,
}

/// A place among what is sent, held until the body is dropped.
#[derive(Debug)]
pub(crate) struct Sending {
    _kib: OwnedSemaphorePermit,
}

impl Default for Sendings {
    fn default() -> Self {
        Self::of(KIB_MAX)
    }
}

impl Sendings {
    pub(crate) fn of(kib_max: u32) -> Self {
        Self { kib: Arc::new(Semaphore::new(kib_max as usize)), kib_max }
    }

    /// A place for a body that holds `bytes` of memory. 503 while too few are left; one that is larger than all
    /// together takes all.
    pub(crate) fn begin(&self, bytes: u64) -> Result<Sending, Problem> {
        let kib = bytes.div_ceil(1 << 10).clamp(1, u64::from(self.kib_max)) as u32;
        let place = self.kib.clone().try_acquire_many_owned(kib);
        let place = place.map_err(|_| {
            Problem::unavailable("this node sends as much of its recordings as it can; try again")
                .retry_after(AGAIN_S)
        })?;
        Ok(Sending { _kib: place })
    }
}

impl Sending {
    /// The chunks, with the place held until the last of them is taken, or the client is gone.
    pub(crate) fn hold<T>(self, chunks: impl Stream<Item = T>) -> impl Stream<Item = T> {
        chunks.map(move |chunk| {
            let _held = &self;
            chunk
        })
    }

    /// A file in pieces.
    pub(crate) fn pieces(self, file: Bytes) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> {
        let pieces = (0..file.len()).step_by(PIECE);
        self.hold(stream::iter(pieces.map(move |at| Ok(file.slice(at..file.len().min(at + PIECE))))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_place_is_held_until_the_body_is_gone() {
        let sendings = Sendings::of(150);
        let first = sendings.begin(100 << 10).expect("room");
        assert!(sendings.begin(100 << 10).is_err(), "all together");
        let small = sendings.begin(1).expect("room for a small one");
        let mut body = Box::pin(first.pieces(Bytes::from(vec![7; 100 << 10])));
        assert_eq!(body.next().await.map(|piece| piece.map(|piece| piece.len())), Some(Ok(PIECE)));
        assert!(sendings.begin(100 << 10).is_err(), "the client has not taken all of it");
        drop((body, small));
        assert!(sendings.begin(150 << 10).is_ok());
    }

    #[tokio::test]
    async fn pieces_are_the_file() {
        let file = Bytes::from((0..200_000u32).map(|byte| byte as u8).collect::<Vec<_>>());
        let pieces: Vec<_> = Sendings::default().begin(1).expect("room").pieces(file.clone()).collect().await;
        let sent: Vec<u8> = pieces.into_iter().flatten().flatten().collect();
        assert_eq!(sent, file);
    }
}
