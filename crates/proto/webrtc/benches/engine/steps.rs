//! Nanoseconds per packet by step: header, seal, and the whole write into a train buffer, for 1, 100 and 1,000 senders in turn; the
//! median of five runs.

use serde_json::{Map, Value};
use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};
use unisono_base::{Epoch, MediaTime, Span};
use unisono_media::{Frame, Kind, Packet, Packets};
use unisono_proto_webrtc::{
    Path,
    engine::{
        Outlet,
        bwe::Bwe,
        header::{Detail, ExtensionId, ExtensionIds, Extensions, Stream},
        sender::{Config, Outgoing, Sender, Wire},
        srtp::{Keys, Profile, Sealer, Side},
    },
};

/// RTP payload of a full packet.
pub(crate) const PAYLOAD: usize = 1_148;
/// Packets of a frame, as of 2.5 Mbit/s at 30 frames a second.
pub(crate) const PACKETS: usize = 9;
/// Frames in memory, so that payloads do not all come from the first-level cache.
pub(crate) const FRAMES: usize = 16;
/// Packets per run.
const WORK: usize = 400_000;
const RUNS: usize = 5;
const PROFILES: [Profile; 3] = [Profile::AeadAes256Gcm, Profile::AeadAes128Gcm, Profile::Aes128CmSha1_80];

struct Train {
    bytes: Vec<u8>,
    used: usize,
}

impl Outlet for Train {
    fn packet(&mut self, _: &Path, length: usize, fill: impl FnOnce(&mut [u8])) {
        if self.used + length > self.bytes.len() {
            black_box(&self.bytes);
            self.used = 0;
        }
        fill(&mut self.bytes[self.used..self.used + length]);
        self.used += length;
    }
}

struct Viewer {
    sender: Sender,
    sealer: Sealer,
    bwe: Bwe,
    path: Path,
}

fn extension_ids() -> ExtensionIds {
    let [mid, transport_cc, abs_capture_time] = [1, 2, 3].map(ExtensionId::new);
    ExtensionIds { mid, transport_cc, abs_capture_time, playout_delay: None }
}

fn sealer(profile: Profile, seed: usize) -> Sealer {
    let material: Vec<u8> = (0..profile.material_len()).map(|i| (i * 31 + seed) as u8).collect();
    Keys::from_dtls(profile, &material, Side::Server).and_then(|keys| keys.sealer()).expect("keys")
}

fn viewer(profile: Profile, seed: usize, now: Instant) -> Viewer {
    let config = Config {
        kind: Kind::Video,
        mid: "0",
        payload_type: 108,
        ssrc: seed as u32,
        resend: None,
        extensions: extension_ids(),
        playout_delay: None,
        random: seed as u64,
    };
    let [remote, local] = ["192.0.2.1:1", "192.0.2.2:2"].map(|text| text.parse().expect("an address"));
    Viewer {
        sender: Sender::new(config),
        sealer: sealer(profile, seed),
        bwe: Bwe::new(now, 2_500_000),
        path: Path::udp(remote, local),
    }
}

pub(crate) fn frame(number: usize) -> (Frame, Packets) {
    let t = MediaTime::from_micros(1_700_000_000_000_000) + Span::from_millis(33 * number as i64);
    let list = (0..PACKETS).map(|i| {
        let payload: Arc<[u8]> = vec![(number + i) as u8; PAYLOAD].into();
        Packet { payload, marker: i == PACKETS - 1 }
    });
    (Frame::new(t, t, bytes::Bytes::new()), Packets { list: list.collect(), complete: true })
}

/// Nanoseconds per packet, the median of the runs.
fn per_packet(mut run: impl FnMut()) -> f64 {
    let mut times = [Duration::ZERO; RUNS].map(|_| {
        let start = Instant::now();
        run();
        start.elapsed()
    });
    times.sort_unstable();
    times[RUNS / 2].as_nanos() as f64 / WORK as f64
}

fn header() -> f64 {
    let extensions = Extensions::new(extension_ids(), "0", None);
    let mut packet = [0; 64];
    per_packet(|| {
        for group in 0..WORK / PACKETS {
            let stream = Stream { payload_type: 108, timestamp: group as u32, ssrc: 1 };
            let template = extensions.template(stream, Detail::Lean, MediaTime::default());
            for sequence in 0..PACKETS {
                template.write(black_box(&mut packet), false, sequence as u16, sequence as u16);
            }
        }
    })
}

fn seal(profile: Profile, sessions: usize) -> f64 {
    let sealers: Vec<_> = (0..sessions).map(|seed| sealer(profile, seed)).collect();
    let (payload, mut packet) = ([7; PAYLOAD], vec![0; 20 + PAYLOAD + profile.rtp_overhead()]);
    let mut sequence = 0;
    per_packet(|| {
        for work in 0..WORK {
            let sealer = &sealers[work / PACKETS % sessions];
            sequence += 1;
            assert!(sealer.seal_rtp(1, sequence, black_box(&mut packet), 20, black_box(&payload)));
        }
    })
}

fn write(profile: Profile, sessions: usize) -> f64 {
    let mut now = Instant::now();
    let mut viewers: Vec<_> = (0..sessions).map(|seed| viewer(profile, seed, now)).collect();
    let frames: Vec<_> = (0..FRAMES).map(frame).collect();
    let mut train = Train { bytes: vec![0; 64 * 1_024], used: 0 };
    let mut number = 0;
    per_packet(|| {
        for work in 0..WORK / PACKETS {
            let viewer = &mut viewers[work % sessions];
            if work % sessions == 0 {
                number += 1;
                now += Duration::from_millis(33);
            }
            let (frame, packets) = &frames[number as usize % FRAMES];
            let outgoing = Outgoing { epoch: Epoch(1), number, frame, packets };
            let mut wire = Wire { path: &viewer.path, sealer: &viewer.sealer, bwe: &mut viewer.bwe };
            viewer.sender.send_frame(now, outgoing, &mut wire, &mut train);
        }
    })
}

pub(crate) fn figures() -> Vec<(&'static str, Value)> {
    let of = |measure: fn(Profile, usize) -> f64| {
        let profile = |profile: Profile| {
            let by_sessions =
                [1, 100, 1_000].map(|sessions| (sessions.to_string(), measure(profile, sessions).round()));
            (profile.as_str().to_owned(), Map::from_iter(by_sessions.map(|(k, v)| (k, v.into()))).into())
        };
        Value::Object(Map::from_iter(PROFILES.map(profile)))
    };
    vec![("header_ns", header().round().into()), ("seal_ns", of(seal)), ("write_ns", of(write))]
}
