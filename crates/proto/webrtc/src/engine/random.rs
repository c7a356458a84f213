//! Random numbers that an attacker must not guess: credentials, SSRCs, starts of RTP time.

/// Filled by the operating system. It fails on no system we run on; zeros would be no secret, so nothing goes on then.
fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system gives random numbers");
}

pub(super) fn u64() -> u64 {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    u64::from_be_bytes(bytes)
}

pub(super) fn u32() -> u32 {
    u64() as u32
}

/// `length` characters of those allowed in ICE credentials (RFC 8839 §5.4), six bits each.
pub(super) fn token(length: usize) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = vec![0; length];
    fill(&mut bytes);
    bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte & 63)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_their_length_and_differ() {
        let (one, other) = (token(24), token(24));
        assert_eq!(one.len(), 24);
        assert_ne!(one, other);
    }
}
