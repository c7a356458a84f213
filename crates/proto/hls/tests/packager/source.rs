//! A stream in a hub, its media time moved by the test, and a packager that reads it.

use bytes::Bytes;
use std::sync::Arc;
use unisono_base::{Doorbell, KeyId, MediaTime, Span, StreamId};
use unisono_hub::{Cursor, Hub, Limits, Publication, Read, Ring, RingLimits, Source, Stream, TrackWriter};
use unisono_media::{AvcConfig, CodecConfig, Frame, Kind, OpusConfig};
use unisono_proto_hls::{Cut, Cuts, Event, Packager, Start, Tracks, View};

/// T of the first frame.
pub(crate) const START: MediaTime = MediaTime::from_micros(1_795_237_200_000_123);

/// x264 640x360 zerolatency High 3.0; the same at level 3.1.
const SPS: [u8; 25] = [
    0x67, 0x64, 0x00, 0x1e, 0xac, 0xd9, 0x40, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01,
    0x00, 0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16, 0x2d,
];

pub(crate) fn avc(level: u8) -> CodecConfig {
    let mut sps = SPS;
    sps[3] = level;
    let pps = vec![Bytes::from_static(&[0x68, 0xeb, 0xe3, 0xcb])];
    CodecConfig::H264(AvcConfig::new(Bytes::copy_from_slice(&sps), pps).expect("valid"))
}

struct Silent;
impl Doorbell for Silent {
    fn ring(&self) {}
}

/// What a stream is made of.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// Microseconds from frame to frame; 0 for no picture.
    pub(crate) frame_us: i64,
    /// Added to every other frame's T, as a jittery clock does.
    pub(crate) jitter_us: i64,
    /// Frames from keyframe to keyframe.
    pub(crate) gop: i64,
    /// Frames are decoded this many frames before they are shown (B-frames); 0 for none.
    pub(crate) reorder: i64,
    /// Milliseconds of each Opus packet; 0 for no sound.
    pub(crate) opus_ms: i64,
    /// By how much T runs fast in the first ten seconds, as the fit slews it; negative for slow.
    pub(crate) slew_ppm: i64,
}

impl Default for Shape {
    fn default() -> Self {
        Self { frame_us: 33_333, jitter_us: 0, gop: 30, reorder: 0, opus_ms: 20, slew_ppm: 0 }
    }
}

pub(crate) struct Live {
    pub(crate) stream: Arc<Stream>,
    publication: Publication,
    video: Option<TrackWriter>,
    audio: Option<TrackWriter>,
    shape: Shape,
    next: [i64; 2],
    now_us: i64,
}

impl Live {
    pub(crate) fn new(shape: Shape, ring: Span) -> Self {
        let hub =
            Hub::new(Limits { ring: RingLimits { span: ring, bytes_max: 64 << 20 }, ..Limits::default() });
        let id = StreamId::local("live/alice".parse().expect("valid"));
        let source = Source { protocol: "test", accepts_pli: false };
        let seconds = (START.as_micros() / 1_000_000) as u32;
        let publication = hub.publish(&id, KeyId::new("k"), source, seconds, Arc::new(Silent)).expect("free");
        let stream = publication.stream().clone();
        let video = (shape.frame_us > 0).then(|| publication.open_track(avc(30)));
        let opus = CodecConfig::Opus(OpusConfig { channels: 2, pre_skip: 0 });
        let audio = (shape.opus_ms > 0).then(|| publication.open_track(opus));
        Self { stream, publication, video, audio, shape, next: [0, 0], now_us: 0 }
    }

    /// A break of the timeline: the next frames have another epoch and begin with a keyframe `ms` later.
    pub(crate) fn break_timeline(&mut self, ms: i64) {
        self.publication.break_timeline(0);
        self.pause(ms);
    }

    /// Nothing for `ms`; then a keyframe.
    pub(crate) fn pause(&mut self, ms: i64) {
        self.now_us += ms * 1_000;
        let first = |step: i64| if step > 0 { (self.now_us + step - 1) / step } else { 0 };
        self.next[0] = first(self.shape.frame_us).next_multiple_of_gop(self.shape.gop);
        self.next[1] = first(self.shape.opus_ms * 1_000);
    }

    /// Sound goes on without the picture for `ms`; then a keyframe.
    pub(crate) fn pause_picture(&mut self, ms: i64, after: impl FnMut(&Arc<Stream>)) {
        let until = self.now_us + ms * 1_000;
        let resume = (until / self.shape.frame_us).next_multiple_of_gop(self.shape.gop);
        self.next[0] = resume;
        self.run_to(resume * self.shape.frame_us / 1_000, after);
    }

    /// Another SPS from the next keyframe on.
    pub(crate) fn reconfigure(&mut self, level: u8) {
        assert!(self.video.as_mut().expect("a picture").set_config(avc(level)));
    }

    /// A keyframe out of turn, as a browser sends one when it changes the resolution.
    pub(crate) fn keyframe_now(&mut self) {
        self.next[0] = self.next[0].next_multiple_of_gop(self.shape.gop);
    }

    /// T of what the source calls `us`.
    fn t(&self, us: i64) -> MediaTime {
        START + Span::from_micros(us + us.min(10_000_000) * self.shape.slew_ppm / 1_000_000)
    }

    fn video_frame(&self, i: i64) -> Frame {
        let Shape { frame_us, jitter_us, gop, reorder, .. } = self.shape;
        let shown = |i: i64| self.t(i * frame_us) + Span::from_micros((i % 2) * jitter_us);
        // Of each mini-group P comes first, then the B-frames before it: decode order 0 3 1 2 6 4 5 ...
        let place = i % gop;
        let (mini, last) = (reorder + 1, (gop - 1) / (reorder + 1) * (reorder + 1));
        let display = match (reorder, place) {
            (0, place) => place,
            (_, 0) => 0,
            (_, place) if place > last => place,
            (_, place) if (place - 1) % mini == 0 => place + reorder,
            (_, place) => place - 1,
        };
        let t = shown(i - place + display);
        let size = 40 + (i * 7 % 61) as usize;
        let mut frame = Frame::new(t, t, vec![(i % 251) as u8; size].into());
        frame.dts = shown(i) - Span::from_micros(reorder * frame_us);
        frame.key = place == 0;
        frame.duration = Span::from_micros(frame_us);
        frame
    }

    /// Appends everything before `ms`, in order of T; calls `after` behind each frame.
    pub(crate) fn run_to(&mut self, ms: i64, mut after: impl FnMut(&Arc<Stream>)) {
        let end = ms * 1_000;
        self.now_us = self.now_us.max(end);
        loop {
            let at = |step: i64, i: i64| if step > 0 { i * step } else { i64::MAX };
            let video = at(self.shape.frame_us, self.next[0]);
            let audio = at(self.shape.opus_ms * 1_000, self.next[1]);
            if video.min(audio) >= end {
                return;
            }
            let epoch = self.publication.epoch();
            if video <= audio {
                let frame = self.video_frame(self.next[0]);
                self.video.as_mut().expect("a picture").append(epoch, frame);
                self.next[0] += 1;
            } else {
                let t = self.t(audio);
                // CELT fullband, one frame of 20 ms.
                let payload = vec![0xfc, (self.next[1] % 251) as u8, 3];
                self.audio.as_mut().expect("sound").append(epoch, Frame::new(t, t, payload.into()));
                self.next[1] += 1;
            }
            after(&self.stream);
        }
    }
}

trait Multiple {
    fn next_multiple_of_gop(self, gop: i64) -> i64;
}

impl Multiple for i64 {
    fn next_multiple_of_gop(self, gop: i64) -> i64 {
        (self + gop - 1) / gop * gop
    }
}

/// What the gateway does, without the task.
pub(crate) struct Viewer {
    tapes: Vec<(Arc<Ring>, Cursor)>,
    pub(crate) packager: Packager,
    pub(crate) view: Option<Arc<View>>,
}

impl Viewer {
    /// Begins at the oldest group there is.
    pub(crate) fn new(stream: &Stream) -> Self {
        let tape = |kind| {
            let ring: Arc<Ring> = stream.source(kind)?;
            let cursor = ring.oldest_group().unwrap_or_else(|| ring.tail());
            Some((ring, cursor))
        };
        let tapes: Vec<_> = [tape(Kind::Video), tape(Kind::Audio)].into_iter().flatten().collect();
        let start = |kind| {
            let (_, cursor) = tapes.iter().find(|(ring, _)| ring.kind() == kind)?;
            Some(if cursor.is_origin() { Start::Origin } else { Start::Middle })
        };
        let tracks = Tracks { video: start(Kind::Video), audio: start(Kind::Audio) };
        Self { packager: Packager::new(Default::default(), tracks), tapes, view: None }
    }

    /// Reads and packages what is there.
    pub(crate) fn step(&mut self, stream: &Stream) {
        for (ring, cursor) in &mut self.tapes {
            while let Read::Frame { frame, group, .. } = ring.read(cursor) {
                self.packager.handle_frame(frame, group.epoch, group.config.clone());
            }
        }
        self.packager.handle_cuts(&cuts(stream)).expect("packaged");
        self.take();
    }

    pub(crate) fn end(&mut self) {
        self.packager.handle_end().expect("packaged");
        self.take();
    }

    pub(crate) fn event(&mut self, id: u32, at: MediaTime) {
        let json = Bytes::from_static(b"{}");
        self.packager.handle_event(Event { at, duration: Span::ZERO, id, json });
    }

    pub(crate) fn text(&self, kind: Kind) -> String {
        let view = self.view.as_ref().expect("something to play");
        let text = view.playlist(kind).expect("a rendition").full();
        String::from_utf8(text.to_vec()).expect("text")
    }

    pub(crate) fn delta(&self, kind: Kind) -> String {
        let view = self.view.as_ref().expect("something to play");
        let text = view.playlist(kind).expect("a rendition").delta();
        String::from_utf8(text.to_vec()).expect("text")
    }

    fn take(&mut self) {
        if let Some(view) = self.packager.poll_view() {
            self.view = Some(view);
        }
    }
}

fn cuts(stream: &Stream) -> Cuts {
    let cuts = stream.cuts();
    let cut = |c: &unisono_hub::Cut| Cut {
        epoch: c.epoch,
        segment: c.segment,
        t: c.t,
        independent: c.independent,
        discontinuities: c.discontinuities,
    };
    Cuts { list: cuts.list.iter().map(cut).collect(), horizon: cuts.horizon, target: cuts.target }
}
