//! Whose datagram is this: the STUN USERNAME names the session, later the peer's address does.

/// Fixed value of every STUN message (RFC 8489 §5).
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const HEADER: usize = 20;
const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const USERNAME: [u8; 2] = [0x00, 0x06];
/// Longest ufrag that ICE allows (RFC 8839 §5.4).
const UFRAG_MAX: usize = 256;

/// What a datagram says about itself (RFC 7983 §7), before any session has seen it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Datagram<'a> {
    /// A STUN binding request for the session with this local ufrag.
    Binding {
        /// Our ufrag: the part of USERNAME before the colon.
        ufrag: &'a str,
    },
    /// Another STUN message (a response, an indication): meaningful only from a known address.
    Stun,
    /// DTLS or SRTP: meaningful only from a known address.
    Media,
    /// SRTCP, as far as the first two bytes tell (RFC 5761 §4); the same holds for it.
    Report,
    /// None of ours.
    Garbage,
}

/// Classifies by the first bytes.
pub(crate) fn classify(bytes: &[u8]) -> Datagram<'_> {
    match bytes {
        [0..=3, ..] => classify_stun(bytes).unwrap_or(Datagram::Garbage),
        [128..=191, 192..=223, ..] => Datagram::Report,
        [20..=63 | 128..=191, ..] => Datagram::Media,
        _ => Datagram::Garbage,
    }
}

fn classify_stun(bytes: &[u8]) -> Option<Datagram<'_>> {
    let (header, attributes) = bytes.split_at_checked(HEADER)?;
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if header[4..8] != MAGIC_COOKIE || length != attributes.len() {
        return None;
    }
    if header[..2] != BINDING_REQUEST {
        return Some(Datagram::Stun);
    }
    let username = std::str::from_utf8(attribute(attributes, USERNAME)?).ok()?;
    let (ufrag, _) = username.split_once(':')?;
    (1..=UFRAG_MAX).contains(&ufrag.len()).then_some(Datagram::Binding { ufrag })
}

/// The value of the first attribute of type `wanted` (RFC 8489 §14: type, length, value, padding to 4 bytes).
fn attribute(mut attributes: &[u8], wanted: [u8; 2]) -> Option<&[u8]> {
    while let Some((&[t0, t1, l0, l1], rest)) = attributes.split_first_chunk::<4>() {
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let value = rest.get(..length)?;
        if [t0, t1] == wanted {
            return Some(value);
        }
        attributes = rest.get(length.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn binding(username: &str) -> Vec<u8> {
        let mut attributes = vec![0x80, 0x22, 0, 3, b'x', b'y', b'z', 0];
        attributes.extend([0, 6, 0, username.len() as u8]);
        attributes.extend(username.as_bytes());
        attributes.resize(attributes.len().next_multiple_of(4), 0);
        let mut message = vec![0, 1, 0, attributes.len() as u8];
        message.extend(MAGIC_COOKIE);
        message.extend([7; 12]);
        message.extend(attributes);
        message
    }

    #[test]
    fn a_binding_request_names_our_ufrag_first() {
        assert_eq!(classify(&binding("ours:theirs")), Datagram::Binding { ufrag: "ours" });
        assert_eq!(classify(&binding("noColon")), Datagram::Garbage);
        assert_eq!(classify(&binding(":theirs")), Datagram::Garbage);
    }

    #[test]
    fn the_first_byte_tells_the_rest() {
        assert_eq!(classify(&[22, 254, 253]), Datagram::Media, "DTLS");
        assert_eq!(classify(&[0x80, 111]), Datagram::Media, "SRTP");
        assert_eq!(classify(&[0x81, 201]), Datagram::Report, "SRTCP");
        assert_eq!(classify(&[0x40]), Datagram::Garbage, "TURN channel data");
        assert_eq!(classify(&[]), Datagram::Garbage);
        let mut response = binding("a:b");
        response[0] = 1;
        assert_eq!(classify(&response), Datagram::Stun);
        let mut truncated = binding("a:b");
        truncated.pop();
        assert_eq!(classify(&truncated), Datagram::Garbage);
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = classify(&bytes);
            let mut stun = vec![0, 1, 0, bytes.len() as u8];
            stun.extend(MAGIC_COOKIE);
            stun.extend([0; 12]);
            stun.extend(&bytes);
            let _ = classify(&stun);
        }
    }
}
