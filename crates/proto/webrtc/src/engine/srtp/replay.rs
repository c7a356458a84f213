//! Which packets have been seen (RFC 3711 §3.3.2).

/// The last 64 indices of one sender. A packet older than those counts as seen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    /// Newest index, plus one; zero before the first.
    next: u64,
    /// Bit n: `next - 1 - n` has been seen.
    seen: u64,
}

impl Window {
    /// True for an index that has not been seen and is not too old. Changes nothing: a forged packet must not.
    pub(super) fn is_new(&self, index: u64) -> bool {
        match self.next.checked_sub(index + 1) {
            None => true,
            Some(age) => age < 64 && self.seen >> age & 1 == 0,
        }
    }

    /// The packet was authentic.
    pub(super) fn accept(&mut self, index: u64) {
        match self.next.checked_sub(index + 1) {
            None => {
                let by = index + 1 - self.next;
                self.seen = if by < 64 { self.seen << by | 1 } else { 1 };
                self.next = index + 1;
            }
            Some(age) if age < 64 => self.seen |= 1 << age,
            Some(_) => {}
        }
    }

    /// Newest index accepted.
    pub(super) fn newest(&self) -> Option<u64> {
        self.next.checked_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_index_is_new_once_and_old_ones_are_not() {
        let mut window = Window::default();
        for index in [0, 5, 3, 64, 2, 1_000] {
            assert!(window.is_new(index), "{index}");
            window.accept(index);
            assert!(!window.is_new(index), "{index}");
        }
        assert!(!window.is_new(4), "never seen, but older than the window");
        assert!(window.is_new(937));
        assert!(!window.is_new(936));
        assert_eq!(window.newest(), Some(1_000));
    }
}
