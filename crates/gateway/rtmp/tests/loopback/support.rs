//! A door on loopback, real encoders, and ways to wait for what they send.

use prometheus_client::registry::Registry;
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    process::{Child, Command},
    sync::Notify,
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use unisono_auth::{Access, Keyring, NewKey, Role, ViewPolicy};
use unisono_base::{Doorbell, Epoch, MediaTime, NodeClock, StreamId};
use unisono_gateway_rtmp::{Config, Context, Gateway, Metrics};
use unisono_hub::{Cursor, GroupHeader, Hub, Limits, Read, Ring, State, Stream, Subscription};
use unisono_media::{CodecConfig, Frame, Kind};

/// Ten times what a loaded machine needs.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);

/// A served door.
pub(crate) struct Door {
    pub(crate) hub: Arc<Hub>,
    pub(crate) address: SocketAddr,
    pub(crate) key: String,
    pub(crate) other_key: String,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Door {
    pub(crate) async fn open() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let (hub, keyring) = (Hub::new(Limits::default()), Keyring::new());
        let key = |name| {
            let key = NewKey::generate(Role::Publish, name).expect("randomness");
            keyring.add(&key).expect("room for a key");
            key.reveal().to_owned()
        };
        let (key, other_key) = (key("one"), key("two"));
        let mut config = Config::new((Ipv4Addr::LOCALHOST, 0).into());
        change(&mut config);
        let clock = NodeClock::new(Instant::now(), MediaTime::from_micros(1_800_000_000_000_000));
        let metrics = Metrics::register(&mut Registry::default());
        let access = Arc::new(Access::new(Arc::new(keyring), Vec::new(), ViewPolicy::Open));
        let patience = unisono_net::Patience::default();
        let context = Context { hub: hub.clone(), access, clock, metrics, patience };
        let gateway = Gateway::bind(config, context).await.expect("a free port");
        let address = gateway.local_addr().expect("bound");
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(gateway.run(shutdown.clone()));
        Self { hub, address, key, other_key, shutdown, task }
    }

    /// `rtmp://.../live/alice?key=...`
    pub(crate) fn url(&self, key: &str) -> String {
        format!("rtmp://{}/live/alice?key={key}", self.address)
    }

    pub(crate) fn id() -> StreamId {
        StreamId::local("live/alice".parse().expect("valid"))
    }

    /// Waits until somebody publishes. The hub has no bell for new streams, so this looks again and again.
    pub(crate) async fn stream(&self) -> Watched {
        let found = async {
            loop {
                if let Some(stream) = self.hub.stream(&Self::id()) {
                    return stream;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        Watched::new(timeout(DEADLINE, found).await.expect("a publisher within the deadline"))
    }

    pub(crate) async fn close(self) {
        self.shutdown.cancel();
        timeout(DEADLINE, self.task).await.expect("drains").expect("no panic");
    }
}

#[derive(Default)]
struct Bell(Notify);

impl Doorbell for Bell {
    fn ring(&self) {
        self.0.notify_one();
    }
}

/// A stream with a doorbell of ours on it.
pub(crate) struct Watched {
    pub(crate) stream: Arc<Stream>,
    bell: Arc<Bell>,
    _subscription: Subscription,
}

/// What a test reads from a ring.
pub(crate) struct Got {
    pub(crate) frame: Arc<Frame>,
    pub(crate) group: Arc<GroupHeader>,
    pub(crate) index: u32,
}

impl Watched {
    fn new(stream: Arc<Stream>) -> Self {
        let bell = Arc::new(Bell::default());
        let subscription = stream.subscribe(bell.clone()).expect("room for a doorbell");
        Self { stream, bell, _subscription: subscription }
    }

    /// Looks at every doorbell until `look` finds something.
    pub(crate) async fn until<T>(&self, what: &str, mut look: impl FnMut(&Stream) -> Option<T>) -> T {
        let found = async {
            loop {
                if let Some(found) = look(&self.stream) {
                    return found;
                }
                self.bell.0.notified().await;
            }
        };
        timeout(DEADLINE, found).await.unwrap_or_else(|_| panic!("{what}: not within the deadline"))
    }

    pub(crate) async fn lost(&self) {
        self.until("the publisher's loss", |s| (s.state() == State::Lost).then_some(())).await;
    }

    pub(crate) async fn live_again(&self, after: Epoch) -> Epoch {
        self.until("a new epoch", |s| match s.state() {
            State::Live { epoch, .. } if epoch > after => Some(epoch),
            _ => None,
        })
        .await
    }

    /// The source ring of a kind, and a cursor at its first group.
    pub(crate) async fn ring(&self, kind: Kind) -> (Arc<Ring>, Cursor) {
        self.until(kind.as_str(), |s| {
            s.source(kind).and_then(|ring| Some((ring.clone(), ring.oldest_group()?)))
        })
        .await
    }

    /// The next `count` frames; fails when any was skipped.
    pub(crate) async fn read(&self, ring: &Ring, cursor: &mut Cursor, count: usize) -> Vec<Got> {
        let mut list = Vec::new();
        self.until(&format!("{count} frames of {}", ring.kind().as_str()), |_| {
            while list.len() < count {
                match ring.read(cursor) {
                    Read::Frame { frame, group, index } => list.push(Got { frame, group, index }),
                    Read::Pending => return None,
                    other => panic!("after {} frames: {other:?}", list.len()),
                }
            }
            Some(std::mem::take(&mut list))
        })
        .await
    }
}

/// Checks what holds for the video of every encoder here, and returns its configuration's size.
pub(crate) fn check_video(frames: &[Got]) -> (u32, u32) {
    assert!(frames[0].frame.key && frames[0].index == 0);
    for pair in frames.windows(2) {
        let (a, b) = (&pair[0], &pair[1]);
        assert!(b.frame.dts >= a.frame.dts, "decode order");
        assert!(b.frame.t >= b.frame.dts);
        assert_eq!(b.frame.key, b.index == 0, "a group per keyframe");
        assert_eq!(a.group.epoch, b.group.epoch);
    }
    let mut times: Vec<_> = frames.iter().map(|g| g.frame.t).collect();
    times.sort();
    assert!(times.windows(2).all(|w| w[0] < w[1]), "every frame has its own T");
    let picture = frames[0].group.config.picture().expect("video");
    (picture.width, picture.height)
}

/// Checks what holds for all audio here, and returns sample rate and channels.
pub(crate) fn check_audio(frames: &[Got]) -> (u32, u8) {
    let CodecConfig::Aac(aac) = &*frames[0].group.config else { panic!("not AAC") };
    for pair in frames.windows(2) {
        assert!(pair[1].frame.t > pair[0].frame.t, "every unit has its own T");
        assert_eq!(pair[1].frame.dts, pair[1].frame.t);
    }
    (aac.sample_rate, aac.channels)
}

/// Checks that a source whose timestamps are even has even T.
pub(crate) fn check_even(frames: &[Got]) {
    let CodecConfig::Aac(aac) = &*frames[0].group.config else { panic!("not AAC") };
    let unit = f64::from(aac.frame_samples()) / f64::from(aac.sample_rate);
    for pair in frames.windows(2) {
        let step = (pair[1].frame.t - pair[0].frame.t).as_secs_f64();
        // T is slewed by up to 5 % at the start.
        assert!((0.94 * unit..1.06 * unit).contains(&step), "{step} s between units of {unit} s");
    }
}

/// Video encoders of the two fixtures.
pub(crate) const ZEROLATENCY: &[&str] = &["-preset", "ultrafast", "-tune", "zerolatency", "-g", "30"];
pub(crate) const OBS_LIKE: &[&str] = &["-preset", "veryfast", "-bf", "2", "-g", "250"];

/// ffmpeg publishing a test picture in real time until it is killed.
pub(crate) fn ffmpeg(url: &str, video: &[&str], with_audio: bool) -> Child {
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-loglevel", "error", "-nostdin", "-re"]);
    command.args(["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30"]);
    if with_audio {
        command.args([
            "-f",
            "lavfi",
            "-i",
            "sine=frequency=1000:sample_rate=48000",
            "-c:a",
            "aac",
            "-ac",
            "2",
        ]);
    }
    command.args(["-c:v", "libx264", "-pix_fmt", "yuv420p"]).args(video).args(["-f", "flv", url]);
    spawn(command)
}

/// GStreamer publishing a test picture in real time until it is killed.
pub(crate) fn gstreamer(url: &str) -> Child {
    let mut command = Command::new("gst-launch-1.0");
    let pipeline = "videotestsrc is-live=true ! video/x-raw,width=320,height=180,framerate=30/1 \
        ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=30 ! h264parse \
        ! flvmux name=mux streamable=true ! rtmp2sink name=sink \
        audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2 ! audioconvert ! voaacenc ! aacparse ! mux.";
    command.arg("-q").args(pipeline.replace("name=sink", &format!("location={url}")).split_whitespace());
    spawn(command)
}

/// FFmpeg 8 publishing a test picture in real time until it is killed, by Enhanced RTMP where the codec needs it.
pub(crate) fn ffmpeg8(url: &str, video: &str, audio: &str) -> Child {
    let venv = std::env::var_os("UNISONO_VENV").map(PathBuf::from).unwrap_or_else(|| {
        PathBuf::from(std::env::var_os("HOME").expect("a home")).join(".cache/unisono/venv")
    });
    let python = venv.join("bin/python");
    assert!(python.exists(), "no Python environment in {}: run ./dev setup", venv.display());
    let crate_directory = std::env::var("CARGO_MANIFEST_DIR").expect("cargo says where");
    let script = format!("{crate_directory}/../../../tests/python/publish_rtmp.py");
    let mut command = Command::new(python);
    command.args([&script, url, video, audio]).env("SVT_LOG", "0");
    spawn(command)
}

fn spawn(mut command: Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    command.spawn().expect("the encoder is installed")
}

/// What an encoder complained about until it ended by itself.
pub(crate) async fn complaint(child: Child) -> String {
    let output = timeout(DEADLINE, child.wait_with_output()).await.expect("ends").expect("runs");
    assert!(!output.status.success(), "the encoder ended well");
    String::from_utf8_lossy(&output.stderr).into_owned()
}
