//! Which of the offered payload types carries a track.

use super::offer::{Feedback, OfferedFormat, OfferedSection, SectionKind};
use unisono_media::CodecConfig;

/// The encodings we know, for a section that is answered without a track in it.
const KNOWN: [&str; 6] = ["H264", "H265", "VP8", "VP9", "AV1", "opus"];

/// A payload type of the offer, and the one that resends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) payload_type: u8,
    /// `H264/90000`, `opus/48000/2`.
    pub(crate) codec: String,
    pub(crate) parameters: String,
    /// RFC 4588: payload type of the retransmissions.
    pub(crate) rtx: Option<u8>,
    pub(crate) rate: u32,
    pub(crate) feedback: Feedback,
}

/// The stream's format with a profile that decodes it. H.264 also in another profile than the stream's: a decoder reads
/// the SPS. AV1 and VP9 decoders of a higher profile take the lower ones (AV1 §6.4.1; VP9 in pairs of chroma format, so
/// equal only); levels are left to the viewer, browsers offer low ones and decode more.
pub(crate) fn choose_video(section: &OfferedSection<'_>, config: &CodecConfig) -> Option<Choice> {
    let is_named = |format: &OfferedFormat<'_>, name: &str| format.name.eq_ignore_ascii_case(name);
    let is_usable = |format: &&OfferedFormat<'_>| {
        format.rate == 90_000
            && match config {
                CodecConfig::H264(_) => {
                    is_named(format, "H264") && format.number("packetization-mode", 0) == Some(1)
                }
                CodecConfig::H265(_) => is_named(format, "H265"),
                CodecConfig::Vp8(_) => is_named(format, "VP8"),
                CodecConfig::Vp9(vp9) => {
                    is_named(format, "VP9") && format.number("profile-id", 0) == Some(u32::from(vp9.profile))
                }
                CodecConfig::Av1(av1) => {
                    let is_high_enough = |profile| profile >= u32::from(av1.sequence.profile);
                    is_named(format, "AV1") && format.number("profile", 0).is_some_and(is_high_enough)
                }
                CodecConfig::Aac(_) | CodecConfig::Opus(_) | CodecConfig::Events => false,
            }
    };
    let is_same = |format: &&OfferedFormat<'_>| match config {
        CodecConfig::H264(avc) => {
            let profile = format.parameter("profile-level-id").and_then(|id| id.get(..2));
            profile.and_then(|id| u8::from_str_radix(id, 16).ok()) == Some(avc.sps.profile_idc)
        }
        _ => true,
    };
    let usable = || section.formats.iter().filter(is_usable);
    usable().find(is_same).or_else(|| usable().next()).map(|format| choice(section, format))
}

/// Opus.
pub(crate) fn choose_audio(section: &OfferedSection<'_>) -> Option<Choice> {
    let is_opus =
        |format: &&OfferedFormat<'_>| format.name.eq_ignore_ascii_case("opus") && format.rate == 48_000;
    section.formats.iter().find(is_opus).map(|format| choice(section, format))
}

/// Any format we know, for a section that stays silent: rejecting the first one would take the transport that Chromium
/// looks for out of the bundle.
pub(crate) fn is_known(section: &OfferedSection<'_>) -> Option<Choice> {
    let is_known =
        |format: &&OfferedFormat<'_>| KNOWN.iter().any(|name| format.name.eq_ignore_ascii_case(name));
    section.formats.iter().find(is_known).map(|format| choice(section, format))
}

fn choice(section: &OfferedSection<'_>, format: &OfferedFormat<'_>) -> Choice {
    let resends = |rtx: &&OfferedFormat<'_>| {
        rtx.name.eq_ignore_ascii_case("rtx") && rtx.parameter("apt") == Some(&format.payload_type.to_string())
    };
    // Only with NACK: without it nobody asks for anything.
    let rtx = section.formats.iter().find(resends).filter(|_| format.feedback.nack);
    let channels = if section.kind == SectionKind::Audio { "/2" } else { "" };
    Choice {
        payload_type: format.payload_type,
        codec: format!("{}/{}{channels}", format.name, format.rate),
        parameters: format.parameters.to_owned(),
        rtx: rtx.map(|rtx| rtx.payload_type),
        rate: format.rate,
        feedback: format.feedback,
    }
}
