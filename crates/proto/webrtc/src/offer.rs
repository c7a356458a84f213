//! Refusals of an offer, in words for the person at the other end.

use std::collections::HashMap;

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

/// In one BUNDLE a payload type means one thing (RFC 8843 §9.1): refused where an audio and a video section share one.
fn payload_types(offer: &str) -> Result<(), OfferError> {
    let mut kind = "";
    let mut seen: HashMap<&str, &str> = HashMap::new();
    for line in offer.lines() {
        if let Some(section) = line.strip_prefix("m=") {
            kind = section.split_whitespace().next().unwrap_or_default();
        } else if let Some(mapping) = line.strip_prefix("a=rtpmap:") {
            let payload_type = mapping.split_whitespace().next().unwrap_or_default();
            if *seen.entry(payload_type).or_insert(kind) != kind {
                let words = format!(
                    "payload type {payload_type} is used in sections of two kinds (RFC 8843 section 9.1)"
                );
                return Err(OfferError::Malformed(words.chars().take(200).collect()));
            }
        }
    }
    Ok(())
}

/// A parser's complaint without what only its author can use (it prints memory addresses).
pub(crate) fn malformed(error: &impl std::fmt::Display) -> OfferError {
    let words = error.to_string();
    let useful = words.split("PointerOffset").next().unwrap_or_default().trim_end_matches([' ', '(', ':']);
    let is_cut = useful.len() < words.len();
    let useful: String = useful.trim_end_matches(" at").chars().take(200).collect();
    OfferError::Malformed(if is_cut { format!("{useful}: not SDP as in RFC 8866") } else { useful })
}
