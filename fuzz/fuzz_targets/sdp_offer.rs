//! An SDP offer, to publish or to watch by its first byte, and the rest cut at a NUL into the offer and a PATCH body.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use std::{net::SocketAddr, sync::OnceLock, time::Instant};
use unisono_media::{Av1Config, AvcConfig, CodecConfig, Vp8Config};
use unisono_proto_webrtc::{Egress, HostCandidate, Identity, Ingress, OfferError, ViewerSession, Wanted};

const AV1_SEQUENCE: &[u8] = &[0x00, 0x00, 0x00, 0x0c, 0xc4, 0xff, 0x67, 0x36, 0xbe, 0x40, 0x10];
const SPS: &[u8] = &[
    0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00,
    0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16, 0x2d, 0x00,
];
const PPS: &[u8] = &[0x68, 0xee, 0x3c, 0x80];

fn identity() -> &'static Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    IDENTITY.get_or_init(|| Identity::generate().expect("an identity"))
}

fuzz_target!(|data: &[u8]| {
    let Some((&first, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let (offer, fragment) = text.split_once('\0').unwrap_or((text, ""));
    let candidates = [SocketAddr::from(([192, 0, 2, 1], 8189))];
    let now = Instant::now();
    let refused = if first & 1 == 0 {
        Ingress::accept(identity(), offer, &candidates, now)
            .map(|(mut session, _)| drop(session.handle_patch(now, fragment)))
    } else {
        let avc = AvcConfig::new(Bytes::from_static(SPS), vec![Bytes::from_static(PPS)]).expect("valid");
        let config = match first >> 1 & 3 {
            0 => CodecConfig::Vp8(Vp8Config { profile: 0, width: 640, height: 360 }),
            1 => CodecConfig::Av1(Av1Config::new(AV1_SEQUENCE).expect("valid")),
            _ => CodecConfig::H264(avc),
        };
        let wanted = Wanted { video: Some(&config), audio: true };
        let candidates = candidates.map(HostCandidate::from);
        Egress::accept_viewer(identity(), offer, &candidates, wanted, now)
            .map(|(mut session, _)| drop(session.handle_patch(now, fragment)))
    };
    // A panic of the stack would be contained: libFuzzer aborts in its hook before that.
    if let Err(OfferError::Internal(words)) = refused {
        panic!("{words}");
    }
});
