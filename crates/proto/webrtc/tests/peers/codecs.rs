//! Which video format an answer takes, and in which words it takes none.

use crate::{
    offers::{WATCH, WHEP, WHIP, publish},
    world::avc,
};
use unisono_media::{Av1Config, CodecConfig, Vp8Config, vp9};
use unisono_proto_webrtc::OfferError;

/// Encodings of the video section of an answer, in its order of preference.
fn answered(answer: &str) -> Vec<String> {
    let video = answer.split("m=").find(|section| section.starts_with("video")).expect("a picture");
    let numbers = video.lines().next().expect("a line").split_whitespace().skip(3);
    let name = |number: &str| {
        let line = video.lines().find_map(|line| line.strip_prefix(&format!("a=rtpmap:{number} ")));
        line.and_then(|codec| codec.split('/').next()).unwrap_or_default().to_owned()
    };
    let mut names: Vec<_> = numbers.map(name).filter(|name| name != "rtx").collect();
    names.dedup();
    names
}

/// An offer whose video section lists these encodings only.
fn only(offer: &str, names: &[&str]) -> String {
    let (head, video) = offer.split_once("m=video").expect("a picture");
    let (video, tail) = match video.find("m=") {
        Some(next) => video.split_at(next),
        None => (video, ""),
    };
    let number_of = |line: &str, name: &str| {
        let (number, codec) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
        codec.starts_with(&format!("{name}/")).then(|| number.to_owned())
    };
    let kept: Vec<String> =
        names.iter().flat_map(|name| video.lines().filter_map(|line| number_of(line, name))).collect();
    let is_kept = |line: &&str| {
        let about = ["a=rtpmap:", "a=fmtp:", "a=rtcp-fb:"].iter().find_map(|name| line.strip_prefix(name));
        about.is_none_or(|rest| kept.iter().any(|number| rest.split(' ').next() == Some(number)))
    };
    let mut lines = video.lines();
    let first = lines.next().expect("a line").split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    let rest: Vec<&str> = lines.filter(is_kept).collect();
    format!("{head}m=video {first} {}\r\n{}\r\n{tail}", kept.join(" "), rest.join("\r\n"))
}

pub(crate) fn vp9_config() -> CodecConfig {
    let key = [0x82, 0x49, 0x83, 0x42, 0x20, 0x27, 0xf0, 0x16, 0x70, 0x00];
    CodecConfig::Vp9(vp9::Header::parse(&key).expect("valid").key.expect("a keyframe"))
}

pub(crate) fn av1_config() -> CodecConfig {
    let sequence = [0x00, 0x00, 0x00, 0x0c, 0xc4, 0xff, 0x67, 0x36, 0xbe, 0x40, 0x10];
    CodecConfig::Av1(Av1Config::new(&sequence).expect("valid"))
}

pub(crate) fn vp8_config() -> CodecConfig {
    CodecConfig::Vp8(Vp8Config { profile: 0, width: 640, height: 360 })
}

#[test]
fn a_browsers_offer_is_answered_in_our_order_of_preference() {
    assert_eq!(answered(&publish(WHIP).expect("taken")), ["H264", "AV1", "VP9", "VP8"]);
}

#[test]
fn a_publisher_with_one_format_is_taken() {
    for name in ["H264", "AV1", "VP9", "VP8"] {
        let answer = publish(&only(WHIP, &[name])).expect("taken");
        assert_eq!(answered(&answer), [name]);
    }
}

#[test]
fn a_viewer_gets_the_streams_format_alone() {
    let streams = [
        ("H264", CodecConfig::H264(avc())),
        ("VP8", vp8_config()),
        ("VP9", vp9_config()),
        ("AV1", av1_config()),
    ];
    for (name, config) in streams {
        for watch in WATCH {
            assert_eq!(answered(&watch(WHEP, &config).expect("taken")), [name]);
        }
    }
}

#[test]
fn a_viewer_without_the_streams_format_is_refused_in_words() {
    let cases = [
        (av1_config(), vec!["H264", "VP8"], "the video is AV1 (av01.0.01M.08), the offer lists VP8, H264;"),
        (vp8_config(), vec!["H264"], "the video is VP8"),
        (CodecConfig::H264(avc()), vec!["VP8"], "with packetization-mode=1, the offer lists VP8;"),
    ];
    for (config, names, words) in cases {
        for watch in WATCH {
            let error = watch(&only(WHEP, &names), &config).expect_err("refused");
            assert!(matches!(error, OfferError::NoCommonCodec(_)), "{error}");
            assert!(error.to_string().contains(words), "{error}");
            assert!(error.to_string().contains("LL-HLS"), "{error}");
        }
    }
}

#[test]
fn simulcast_is_answered_with_one_encoding() {
    let simulcast = "a=rid:h send\r\na=rid:l send\r\na=simulcast:send h;l\r\n";
    let offer = WHIP.replacen("a=rtpmap:96 VP8", &format!("{simulcast}a=rtpmap:96 VP8"), 1);
    let answer = publish(&offer).expect("taken");
    assert!(!answer.contains("simulcast") && !answer.contains("a=rid"), "{answer}");
}
