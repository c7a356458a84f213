//! A train buffer, as a worker has one for all its viewers.

use unisono_proto_webrtc::{Outlet, Path};

/// Starts over when it is full, and counts.
pub(crate) struct Train {
    bytes: Vec<u8>,
    used: usize,
    pub(crate) packets: usize,
}

impl Train {
    pub(crate) fn new(length: usize) -> Self {
        Self { bytes: vec![0; length], used: 0, packets: 0 }
    }
}

impl Outlet for Train {
    fn packet(&mut self, _: &Path, length: usize, fill: impl FnOnce(&mut [u8])) {
        if self.used + length > self.bytes.len() {
            self.used = 0;
        }
        fill(&mut self.bytes[self.used..self.used + length]);
        self.used += length;
        self.packets += 1;
    }
}
