//! Offers as Chromium 156 makes them, answered; and hostile ones, refused in words without a panic.

use crate::world::{SERVER, address, avc, identity};
use proptest::prelude::*;
use std::time::Instant;
use unisono_media::CodecConfig;
use unisono_proto_webrtc::{Egress, Ingress, OfferError, Viewer, ViewerSession, Wanted};

/// A canvas and a Web Audio tone to send.
pub(crate) const WHIP: &str = include_str!("chromium-whip.sdp");
/// Picture, sound and a data channel, to receive.
pub(crate) const WHEP: &str = include_str!("chromium-whep.sdp");
/// The same with a second picture: the payload types of both mean the same.
const WHEP_TWO: &str = include_str!("chromium-whep-two-pictures.sdp");

pub(crate) fn publish(offer: &str) -> Result<String, OfferError> {
    Ingress::accept(identity(), offer, &[address(SERVER)], Instant::now()).map(|(_, answer)| answer)
}

/// How each of the egresses answers a viewer of a stream with this picture, and sound.
type Watch = fn(&str, &CodecConfig) -> Result<String, OfferError>;
pub(crate) const WATCH: [Watch; 2] = [watch_as::<Egress>, watch_as::<Viewer>];

pub(crate) fn watch_as<S: ViewerSession>(offer: &str, config: &CodecConfig) -> Result<String, OfferError> {
    let wanted = Wanted { video: Some(config), audio: true };
    let candidates = [address(SERVER).into()];
    S::accept_viewer(identity(), offer, &candidates, wanted, Instant::now()).map(|(_, answer)| answer)
}

/// All answers to a viewer of H.264.
fn watch(offer: &str) -> Vec<Result<String, OfferError>> {
    WATCH.iter().map(|watch| watch(offer, &CodecConfig::H264(avc()))).collect()
}

/// A publisher's offer with exactly these payload types of H.264.
fn h264(attributes: &[(u8, &str)]) -> String {
    let head = WHIP.split("m=video").next().expect("a head").replace("BUNDLE 0 1", "BUNDLE 0");
    let transport = WHIP.lines().filter(|line| {
        ["c=", "a=ice-", "a=fingerprint", "a=setup"].iter().any(|start| line.starts_with(start))
    });
    let transport: String = transport.take(6).map(|line| format!("{line}\r\n")).collect();
    let numbers: String = attributes.iter().map(|(pt, _)| format!(" {pt}")).collect();
    let formats: String = attributes
        .iter()
        .map(|(pt, format)| {
            format!("a=rtpmap:{pt} H264/90000\r\na=rtcp-fb:{pt} nack pli\r\n{}", fmtp(*pt, format))
        })
        .collect();
    format!(
        "{head}m=video 9 UDP/TLS/RTP/SAVPF{numbers}\r\n{transport}a=mid:0\r\na=sendonly\r\na=rtcp-mux\r\n{formats}"
    )
}

fn fmtp(pt: u8, format: &str) -> String {
    if format.is_empty() { String::new() } else { format!("a=fmtp:{pt} {format}\r\n") }
}

fn first_profile(answer: &str) -> &str {
    let (_, rest) = answer.split_once("profile-level-id=").expect("H.264");
    &rest[..6]
}

#[test]
fn chromium_publishes_constrained_baseline_in_mode_1_and_gets_feedback_for_its_bitrate() {
    let answer = publish(WHIP).expect("accepted");
    assert_eq!(first_profile(&answer), "42e01f", "{answer}");
    for wanted in ["a=recvonly", "transport-cc", "transport-wide-cc", "nack pli", "opus/48000/2"] {
        assert!(answer.contains(wanted), "{wanted}: {answer}");
    }
    for unwanted in ["packetization-mode=0", "a=sendrecv", "a=ssrc"] {
        assert!(!answer.contains(unwanted), "{unwanted}: {answer}");
    }
}

#[test]
fn chromium_asked_to_send_and_receive_only_sends() {
    let answer = publish(&WHIP.replace("a=sendonly", "a=sendrecv")).expect("accepted");
    assert_eq!(answer.matches("a=recvonly").count(), 2, "{answer}");
    assert!(!answer.contains("a=ssrc"), "{answer}");
}

#[test]
fn an_offer_without_a_direction_is_one_for_both_ways() {
    let silent = |offer: &str, direction: &str| offer.replace(&format!("{direction}\r\n"), "");
    let answer = publish(&silent(WHIP, "a=sendonly")).expect("accepted");
    assert_eq!(answer.matches("a=recvonly").count(), 2, "{answer}");
    for answer in watch(&silent(WHEP, "a=recvonly")) {
        let answer = answer.expect("accepted");
        assert!(answer.contains("m=video") && !answer.contains("a=inactive"), "{answer}");
    }
}

#[test]
fn chromium_watches_without_feedback_that_nobody_reads() {
    let answer = watch_as::<Egress>(WHEP, &CodecConfig::H264(avc())).expect("accepted");
    for unwanted in ["packetization-mode=0", "transport-cc", "transport-wide-cc", "goog-remb", "a=recvonly"] {
        assert!(!answer.contains(unwanted), "{unwanted}: {answer}");
    }
    for wanted in ["a=sendonly", "nack pli", "webrtc-datachannel", "rtx/90000"] {
        assert!(answer.contains(wanted), "{wanted}: {answer}");
    }
}

#[test]
fn bundled_sections_may_repeat_a_payload_type_that_means_the_same() {
    for answer in watch(WHEP_TWO) {
        let answer = answer.expect("accepted");
        assert_eq!(answer.matches("m=video").count(), 2, "{answer}");
    }
}

#[test]
fn common_profiles_are_taken() {
    for profile in ["42e01f", "42001f", "42c01f", "42e034", "4d001f", "4d401f", "64001f", "64002a", "640c1f"]
    {
        let format = format!("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={profile}");
        let answer = publish(&h264(&[(103, &format)]));
        assert!(answer.as_ref().is_ok_and(|answer| answer.contains("H264/90000")), "{profile}: {answer:?}");
    }
}

/// What each of these says without profile-level-id or packetization-mode is in RFC 6184 §8.1: baseline, mode 0.
#[test]
fn packetization_mode_0_alone_is_refused_in_words() {
    for format in ["packetization-mode=0;profile-level-id=42e01f", ""] {
        let error = publish(&h264(&[(103, format)])).expect_err("refused");
        assert!(matches!(error, OfferError::NoCommonCodec(_)), "{format}: {error}");
    }
}

/// Found by mutating offers: str0m asserts that a payload type belongs to one codec.
#[test]
fn one_payload_type_for_sound_and_picture_is_refused_in_both_directions() {
    for number in [102, 108, 116] {
        let hostile = |offer: &str| {
            offer.replacen("a=rtpmap:111", &format!("a=rtpmap:{number} H264/90000\r\na=rtpmap:111"), 1)
        };
        let answers = watch(&hostile(WHEP)).into_iter().chain([publish(&hostile(WHIP))]);
        for error in answers.map(|answer| answer.expect_err("refused")) {
            assert!(
                matches!(&error, OfferError::Malformed(words) if words.contains(&number.to_string())),
                "{error}"
            );
        }
    }
}

/// As above within one kind: found by mutating, too (116 is constrained baseline here and main there).
#[test]
fn two_pictures_that_disagree_about_a_payload_type_are_refused() {
    let hostile = WHEP_TWO.replacen("profile-level-id=4d001f", "profile-level-id=4d801f", 1);
    assert_ne!(hostile, WHEP_TWO);
    for answer in watch(&hostile) {
        let error = answer.expect_err("refused");
        assert!(matches!(&error, OfferError::Malformed(words) if words.contains("116")), "{error}");
    }
}

#[test]
fn refusals_are_words_without_addresses_of_memory() {
    let cases = [
        WHIP.replace("a=mid:0", "a=mid"),
        WHIP.replace("a=rtpmap:102 H264/90000\r\n", ""),
        WHIP.replace("a=fingerprint:", "a=fingerprint"),
        WHIP.replace("t=0 0", "t=zero"),
        WHIP.replace("\r\n", " "),
    ];
    for case in cases {
        let words = publish(&case).expect_err("refused").to_string();
        assert!(!words.contains("Pointer") && !words.contains("0x"), "{words}");
        assert!(words.len() > 20 && words.len() < 300, "{words}");
    }
}

/// What a mutation does to a line, or between two.
#[derive(Clone, Debug)]
enum Mutation {
    Remove(prop::sample::Index),
    Repeat(prop::sample::Index, prop::sample::Index),
    Swap(prop::sample::Index, prop::sample::Index),
    Truncate(prop::sample::Index, prop::sample::Index),
    Digit(prop::sample::Index, prop::sample::Index, u8),
    PayloadType(prop::sample::Index, u8, u64),
}

/// Payload types that mean something in the fixtures, and numbers at the borders.
const KNOWN: [&str; 8] = ["96", "102", "103", "104", "108", "109", "111", "116"];
const NUMBERS: [u64; 12] = [0, 1, 35, 63, 72, 95, 96, 102, 109, 127, 128, 65_536];

fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let index = any::<prop::sample::Index>;
    let one = prop_oneof![
        index().prop_map(Mutation::Remove),
        (index(), index()).prop_map(|(a, b)| Mutation::Repeat(a, b)),
        (index(), index()).prop_map(|(a, b)| Mutation::Swap(a, b)),
        (index(), index()).prop_map(|(a, b)| Mutation::Truncate(a, b)),
        (index(), index(), b'0'..=b'9').prop_map(|(a, b, digit)| Mutation::Digit(a, b, digit)),
        (index(), 0u8..8, prop::sample::select(&NUMBERS[..]))
            .prop_map(|(a, known, number)| Mutation::PayloadType(a, known, number)),
    ];
    prop::collection::vec(one, 1..6)
}

fn mutate(offer: &str, mutations: &[Mutation]) -> String {
    let mut lines: Vec<String> = offer.lines().map(str::to_owned).collect();
    for mutation in mutations {
        let count = lines.len();
        match mutation {
            Mutation::Remove(at) => drop(lines.remove(at.index(count))),
            Mutation::Repeat(from, to) => {
                let line = lines[from.index(count)].clone();
                lines.insert(to.index(count), line);
            }
            Mutation::Swap(a, b) => lines.swap(a.index(count), b.index(count)),
            Mutation::Truncate(at, length) => {
                let line = &mut lines[at.index(count)];
                line.truncate(length.index(line.len() + 1));
            }
            Mutation::Digit(at, which, digit) => {
                let line = &mut lines[at.index(count)];
                let digits: Vec<_> =
                    line.char_indices().filter(|(_, c)| c.is_ascii_digit()).map(|(i, _)| i).collect();
                if !digits.is_empty() {
                    let at = digits[which.index(digits.len())];
                    line.replace_range(at..=at, &char::from(*digit).to_string());
                }
            }
            Mutation::PayloadType(at, known, number) => {
                let line = &mut lines[at.index(count)];
                *line = line.replacen(KNOWN[usize::from(*known)], &number.to_string(), 1);
            }
        }
    }
    lines.join("\r\n") + "\r\n"
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

    /// `Internal` would be a panic of the WebRTC stack that was contained: no offer may come that far.
    #[test]
    fn a_mutated_offer_never_panics(
        offer in prop::sample::select(&[WHIP, WHEP, WHEP_TWO][..]), mutations in mutations(),
    ) {
        let hostile = mutate(offer, &mutations);
        for error in watch(&hostile).into_iter().chain([publish(&hostile)]).filter_map(Result::err) {
            prop_assert!(!matches!(error, OfferError::Internal(_)), "{error}\n{hostile}");
            prop_assert!(!error.to_string().contains("Pointer"), "{error}\n{hostile}");
        }
    }
}
