//! Refusals of an offer, in words for the person at the other end.

use std::collections::{HashMap, hash_map::Entry};

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
