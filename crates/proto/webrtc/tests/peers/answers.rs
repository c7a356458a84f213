//! What the engine answers to offers of real viewers: Chromium 156, Firefox 140, GStreamer 1.22, aiortc, and FFmpeg 8,
//! which only publishes.

use crate::{
    codecs::{av1_config, vp8_config, vp9_config},
    offers::{WHEP, watch_as},
    world::avc,
};
use unisono_media::CodecConfig;
use unisono_proto_webrtc::{OfferError, Viewer};

const FIREFOX: &str = include_str!("firefox-whep.sdp");
const GSTREAMER: &str = include_str!("gstreamer-whep.sdp");
const AIORTC: &str = include_str!("aiortc-whep.sdp");
const FFMPEG: &str = include_str!("ffmpeg-whip.sdp");

const TRANSPORT_CC: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";

fn answer(offer: &str, config: &CodecConfig) -> String {
    watch_as::<Viewer>(offer, config).expect("accepted")
}

/// The lines of a section that begin like this, without their beginning.
fn lines<'a>(answer: &'a str, section: usize, begin: &str) -> Vec<&'a str> {
    let section = answer.split("m=").nth(section + 1).expect("a section");
    section.lines().filter_map(|line| line.strip_prefix(begin)).collect()
}

/// A viewer's offer, the picture, and what its sections come to.
struct Case {
    name: &'static str,
    offer: &'static str,
    config: CodecConfig,
    /// First lines of the sections, without `m=`.
    media: &'static [&'static str],
    /// Of the first section.
    feedback: &'static [&'static str],
    /// Ids of mid and of the transport-wide number there.
    extensions: &'static [(u8, &'static str)],
}

const ALL_FEEDBACK: [&str; 4] = ["transport-cc", "ccm fir", "nack", "nack pli"];
const CHANNEL: &str = "application 9 UDP/DTLS/SCTP webrtc-datachannel";

fn cases() -> Vec<Case> {
    let case = |name, offer, config, media, feedback, extensions| Case {
        name,
        offer,
        config,
        media,
        feedback,
        extensions,
    };
    let h264 = || CodecConfig::H264(avc());
    vec![
        case(
            "Chromium, H.264",
            WHEP,
            h264(),
            &["video 9 UDP/TLS/RTP/SAVPF 102 103", "audio 9 UDP/TLS/RTP/SAVPF 111", CHANNEL],
            &ALL_FEEDBACK,
            &[(4, TRANSPORT_CC), (9, MID)],
        ),
        case(
            "Chromium, VP9",
            WHEP,
            vp9_config(),
            &["video 9 UDP/TLS/RTP/SAVPF 98 99", "audio 9 UDP/TLS/RTP/SAVPF 111", CHANNEL],
            &ALL_FEEDBACK,
            &[(4, TRANSPORT_CC), (9, MID)],
        ),
        case(
            "Firefox, AV1",
            FIREFOX,
            av1_config(),
            &["video 9 UDP/TLS/RTP/SAVPF 99 100", "audio 9 UDP/TLS/RTP/SAVPF 109", CHANNEL],
            &ALL_FEEDBACK,
            &[(3, MID), (7, TRANSPORT_CC)],
        ),
        case(
            "Firefox, VP8",
            FIREFOX,
            vp8_config(),
            &["video 9 UDP/TLS/RTP/SAVPF 120 124", "audio 9 UDP/TLS/RTP/SAVPF 109", CHANNEL],
            &ALL_FEEDBACK,
            &[(3, MID), (7, TRANSPORT_CC)],
        ),
        case(
            "GStreamer",
            GSTREAMER,
            h264(),
            &["video 9 UDP/TLS/RTP/SAVPF 102 96", "audio 9 UDP/TLS/RTP/SAVPF 111 97"],
            &ALL_FEEDBACK,
            &[],
        ),
        case(
            "aiortc",
            AIORTC,
            h264(),
            &["video 9 UDP/TLS/RTP/SAVPF 99 100", "audio 9 UDP/TLS/RTP/SAVPF 96", CHANNEL],
            &["nack", "nack pli"],
            &[(1, MID)],
        ),
    ]
}

#[test]
fn real_viewers_get_what_they_offered() {
    for Case { name, offer, config, media, feedback, extensions } in cases() {
        let answer = answer(offer, &config);
        let got: Vec<_> = answer.lines().filter_map(|line| line.strip_prefix("m=")).collect();
        assert_eq!(got, media, "{name}");
        let payload_type = media[0].split(' ').nth(3).expect("one");
        assert_eq!(lines(&answer, 0, &format!("a=rtcp-fb:{payload_type} ")), feedback, "{name}");
        let extensions: Vec<_> = extensions.iter().map(|(id, uri)| format!("{id} {uri}")).collect();
        assert_eq!(lines(&answer, 0, "a=extmap:"), extensions, "{name}");
        let repair = media[0].split(' ').nth(4).expect("one");
        assert_eq!(
            lines(&answer, 0, &format!("a=fmtp:{repair} ")),
            [format!("apt={payload_type}")],
            "{name}"
        );
        for section in 0..2 {
            assert_eq!(lines(&answer, section, "a=setup:"), ["passive"], "{name}");
            assert_eq!(lines(&answer, section, "a=mid:"), lines(offer, section, "a=mid:"), "{name}");
            assert!(lines(&answer, section, "a=sendonly").len() == 1, "{name}: {answer}");
            assert!(lines(&answer, section, "a=rtcp-mux").len() == 1, "{name}: {answer}");
            let ssrc = lines(&answer, section, "a=ssrc:");
            assert!(ssrc.len() >= 2 && ssrc.iter().all(|line| line.contains("unisono")), "{name}: {answer}");
        }
        assert_eq!(lines(&answer, 0, "a=ssrc-group:FID").len(), 1, "{name}: {answer}");
        assert_eq!(answer.matches("a=candidate:").count(), 1, "one transport: {name}");
    }
}

#[test]
fn the_bundle_is_that_of_the_offer() {
    let bundle =
        |text: &str| text.lines().find_map(|line| line.strip_prefix("a=group:BUNDLE ")).map(str::to_owned);
    for Case { name, offer, config, .. } in cases() {
        assert_eq!(bundle(&answer(offer, &config)), bundle(offer), "{name}");
    }
}

/// FFmpeg has no WHEP; its WHIP offer must not be taken for one.
#[test]
fn a_publisher_at_the_viewers_door_is_told() {
    let error = watch_as::<Viewer>(FFMPEG, &CodecConfig::H264(avc())).expect_err("refused");
    assert!(matches!(error, OfferError::Direction(_)), "{error}");
}

#[test]
fn the_peer_that_waits_for_a_handshake_gets_one() {
    let answer = answer(&WHEP.replace("a=setup:actpass", "a=setup:passive"), &CodecConfig::H264(avc()));
    assert_eq!(lines(&answer, 0, "a=setup:"), ["active"]);
}

#[test]
fn what_nobody_knows_is_rejected_in_its_place() {
    let strange = "m=text 9 RTP/AVP 71\r\na=mid:9\r\na=rtpmap:71 t140/1000\r\n";
    let offer = format!("{}{strange}", WHEP.replace("BUNDLE 0 1 2", "BUNDLE 0 1 2 9"));
    let answer = answer(&offer, &CodecConfig::H264(avc()));
    assert!(answer.contains("m=text 0 RTP/AVP 71\r\n"), "{answer}");
    assert!(answer.contains("a=group:BUNDLE 0 1 2\r\n"), "{answer}");
}

/// A second picture for which there is no source stays in the bundle, silent: a later offer may fill it.
#[test]
fn sections_without_a_source_stay_silent() {
    let two = include_str!("chromium-whep-two-pictures.sdp");
    let answer = answer(two, &CodecConfig::H264(avc()));
    assert_eq!(answer.matches("a=inactive").count(), 1, "{answer}");
    assert_eq!(answer.matches("m=video 9 ").count(), 2, "{answer}");
}

#[test]
fn offers_are_refused_in_words_that_help() {
    let without = |begin: &str| -> String {
        WHEP.lines().filter(|line| !line.starts_with(begin)).map(|line| format!("{line}\r\n")).collect()
    };
    let cases = [
        (without("a=ice-ufrag"), "a=ice-ufrag"),
        (without("a=fingerprint"), "a=fingerprint"),
        (without("a=mid:1"), "BUNDLE names a section"),
        (without("a=mid:1").replace("BUNDLE 0 1 2", "BUNDLE 0 2"), "no a=mid"),
        (WHEP.replace("a=mid:1", "a=mid:0"), "same a=mid"),
        (WHEP.replace("BUNDLE 0 1 2", "BUNDLE 0 1 7"), "BUNDLE"),
        (WHEP.replace("a=setup:actpass", "a=setup:holdconn"), "a=setup"),
        (WHEP.replace("a=mid:1", &format!("a=mid:{}", "1".repeat(17))), "16 characters"),
        (WHEP.replacen("sha-256 80", "sha-256 8", 1), "a=fingerprint"),
        (WHEP.replacen("sha-256 80", "sha-256 81", 1), "different fingerprints"),
        (WHEP.replace("sha-256", "sha-1"), "SHA-256"),
        (WHEP.replacen("m=audio 9 ", "m=audio ", 1), "m= line"),
        (WHEP.replacen("packetization-mode=1;", "packetization-mode=1;\ra=evil;", 1), "carriage return"),
    ];
    for (offer, words) in cases {
        let error = watch_as::<Viewer>(&offer, &CodecConfig::H264(avc())).expect_err(words);
        assert!(matches!(error, OfferError::Malformed(_)), "{error}");
        assert!(error.to_string().contains(words), "{words}: {error}");
    }
}
