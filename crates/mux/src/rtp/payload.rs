//! Payloads of one frame, written one behind the other in one slab.

use bytes::{BufMut, BytesMut};
use unisono_media::{Packet, Packets};

/// See the module.
pub(super) struct Slab {
    pub(super) bytes: BytesMut,
    /// Where each payload ends.
    ends: Vec<usize>,
}

impl Slab {
    /// For a frame of `length` bytes.
    pub(super) fn new(length: usize) -> Self {
        Self { bytes: BytesMut::with_capacity(length * 17 / 16 + 256), ends: Vec::new() }
    }

    pub(super) fn end_payload(&mut self) {
        self.ends.push(self.bytes.len());
    }

    /// Bytes in the payload being written.
    pub(super) fn open_len(&self) -> usize {
        self.bytes.len() - self.ends.last().copied().unwrap_or(0)
    }

    /// Where the payload being written begins.
    pub(super) fn open_start(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// The last payload has the marker: it ends the picture.
    pub(super) fn into_packets(self) -> Packets {
        let bytes = self.bytes;
        let count = self.ends.len();
        let mut start = 0;
        let list = self.ends.into_iter().enumerate().map(|(i, end)| {
            let payload = bytes[start..end].into();
            start = end;
            Packet { payload, marker: i + 1 == count }
        });
        Packets { list: list.collect(), complete: true }
    }

    /// A frame cut into chunks of equal length, each behind the header that `header` writes for (first, last).
    pub(super) fn chunks(
        &mut self,
        frame: &[u8],
        chunk_max: usize,
        mut header: impl FnMut(&mut BytesMut, bool, bool),
    ) {
        let count = frame.len().div_ceil(chunk_max).max(1);
        for (i, chunk) in frame.chunks(chunk_max).enumerate() {
            header(&mut self.bytes, i == 0, i + 1 == count);
            self.bytes.put_slice(chunk);
            self.end_payload();
        }
    }
}
