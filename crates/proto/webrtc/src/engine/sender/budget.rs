//! How much may be resent: a viewer that asks for everything twice must not cost twice the bandwidth.

/// Saved up at most: a keyframe lost whole on a good stream.
const BYTES_MAX: usize = 256 * 1024;
/// There from the start, for the losses of the first group.
const BYTES_START: usize = 64 * 1024;

/// A token bucket filled by what is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { bytes: BYTES_START }
    }
}

impl Budget {
    /// Media was sent: half of it may be sent again. At a loss of a fifth, a quarter is needed.
    pub(super) fn earn(&mut self, bytes: usize) {
        self.bytes = (self.bytes + bytes / 2).min(BYTES_MAX);
    }

    /// False, and nothing spent, where there is less.
    pub(super) fn spend(&mut self, bytes: usize) -> bool {
        let left = self.bytes.checked_sub(bytes);
        self.bytes = left.unwrap_or(self.bytes);
        left.is_some()
    }
}
