//! HMAC-SHA1, which STUN's MESSAGE-INTEGRITY is made of (RFC 8489 §14.5).

use aws_lc_rs::hmac;

/// The HMAC of `parts` in a row.
pub(crate) fn hmac_sha1(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    let mut context = hmac::Context::with_key(&key);
    parts.iter().for_each(|part| context.update(part));
    let mut out = [0; 20];
    out.copy_from_slice(context.sign().as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 2202 §3, test case 2.
    #[test]
    fn known_answer() {
        let expected = [
            0xef, 0xfc, 0xdf, 0x6a, 0xe5, 0xeb, 0x2f, 0xa2, 0xd2, 0x74, 0x16, 0xd5, 0xf1, 0x84, 0xdf, 0x9c,
            0x25, 0x9a, 0x7c, 0x79,
        ];
        assert_eq!(hmac_sha1(b"Jefe", &[b"what do ya want ", b"for nothing?"]), expected);
    }
}
