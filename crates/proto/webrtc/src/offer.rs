//! Refusals of an offer, in words for the person at the other end.

use std::{
    borrow::Cow,
    collections::{HashMap, hash_map::Entry},
};

/// Largest offer read, in bytes; browsers send 5 to 10 KiB.
pub(crate) const OFFER_MAX: usize = 64 * 1024;
/// Most media sections in an offer.
pub(crate) const MEDIA_MAX: usize = 32;

/// Why an offer was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OfferError {
    /// Longer than we read. HTTP 413.
    #[error("the SDP offer has {0} bytes; at most {OFFER_MAX} are read")]
    TooLong(usize),
    /// Not SDP, or not one we can answer. HTTP 422.
    #[error("the SDP offer cannot be read: {0}")]
    Malformed(String),
    /// More media sections than any sender needs. HTTP 422.
    #[error("the SDP offer has {0} media sections; at most {MEDIA_MAX} are read")]
    TooManyMedia(usize),
    /// Nothing in it that we take or give. HTTP 406.
    #[error("the SDP offer has no codec in common with this stream: {0}")]
    NoCommonCodec(&'static str),
    /// Offerer only receives where it should send, or the other way round. HTTP 422.
    #[error("the SDP offer goes the wrong way: {0}")]
    Direction(&'static str),
    /// The node itself cannot make a session. HTTP 500.
    #[error("no session: {0}")]
    Internal(String),
}

/// Bounds first, then words of the parser.
pub(crate) fn check(offer: &str) -> Result<(), OfferError> {
    if offer.len() > OFFER_MAX {
        return Err(OfferError::TooLong(offer.len()));
    }
    let media = offer.lines().filter(|line| line.starts_with("m=")).count();
    if media > MEDIA_MAX {
        return Err(OfferError::TooManyMedia(media));
    }
    if !offer.starts_with("v=0") {
        return Err(OfferError::Malformed("it does not start with v=0 (RFC 8866 section 5.1)".to_owned()));
    }
    if media == 0 {
        return Err(OfferError::Malformed("it has no media section (m= line)".to_owned()));
    }
    payload_types(offer)
}

const DIRECTIONS: [&str; 4] = ["a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"];

/// The offer with a direction in each media section: where one says none, the session's holds, and without that
/// sendrecv (RFC 8866 §6.7). str0m takes a section without one for inactive.
pub(crate) fn with_directions(offer: &str) -> Cow<'_, str> {
    let direction = |line: &str| DIRECTIONS.into_iter().find(|direction| line.trim_end() == *direction);
    let mut sections = offer.split_inclusive('\n').peekable();
    let mut whole = String::with_capacity(offer.len() + 64);
    let mut default = DIRECTIONS[0];
    while let Some(line) = sections.next_if(|line| !line.starts_with("m=")) {
        default = direction(line).unwrap_or(default);
        whole.push_str(line);
    }
    let mut is_whole = true;
    while let Some(media) = sections.next() {
        whole.push_str(media);
        let mut is_said = false;
        while let Some(line) = sections.next_if(|line| !line.starts_with("m=")) {
            is_said |= direction(line).is_some();
            whole.push_str(line);
        }
        if !is_said {
            is_whole = false;
            let end = if whole.ends_with('\n') { "" } else { "\r\n" };
            whole.push_str(&format!("{end}{default}\r\n"));
        }
    }
    if is_whole { Cow::Borrowed(offer) } else { Cow::Owned(whole) }
}

/// What a payload type stands for in one media section, as far as str0m matches codecs by it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Meaning<'a> {
    kind: &'a str,
    /// Encoding and clock rate; names are case-insensitive (RFC 8866 §6.6).
    codec: String,
    profile: &'a str,
    mode: &'a str,
    /// What it resends (RFC 4588 §8.6).
    resends: &'a str,
}

/// In one BUNDLE a payload type means one thing (RFC 8843 §9.1): refused where two sections disagree. Browsers repeat
/// one with the same meaning; str0m asserts that it has no other.
fn payload_types(offer: &str) -> Result<(), OfferError> {
    let mut seen: HashMap<&str, Meaning<'_>> = HashMap::new();
    let mut lines = offer.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(section) = line.strip_prefix("m=") else { continue };
        let kind = section.split_whitespace().next().unwrap_or_default();
        let mut here: HashMap<&str, Meaning<'_>> = HashMap::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with("m=")) {
            learn(&mut here, kind, line);
        }
        for (payload_type, meaning) in here {
            match seen.entry(payload_type) {
                Entry::Vacant(entry) => drop(entry.insert(meaning)),
                Entry::Occupied(entry) if *entry.get() == meaning => {}
                Entry::Occupied(entry) => return Err(ambiguous(payload_type, entry.get(), &meaning)),
            }
        }
    }
    Ok(())
}

fn learn<'a>(here: &mut HashMap<&'a str, Meaning<'a>>, kind: &'a str, line: &'a str) {
    let mapping = line.strip_prefix("a=rtpmap:");
    let Some(value) = mapping.or_else(|| line.strip_prefix("a=fmtp:")) else { return };
    let (payload_type, rest) = value.split_once(' ').unwrap_or((value, ""));
    let meaning = here.entry(payload_type.trim()).or_insert_with(|| Meaning { kind, ..Meaning::default() });
    if mapping.is_some() {
        meaning.codec = rest.trim().to_ascii_lowercase();
        return;
    }
    for (name, value) in rest.split(';').filter_map(|parameter| parameter.trim().split_once('=')) {
        match name {
            "profile-level-id" => meaning.profile = value,
            "packetization-mode" => meaning.mode = value,
            "apt" => meaning.resends = value,
            _ => {}
        }
    }
}

fn ambiguous(payload_type: &str, one: &Meaning<'_>, other: &Meaning<'_>) -> OfferError {
    let payload_type: String = payload_type.chars().take(20).collect();
    let how = if one.kind == other.kind { "with two meanings" } else { "in sections of two kinds" };
    OfferError::Malformed(format!("payload type {payload_type} is used {how} (RFC 8843 section 9.1)"))
}

/// A parser's complaint without what only its author can use (it prints memory addresses, on a line of their own).
pub(crate) fn malformed(error: &impl std::fmt::Display) -> OfferError {
    let words = error.to_string();
    let useful =
        words.lines().map(str::trim).filter(|line| !line.is_empty() && !line.contains("PointerOffset"));
    let useful: String = useful.collect::<Vec<_>>().join(", ").chars().take(200).collect();
    OfferError::Malformed(if useful.is_empty() { "not SDP as in RFC 8866".to_owned() } else { useful })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_without_a_direction_has_the_sessions_or_sendrecv() {
        let said = "v=0\r\nm=audio 9 X 1\r\na=recvonly\r\nm=video 9 X 2\r\na=inactive\r\n";
        assert!(matches!(with_directions(said), Cow::Borrowed(same) if same == said));
        let silent = "v=0\r\nm=audio 9 X 1\r\na=mid:0\r\nm=video 9 X 2\r\na=recvonly\r\n";
        let expected = "v=0\r\nm=audio 9 X 1\r\na=mid:0\r\na=sendrecv\r\nm=video 9 X 2\r\na=recvonly\r\n";
        assert_eq!(with_directions(silent), expected);
        let session = "v=0\na=sendonly\nm=audio 9 X 1\na=mid:0";
        assert_eq!(with_directions(session), "v=0\na=sendonly\nm=audio 9 X 1\na=mid:0\r\na=sendonly\r\n");
    }
}
