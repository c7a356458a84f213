//! Checks of peers that leave out what they must send.
//!
//! FFmpeg 8.0's WHIP muxer sends its binding requests without PRIORITY, against RFC 8445 §7.1.1. ICE-lite has no use for the value (it forms
//! no checks of its own from it), but the parser refuses the message. So such a request gets one here, before anyone reads it; integrity is
//! verified first and made anew afterwards.

use crate::integrity::hmac_sha1;

const HEADER: usize = 20;
const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const MESSAGE_INTEGRITY: u16 = 0x0008;
const PRIORITY: u16 = 0x0024;
/// Type, length and the HMAC-SHA1 (RFC 8489 §14.5).
const INTEGRITY_BYTES: usize = 4 + 20;
const PRIORITY_BYTES: usize = 4 + 4;
/// The lowest that a host candidate's check has (RFC 8445 §5.1.2.1: peer-reflexive, type preference 110): a check that says more is preferred.
const LOWEST: u32 = 110 << 24;

/// The same check with a PRIORITY; `None` where it has one, is no check, or was not made with `password`.
pub(crate) fn completed(bytes: &[u8], password: &[u8]) -> Option<Vec<u8>> {
    if bytes.get(..2)? != BINDING_REQUEST || usize::from(length_field(bytes)?) + HEADER != bytes.len() {
        return None;
    }
    let integrity_at = integrity_without_priority(bytes)?;
    let hmac = |message: &[u8]| hmac_sha1(password, &[message]);
    let signed = with_length(&bytes[..integrity_at], integrity_at + INTEGRITY_BYTES)?;
    let given = bytes.get(integrity_at + 4..integrity_at + INTEGRITY_BYTES)?;
    // In constant time: nothing is learnt from where they begin to differ.
    if hmac(&signed).iter().zip(given).fold(0, |differ, (ours, theirs)| differ | (ours ^ theirs)) != 0 {
        return None;
    }
    let end = integrity_at + PRIORITY_BYTES + INTEGRITY_BYTES;
    let mut check = with_length(&bytes[..integrity_at], end)?;
    check.extend(PRIORITY.to_be_bytes());
    check.extend(4_u16.to_be_bytes());
    check.extend(LOWEST.to_be_bytes());
    let integrity = hmac(&check);
    check.extend(MESSAGE_INTEGRITY.to_be_bytes());
    check.extend(20_u16.to_be_bytes());
    check.extend(integrity);
    // A FINGERPRINT that followed is left out: it tells STUN from other datagrams, and that is done.
    Some(check)
}

fn length_field(bytes: &[u8]) -> Option<u16> {
    bytes.get(2..4).map(|field| u16::from_be_bytes([field[0], field[1]]))
}

/// A copy of the message's begin whose length field says that it ends at byte `end`.
fn with_length(begin: &[u8], end: usize) -> Option<Vec<u8>> {
    let mut copy = begin.to_vec();
    let length = u16::try_from(end.checked_sub(HEADER)?).ok()?;
    copy.get_mut(2..4)?.copy_from_slice(&length.to_be_bytes());
    Some(copy)
}

/// Where MESSAGE-INTEGRITY begins, if no PRIORITY stands before it.
fn integrity_without_priority(bytes: &[u8]) -> Option<usize> {
    let mut at = HEADER;
    loop {
        let [t0, t1, l0, l1] = *bytes.get(at..)?.first_chunk::<4>()?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        match u16::from_be_bytes([t0, t1]) {
            PRIORITY => return None,
            MESSAGE_INTEGRITY => return (length == 20 && at + INTEGRITY_BYTES <= bytes.len()).then_some(at),
            _ => at += 4 + length.next_multiple_of(4),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use is::stun::{StunMessage, TransId};
    use proptest::prelude::*;

    const PASSWORD: &[u8] = b"the password of the answer";

    fn whole() -> Vec<u8> {
        let request = StunMessage::binding_request("ours:theirs", TransId::new(), true, 7, 1, true);
        let mut bytes = vec![0; 300];
        let length = request.to_bytes(Some(PASSWORD), &mut bytes, hmac_sha1).expect("fits");
        bytes.truncate(length);
        bytes
    }

    /// As FFmpeg 8.0 sends it: USERNAME, USE-CANDIDATE, MESSAGE-INTEGRITY, FINGERPRINT (which nobody here checks).
    fn without_priority(password: &[u8]) -> Vec<u8> {
        let mut message = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        message.extend([9; 12]);
        message.extend([0, 6, 0, 11]);
        message.extend(b"ours:theirs\0");
        message.extend([0, 0x25, 0, 0]);
        let mut message = with_length(&message, message.len() + INTEGRITY_BYTES).expect("short");
        let integrity = hmac_sha1(password, &[&message]);
        message.extend([0, 8, 0, 20]);
        message.extend(integrity);
        message.extend([0x80, 0x28, 0, 4, 1, 2, 3, 4]);
        let end = message.len();
        with_length(&message, end).expect("short")
    }

    #[test]
    fn a_check_without_priority_gets_one_and_nothing_else_changes() {
        let sent = without_priority(PASSWORD);
        assert!(
            StunMessage::parse(&sent).is_err(),
            "the reason for all this: when it is accepted, this file can go"
        );
        let check = completed(&sent, PASSWORD).expect("completed");
        let message = StunMessage::parse(&check).expect("a check");
        assert!(message.verify(PASSWORD, hmac_sha1));
        assert_eq!(message.split_username(), Some(("ours", "theirs")));
        assert_eq!((message.prio(), message.use_candidate()), (Some(LOWEST), true));
        assert_eq!(check[8..20], sent[8..20], "the transaction is the peer's");
        assert_eq!(
            check.len(),
            sent.len(),
            "what may be sent to an address counts the bytes that came from it"
        );
    }

    #[test]
    fn a_whole_check_and_one_with_another_password_stay_as_they_are() {
        assert_eq!(completed(&whole(), PASSWORD), None);
        assert_eq!(completed(&without_priority(b"guessed"), PASSWORD), None);
        let sent = without_priority(PASSWORD);
        for length in 0..sent.len() {
            assert_eq!(completed(&sent[..length], PASSWORD), None, "cut to {length} bytes");
        }
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut stun = vec![0, 1, 0, bytes.len() as u8, 0x21, 0x12, 0xa4, 0x42];
            stun.extend([0; 12]);
            stun.extend(&bytes);
            prop_assert_eq!(completed(&stun, PASSWORD), None);
        }
    }
}
