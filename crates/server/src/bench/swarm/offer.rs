//! The offer of a counted viewer, and what it needs of the answer.

use super::{
    dtls::{self, Fingerprint, Identity},
    header::ExtensionIds,
    ice::{self, Credentials},
};
use crate::bench::peer::first_candidate;
use anyhow::{Context, ensure};
use std::net::SocketAddr;

/// Video payload types with those of their retransmissions and a browser's words for them. Counting needs no decoder, so every codec is
/// welcome.
const VIDEO: [(u8, u8, &str, &str); 7] = [
    (102, 103, "H264", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"),
    (104, 105, "H264", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f"),
    (106, 107, "H264", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f"),
    (108, 109, "H264", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=64001f"),
    (96, 97, "VP8", ""),
    (98, 99, "VP9", "profile-id=0"),
    (45, 46, "AV1", "level-idx=5;profile=0;tier=0"),
];
const EXTENSIONS: [(u8, &str); 4] = [
    (2, "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"),
    (3, TRANSPORT_SEQUENCE),
    (4, "urn:ietf:params:rtp-hdrext:sdes:mid"),
    (5, CAPTURE_TIME),
];
const TRANSPORT_SEQUENCE: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
const CAPTURE_TIME: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time";

/// A browser's offer for one picture and one sound, without a data channel.
pub(super) fn offer(local: &Credentials, identity: &Identity) -> String {
    let numbers: Vec<String> =
        VIDEO.iter().flat_map(|(number, resend, ..)| [number.to_string(), resend.to_string()]).collect();
    let mut sdp = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n".to_owned();
    sdp += &format!("m=video 9 UDP/TLS/RTP/SAVPF {}\r\n", numbers.join(" "));
    sdp += &section(local, identity, 0);
    for (number, resend, codec, format) in VIDEO {
        sdp += &format!("a=rtpmap:{number} {codec}/90000\r\n");
        for feedback in ["transport-cc", "ccm fir", "nack", "nack pli"] {
            sdp += &format!("a=rtcp-fb:{number} {feedback}\r\n");
        }
        if !format.is_empty() {
            sdp += &format!("a=fmtp:{number} {format}\r\n");
        }
        sdp += &format!("a=rtpmap:{resend} rtx/90000\r\na=fmtp:{resend} apt={number}\r\n");
    }
    sdp += "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n";
    sdp += &section(local, identity, 1);
    sdp + "a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n"
}

fn section(local: &Credentials, identity: &Identity, mid: u8) -> String {
    let Credentials { fragment, password } = local;
    let fingerprint = identity.fingerprint();
    let mut lines = format!(
        "c=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:{fragment}\r\na=ice-pwd:{password}\r\n\
         a=ice-options:trickle\r\na=fingerprint:sha-256 {fingerprint}\r\na=setup:actpass\r\na=mid:{mid}\r\n"
    );
    for (id, name) in EXTENSIONS {
        lines += &format!("a=extmap:{id} {name}\r\n");
    }
    lines + "a=recvonly\r\na=rtcp-mux\r\na=rtcp-rsize\r\n"
}

/// What a counted viewer needs of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) remote: SocketAddr,
    pub(super) credentials: Credentials,
    pub(super) fingerprint: Fingerprint,
    pub(super) extensions: ExtensionIds,
    pub(super) payloads: Payloads,
}

/// Payload types of the answer, as bits by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Payloads {
    video: u128,
    resent: u128,
    /// The server wants transport-wide feedback.
    pub(super) has_feedback: bool,
    pub(super) has_nack: bool,
}

/// What a payload type carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carries {
    Video,
    Resent,
    Audio,
}

impl Payloads {
    pub(super) fn of(self, payload_type: u8) -> Carries {
        match 1u128 << (payload_type & 0x7f) {
            bit if self.video & bit != 0 => Carries::Video,
            bit if self.resent & bit != 0 => Carries::Resent,
            _ => Carries::Audio,
        }
    }

    /// The answer has a picture.
    pub(super) fn has_video(self) -> bool {
        self.video != 0
    }
}

impl Answer {
    pub(super) fn parse(sdp: &str) -> anyhow::Result<Self> {
        let remote = first_candidate(sdp).context("the answer has no usable candidate")?;
        let credentials = ice::credentials(sdp)?;
        let fingerprint = dtls::fingerprint(sdp).context("the answer has no SHA-256 fingerprint")?;
        let is_active = sdp.lines().any(|line| line.trim() == "a=setup:active");
        ensure!(!is_active, "the server wants to be the DTLS client; counted viewers are that");
        let mut answer = Self {
            remote,
            credentials,
            fingerprint,
            extensions: ExtensionIds::default(),
            payloads: Payloads::default(),
        };
        sdp.lines().for_each(|line| answer.read(line.trim()));
        Ok(answer)
    }

    fn read(&mut self, line: &str) {
        if let Some((number, name)) = line.strip_prefix("a=extmap:").and_then(|line| line.split_once(' ')) {
            let id = number.split('/').next().and_then(|number| number.parse().ok());
            match name.split(' ').next() {
                Some(CAPTURE_TIME) => self.extensions.capture_time = id,
                Some(TRANSPORT_SEQUENCE) => self.extensions.transport_sequence = id,
                _ => {}
            }
        } else if let Some((number, name)) =
            line.strip_prefix("a=rtpmap:").and_then(|line| line.split_once(' '))
        {
            let Some(bit) = number.parse::<u32>().ok().and_then(|number| 1u128.checked_shl(number)) else {
                return;
            };
            if name.starts_with("rtx/") {
                self.payloads.resent |= bit;
            } else if name.ends_with("/90000") {
                self.payloads.video |= bit;
            }
        } else if let Some((_, name)) = line.strip_prefix("a=rtcp-fb:").and_then(|line| line.split_once(' '))
        {
            self.payloads.has_feedback |= name == "transport-cc";
            self.payloads.has_nack |= name == "nack";
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "v=0\r\na=ice-lite\r\nm=video 9 UDP/TLS/RTP/SAVPF 102 103\r\na=ice-ufrag:uf\r\na=ice-pwd:pw\r\n\
        a=candidate:1 1 udp 2130706431 192.0.2.7 8189 typ host\r\na=setup:passive\r\n\
        a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time\r\n\
        a=rtpmap:102 H264/90000\r\na=rtcp-fb:102 nack\r\na=rtpmap:103 rtx/90000\r\na=rtpmap:111 opus/48000/2\r\n";

    fn with_fingerprint() -> String {
        format!("{ANSWER}a=fingerprint:sha-256 {}\r\n", ["AB"; 32].join(":"))
    }

    #[test]
    fn an_answer_tells_where_how_and_what() {
        let answer = Answer::parse(&with_fingerprint()).expect("valid");
        assert_eq!(answer.remote, "192.0.2.7:8189".parse().expect("valid"));
        assert_eq!(answer.fingerprint, [0xab; 32]);
        assert_eq!(answer.extensions, ExtensionIds { capture_time: Some(5), transport_sequence: None });
        let payloads = answer.payloads;
        let kinds = [102, 103, 111].map(|number| payloads.of(number));
        assert_eq!(kinds, [Carries::Video, Carries::Resent, Carries::Audio]);
        assert!(payloads.has_nack && !payloads.has_feedback && payloads.has_video());
    }

    #[test]
    fn an_answer_without_what_is_needed_is_refused_in_words() {
        let error = Answer::parse(ANSWER).expect_err("no fingerprint").to_string();
        assert!(error.contains("fingerprint"), "{error}");
        let active = with_fingerprint().replace("setup:passive", "setup:active");
        assert!(Answer::parse(&active).is_err());
    }

    #[test]
    fn the_offer_names_each_payload_type_once() {
        let identity = Identity::generate().expect("generated");
        let sdp = offer(&Credentials::random(), &identity);
        let mut numbers: Vec<&str> =
            sdp.lines().filter_map(|line| line.strip_prefix("a=rtpmap:")?.split(' ').next()).collect();
        let all = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!((numbers.len(), all), (15, 15));
    }
}
