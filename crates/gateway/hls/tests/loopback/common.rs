//! A hub with real H.264 and AAC from ffmpeg in it, served on loopback.

use bytes::Bytes;
use std::{
    net::SocketAddr,
    process::{Command, Stdio},
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};
use unisono_auth::Access;
use unisono_base::{Doorbell, KeyId, MediaTime, NodeClock, Span, StreamId};
use unisono_gateway_hls::{Config, Gateway, Metrics};
use unisono_hub::{Hub, Limits, Publication, RingLimits, Source, TrackWriter, Written};
use unisono_media::{AacConfig, AvcConfig, CodecConfig, Frame, h264};

/// T of the first frame: 2026-11-21T05:00:00.000123Z.
pub(crate) const START: MediaTime = MediaTime::from_micros(1_795_237_200_000_123);
pub(crate) const NAME: &str = "live/alice";

struct Silent;
impl Doorbell for Silent {
    fn ring(&self) {}
}

/// Encoded media: access units in stored form.
pub(crate) struct Media {
    pub(crate) avc: AvcConfig,
    /// In decode order.
    pub(crate) video: Vec<Picture>,
    pub(crate) aac: AacConfig,
    pub(crate) audio: Vec<Bytes>,
}

/// One access unit, with the frame number at which it is shown.
pub(crate) struct Picture {
    pub(crate) payload: Bytes,
    key: bool,
    shown: usize,
}

pub(crate) const FPS: i64 = 30;

fn ffmpeg(args: &str) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error"])
        .args(args.split(' '))
        .stderr(Stdio::inherit())
        .output()
        .expect("ffmpeg runs");
    assert!(output.status.success());
    output.stdout
}

/// `seconds` of a moving picture with a keyframe each second, and a tone.
pub(crate) fn media(seconds: u32) -> Media {
    media_with(seconds, "-preset ultrafast -tune zerolatency -g 30 -x264-params aud=1:scenecut=0")
}

/// The same with other words for x264. The pictures are made as MPEG-TS, which tells the order of showing.
pub(crate) fn media_with(seconds: u32, x264: &str) -> Media {
    // A name of its own for each: tests may share a process.
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let file = std::env::temp_dir().join(format!("unisono-hls-{}-{number}.ts", std::process::id()));
    let path = file.to_str().expect("plain");
    ffmpeg(&format!(
        "-f lavfi -i testsrc=size=320x180:rate=30 -t {seconds} -c:v libx264 {x264} -pix_fmt yuv420p -f mpegts -y {path}"
    ));
    let h264 = ffmpeg(&format!("-i {path} -c copy -f h264 -"));
    let shown = shown_order(path);
    let _ = std::fs::remove_file(&file);
    let mut sps = None;
    let mut pps = Vec::new();
    let mut units: Vec<Vec<Bytes>> = Vec::new();
    for nal in h264::annex_b(&h264) {
        match nal[0] & 0x1f {
            h264::nal::AUD => units.push(Vec::new()),
            h264::nal::SPS => sps = Some(Bytes::copy_from_slice(nal)),
            h264::nal::PPS => pps = vec![Bytes::copy_from_slice(nal)],
            _ => units.last_mut().expect("begins with a delimiter").push(Bytes::copy_from_slice(nal)),
        }
    }
    let stored = units.iter().map(|unit| h264::store(unit.iter()));
    let video =
        stored.zip(shown).map(|(au, shown)| Picture { payload: au.payload, key: au.key, shown }).collect();
    let adts = ffmpeg(&format!(
        "-f lavfi -i sine=frequency=440:sample_rate=48000 -t {seconds} -ac 2 -c:a aac -f adts -"
    ));
    let mut audio = Vec::new();
    let mut rest = &adts[..];
    let (object_type, rate, channels) = (2u8, (rest[2] >> 2) & 0xf, 2u8);
    while rest.len() > 7 {
        let length = usize::from(rest[3] & 3) << 11 | usize::from(rest[4]) << 3 | usize::from(rest[5] >> 5);
        audio.push(Bytes::copy_from_slice(&rest[7..length]));
        rest = &rest[length..];
    }
    let asc = vec![object_type << 3 | rate >> 1, rate << 7 | channels << 3];
    Media {
        avc: AvcConfig::new(sps.expect("an SPS"), pps).expect("valid"),
        video,
        aac: AacConfig::parse(asc.into()).expect("valid"),
        audio,
    }
}

/// For each access unit of a file the number of the frame at which it is shown.
fn shown_order(path: &str) -> Vec<usize> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", "packet=pts", "-of", "csv=p=0", path])
        .output()
        .expect("ffprobe runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let pts: Vec<i64> = text.lines().filter_map(|l| l.split(',').next()?.parse().ok()).collect();
    let first = pts.iter().min().copied().unwrap_or_default();
    pts.iter().map(|pts| ((pts - first) * FPS / 90_000) as usize).collect()
}

/// A published stream whose media time the test moves.
pub(crate) struct Live {
    pub(crate) media: Media,
    pub(crate) publication: Publication,
    video: TrackWriter,
    audio: TrackWriter,
    /// Frames that decoding runs ahead of showing.
    ahead: usize,
    pub(crate) next_video: usize,
    pub(crate) next_audio: usize,
}

impl Live {
    pub(crate) fn publish(hub: &Hub, media: Media) -> Self {
        let source = Source { protocol: "rtmp", accepts_pli: false };
        let seconds = (START.as_micros() / 1_000_000) as u32;
        let publication =
            hub.publish(&id(), KeyId::new("k"), source, seconds, Arc::new(Silent)).expect("free");
        let video = publication.open_track(CodecConfig::H264(media.avc.clone()));
        let audio = publication.open_track(CodecConfig::Aac(media.aac.clone()));
        let shown = media.video.iter().map(|p| p.shown);
        let ahead = shown.enumerate().map(|(i, shown)| i.saturating_sub(shown)).max().unwrap_or(0);
        Self { media, publication, video, audio, ahead, next_video: 0, next_audio: 0 }
    }

    pub(crate) fn video_t(&self, i: usize) -> MediaTime {
        START + Span::from_micros(i as i64 * 1_000_000 / FPS)
    }

    pub(crate) fn audio_t(&self, i: usize) -> MediaTime {
        START + Span::from_micros(i as i64 * 1_024_000_000 / 48_000)
    }

    /// Appends what has a T before `ms` after the start, in order of T.
    pub(crate) fn run_to(&mut self, ms: i64) {
        let end = START + Span::from_millis(ms);
        let epoch = self.publication.epoch();
        loop {
            let (v, a) = (self.video_t(self.next_video), self.audio_t(self.next_audio));
            let has_video = self.next_video < self.media.video.len() && v < end;
            let has_audio = self.next_audio < self.media.audio.len() && a < end;
            if has_video && (v <= a || !has_audio) {
                let picture = &self.media.video[self.next_video];
                let mut frame = Frame::new(self.video_t(picture.shown), v, picture.payload.clone());
                // Decoding runs ahead of showing by as many frames as the reordering is deep.
                frame.dts = v - Span::from_micros(self.ahead as i64 * 1_000_000 / FPS);
                frame.key = picture.key;
                frame.duration = Span::from_micros(1_000_000 / FPS);
                assert_eq!(self.video.append(epoch, frame), Written::Stored);
                self.next_video += 1;
            } else if has_audio {
                let frame = Frame::new(a, a, self.media.audio[self.next_audio].clone());
                assert_eq!(self.audio.append(epoch, frame), Written::Stored);
                self.next_audio += 1;
            } else {
                return;
            }
        }
    }
}

pub(crate) fn id() -> StreamId {
    StreamId::local(NAME.parse().expect("valid"))
}

/// The gateway on a port of its own.
pub(crate) struct Server {
    pub(crate) hub: Arc<Hub>,
    pub(crate) gateway: Gateway,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) access: Arc<Access>,
    pub(crate) base: String,
    pub(crate) http: reqwest::Client,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let ring = RingLimits { span: Span::from_secs(120), bytes_max: 64 << 20 };
        let hub = Hub::new(Limits { ring, ..Limits::default() });
        let mut registry = prometheus_client::registry::Registry::default();
        let metrics = Metrics::register(&mut registry);
        let clock = NodeClock::new(Instant::now(), START);
        let access = Arc::new(Access::default());
        let gateway = Gateway::new(config, hub.clone(), access.clone(), clock, metrics.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}/{NAME}", listener.local_addr().expect("bound"));
        let service = gateway.router().into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Self { hub, gateway, metrics, access, base, http: reqwest::Client::new() }
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.http.get(format!("{}/{path}", self.base)).send().await.expect("answered")
    }

    pub(crate) async fn text(&self, path: &str) -> String {
        let response = self.get(path).await;
        let status = response.status();
        let text = response.text().await.expect("a body");
        assert!(status.is_success(), "{path}: {status} {text}");
        text
    }

    pub(crate) async fn bytes(&self, path: &str) -> Bytes {
        let response = self.get(path).await;
        assert!(response.status().is_success(), "{path}: {}", response.status());
        response.bytes().await.expect("a body")
    }

    /// Ends the stream as the hub does when its publisher stays away.
    pub(crate) fn end(&self, live: Live) {
        drop(live);
        let now = Instant::now();
        self.hub.sweep(now);
        self.hub.sweep(now + Duration::from_secs(60));
    }
}

/// Waits for a condition that a task is about to make true; a deadline for the broken case only.
pub(crate) async fn until(what: &str, is_true: impl Fn() -> bool) {
    let patience = async {
        while !is_true() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), patience).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// Attribute `key` of a line, quotes taken off.
pub(crate) fn attribute<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let own = format!("{key}=");
    let at = line.match_indices(&own).find(|(i, _)| *i > 0 && b":,".contains(&line.as_bytes()[i - 1]))?.0;
    let rest = &line[at + own.len()..];
    match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => rest.split(',').next(),
    }
}
