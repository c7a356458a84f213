//! Refusals of an offer, in words for the person at the other end.

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
    Ok(())
}
