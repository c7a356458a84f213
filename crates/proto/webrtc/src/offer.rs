//! Refusals of an offer, in words for the person at the other end.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, hash_map::Entry},
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
    NoCommonCodec(String),
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
    credentials(offer)?;
    payload_types(offer)
}

/// Each `a=ice-ufrag` and `a=ice-pwd` there is must be one, since parsers differ in which of them they take (RFC 8839 §5.4).
fn credentials(offer: &str) -> Result<(), OfferError> {
    const MAX: usize = 256;
    let is_good = |line: &str| {
        let value = |name: &str, min| line.strip_prefix(name).map(|value| (value, min));
        let found = value("a=ice-ufrag:", 4).or_else(|| value("a=ice-pwd:", 22));
        found.is_none_or(|(value, min)| {
            (min..=MAX).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_graphic())
        })
    };
    if offer.lines().all(|line| is_good(line.trim())) {
        return Ok(());
    }
    let words = "its ICE credentials are not as in RFC 8839 section 5.4";
    Err(OfferError::Malformed(words.to_owned()))
}

/// Encodings named in a message.
const ENCODINGS_MAX: usize = 12;

/// The encodings an offer lists for `media` (`video`, `audio`), for a message: `H264, VP8`. Repairs and comfort are left
/// out.
pub(crate) fn encodings(offer: &str, media: &[&str]) -> String {
    let mut names: Vec<&str> = Vec::new();
    let mut is_wanted = false;
    for line in offer.lines() {
        if let Some(section) = line.strip_prefix("m=") {
            is_wanted = media.iter().any(|kind| section.starts_with(kind));
        }
        let Some(line) = line.strip_prefix("a=rtpmap:").filter(|_| is_wanted) else { continue };
        let Some(name) = line.split_whitespace().nth(1).and_then(|codec| codec.split('/').next()) else {
            continue;
        };
        let is_media = !["rtx", "red", "ulpfec", "flexfec-03", "telephone-event", "CN"].contains(&name);
        let is_name =
            name.len() <= 16 && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if is_media && is_name && names.len() < ENCODINGS_MAX && !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

/// `profile`, `level-idx` and `tier` (0, 5 and 0 where not said) of the AV1 encodings of an offer, at most four: str0m
/// takes AV1 only with equal ones, and a decoder for them is the other side's business.
pub(crate) fn av1_formats(offer: &str) -> Vec<[u8; 3]> {
    const FORMATS_MAX: usize = 4;
    let is_av1 = |line: &&str| {
        line.split_whitespace().nth(1).is_some_and(|codec| codec.eq_ignore_ascii_case("AV1/90000"))
    };
    let mut formats = Vec::new();
    for line in offer.lines().filter_map(|line| line.strip_prefix("a=rtpmap:")).filter(is_av1) {
        let payload_type = line.split_whitespace().next().unwrap_or_default();
        let parameters = offer.lines().find_map(|line| {
            let (number, parameters) = line.strip_prefix("a=fmtp:")?.split_once(' ')?;
            (number == payload_type).then_some(parameters)
        });
        let value = |name: &str, default: u8| {
            let mut pairs =
                parameters.unwrap_or_default().split(';').filter_map(|pair| pair.trim().split_once('='));
            pairs.find(|(key, _)| *key == name).and_then(|(_, value)| value.parse().ok()).unwrap_or(default)
        };
        let format = [value("profile", 0), value("level-idx", 5), value("tier", 0)];
        if formats.len() < FORMATS_MAX && !formats.contains(&format) {
            formats.push(format);
        }
    }
    formats
}

/// The offer without simulcast: its sender then sends one encoding, the first (RFC 8853 §5.3.2, §5.3.3).
pub(crate) fn without_simulcast(offer: &str) -> Cow<'_, str> {
    let is_simulcast = |line: &&str| line.starts_with("a=simulcast:") || line.starts_with("a=rid:");
    if !offer.lines().any(|line| is_simulcast(&line)) {
        return Cow::Borrowed(offer);
    }
    tracing::info!("the publisher offers simulcast; its first encoding is taken");
    Cow::Owned(offer.split_inclusive('\n').filter(|line| !is_simulcast(line)).collect())
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
    /// Parameters by which codecs are told apart, among them `apt`, what it resends (RFC 4588 §8.6).
    parameters: BTreeMap<&'a str, &'a str>,
}

/// See [`Meaning::parameters`].
const TELLING: [&str; 9] = [
    "apt",
    "level-id",
    "level-idx",
    "packetization-mode",
    "profile",
    "profile-id",
    "profile-level-id",
    "tier",
    "tier-flag",
];

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
            learn(&mut here, kind, line)?;
        }
        for (payload_type, meaning) in here {
            if meaning.parameters.contains_key("apt")
                && meaning.codec != "rtx/90000"
                && meaning.codec != "rtx/48000"
            {
                return Err(ambiguous(payload_type, "both to resend (apt) and for media"));
            }
            match seen.entry(payload_type) {
                Entry::Vacant(entry) => drop(entry.insert(meaning)),
                Entry::Occupied(entry) if *entry.get() == meaning => {}
                Entry::Occupied(entry) => {
                    let is_same_kind = entry.get().kind == meaning.kind;
                    let how = if is_same_kind { TWO_MEANINGS } else { "in sections of two kinds" };
                    return Err(ambiguous(payload_type, how));
                }
            }
        }
    }
    Ok(())
}

const TWO_MEANINGS: &str = "with two meanings";

fn learn<'a>(
    here: &mut HashMap<&'a str, Meaning<'a>>,
    kind: &'a str,
    line: &'a str,
) -> Result<(), OfferError> {
    let mapping = line.strip_prefix("a=rtpmap:");
    let Some(value) = mapping.or_else(|| line.strip_prefix("a=fmtp:")) else { return Ok(()) };
    let (payload_type, rest) = value.split_once(' ').unwrap_or((value, ""));
    let meaning = here.entry(payload_type.trim()).or_insert_with(|| Meaning { kind, ..Meaning::default() });
    if mapping.is_some() {
        let codec = rest.trim().to_ascii_lowercase();
        if !meaning.codec.is_empty() && meaning.codec != codec {
            return Err(ambiguous(payload_type, TWO_MEANINGS));
        }
        meaning.codec = codec;
        return Ok(());
    }
    for (name, value) in rest.split(';').filter_map(|parameter| parameter.trim().split_once('=')) {
        if TELLING.contains(&name) {
            meaning.parameters.insert(name, value);
        }
    }
    Ok(())
}

fn ambiguous(payload_type: &str, how: &str) -> OfferError {
    let payload_type: String = payload_type.chars().take(20).collect();
    OfferError::Malformed(format!("payload type {payload_type} is used {how} (RFC 8843 section 9.1)"))
}

/// Never sound alone where there is a picture that the viewer asked for.
pub(crate) fn no_common_codec(config: &unisono_media::CodecConfig, offered: &str) -> OfferError {
    let mode =
        if matches!(config, unisono_media::CodecConfig::H264(_)) { " with packetization-mode=1" } else { "" };
    OfferError::NoCommonCodec(format!(
        "the video is {} ({}){mode}, the offer lists {}; watch by LL-HLS, or publish in a codec this viewer has",
        config.name(),
        config.rfc6381(),
        encodings(offered, &["video"]),
    ))
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
    fn every_ice_credential_of_an_offer_has_the_length_of_one() {
        let offer = |lines: &str| format!("v=0\r\n{lines}m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n");
        let good = "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n";
        assert!(check(&offer(good)).is_ok() && check(&offer("")).is_ok());
        for bad in [
            "a=ice-pwd:\r\n",
            "a=ice-pwd: \r\n",
            "a=ice-ufrag:abc\r\n",
            "a=ice-pwd:abcdefghij klmnopqrstuv\r\n",
        ] {
            for lines in [format!("{bad}{good}"), format!("{good}{bad}")] {
                let refused = check(&offer(&lines)).expect_err("refused").to_string();
                assert!(refused.contains("ICE credentials"), "{refused}");
            }
        }
    }

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
