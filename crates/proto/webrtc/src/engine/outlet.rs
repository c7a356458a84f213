//! Where sealed packets go.

use crate::Path;

/// Where sealed packets are written: the train buffer of a worker. One call per packet, no allocation.
pub trait Outlet {
    /// Makes room for a packet of exactly `length` bytes to `path`; `fill` writes all of it. Packets of equal length to
    /// one path in a row become one train for segmentation offload; the last one may be shorter.
    fn packet(&mut self, path: &Path, length: usize, fill: impl FnOnce(&mut [u8]));
}

/// Asks for memory that is needed soon, and does not wait for it: the processor's prefetch instruction, which is not ours to
/// issue here.
pub trait Prefetch {
    /// All of `value`.
    fn prefetch<T: ?Sized>(&self, value: &T);
}
