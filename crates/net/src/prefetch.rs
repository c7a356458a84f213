//! A hint to the processor: this memory is needed soon.

/// Bytes of a cache line.
const LINE: usize = 64;

/// Asks for all cache lines of `value` without waiting for them. Worth it where several places in memory that do not depend
/// on each other are needed soon: they come at the same time instead of one after the other.
///
/// A hint only; on processors other than x86-64 and arm64 it does nothing.
#[inline]
pub fn prefetch<T: ?Sized>(value: &T) {
    let start = std::ptr::from_ref(value).cast::<u8>();
    for offset in (0..size_of_val(value)).step_by(LINE) {
        line(start.wrapping_add(offset));
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[expect(unsafe_code, reason = "the instruction has no safe form")]
fn line(address: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: SSE belongs to x86-64; a prefetch reads nothing and never faults, whatever the address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
}

#[cfg(target_arch = "aarch64")]
#[inline]
#[expect(unsafe_code, reason = "the instruction has no safe form")]
fn line(address: *const u8) {
    // SAFETY: PRFM is a hint: it changes no register, reads nothing and never faults, whatever the address.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{}]", in(reg) address, options(nostack, preserves_flags, readonly))
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[inline]
fn line(_address: *const u8) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_as_it_is() {
        let values: Vec<u64> = (0..1_000).collect();
        prefetch(values.as_slice());
        prefetch::<[u8]>(&[]);
        prefetch("a word");
        assert!(values.iter().copied().eq(0..1_000));
    }
}
