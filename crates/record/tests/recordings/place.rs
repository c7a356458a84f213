//! A folder with recordings, and a node that keeps its own there.

use bytes::Bytes;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinHandle;
use unisono_base::{MediaTime, NodeClock, Span, StreamId};
use unisono_hub::{Hub, Limits};
use unisono_record::{
    Config, Head, Line, Logs, Metrics, Packagers, Place as At, RecordingId, Recordings, Rendition,
    SegmentLine, State, Summary, VERSION, Views,
};
use unisono_store::{BoxFuture, Kv, MemoryKv};
use unisono_timeline::audit::Digest;

/// T at which the node starts.
pub(crate) const NOW: MediaTime = MediaTime::from_micros(1_795_237_200_000_000);
/// Far more than anything here needs: the machine may be busy.
const DEADLINE: Duration = Duration::from_secs(120);

/// Waits until something is so.
pub(crate) async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "it never came to be: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A folder that goes with the test.
pub(crate) struct Place(pub(crate) PathBuf);

impl Place {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("unisono-record-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.0.join("recordings")
    }

    pub(crate) fn folder(&self, stream: &str, id: RecordingId) -> PathBuf {
        self.root().join(stream).join(id.to_string())
    }

    pub(crate) fn head(&self, stream: &str, id: RecordingId) -> Head {
        let text = fs::read(self.folder(stream, id).join("recording.json")).expect("a head");
        serde_json::from_slice(&text).expect("a head")
    }

    /// A recording of two seconds as a node would have written it, an hour old.
    pub(crate) fn write(&self, stream: &str, state: State, change: impl FnOnce(&mut Head)) -> RecordingId {
        let id = RecordingId::now();
        let folder = self.folder(stream, id);
        let media = b"two seconds of sound";
        let began = NOW - Span::from_secs(3_600);
        let line = SegmentLine {
            rendition: Rendition::Audio,
            epoch: 1_795_233_600,
            segment: 7,
            t: began,
            duration: Span::from_secs(2),
            breaks: 0,
            header: 0,
            independent: true,
            bytes: media.len() as u64,
            sha256: Some(Digest::of(&[media])),
            gap: None,
        };
        let summary =
            Summary { from: Some(began), to: Some(line.end()), segments: 1, bytes: line.bytes, lost: 0 };
        let is_finished = state == State::Finished;
        let mut head = Head {
            version: VERSION,
            id,
            stream: stream.to_owned(),
            owner: None,
            state,
            began,
            continues: None,
            ended: None,
            summary: is_finished.then_some(summary),
        };
        change(&mut head);
        let file = folder.join(line.name().to_string());
        fs::create_dir_all(file.parent().expect("in a folder")).expect("a folder");
        fs::create_dir_all(folder.join("index")).expect("a folder");
        fs::write(&file, media).expect("written");
        fs::write(folder.join("index/000000.jsonl"), Line::Segment(line).to_text()).expect("written");
        fs::write(folder.join("recording.json"), serde_json::to_vec(&head).expect("plain")).expect("written");
        id
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Bytes that must stay free.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Disk {
    HasRoom,
    /// By what must stay free on it: every file is refused, as on a disk that is full.
    IsFull,
}

/// A node's recordings.
pub(crate) struct Node {
    pub(crate) recordings: Arc<Recordings>,
    pub(crate) hub: Arc<Hub>,
    task: JoinHandle<()>,
}

impl Node {
    pub(crate) async fn start(root: &Path, disk: Disk) -> Self {
        Self::start_with(root, disk, Arc::new(MemoryKv::default()), Arc::new(NoPackagers), |_| {}).await
    }

    pub(crate) async fn start_with(
        root: &Path,
        disk: Disk,
        kv: Arc<dyn Kv>,
        packagers: Arc<dyn Packagers>,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let mut config = Config {
            place: At::Folder(root.to_owned()),
            streams: vec!["live/*".parse().expect("a pattern")],
            keep_for: None,
            keep_bytes: None,
            free_bytes_min: match disk {
                Disk::HasRoom => 0,
                Disk::IsFull => u64::MAX,
            },
            queue_bytes_max: 1 << 20,
        };
        change(&mut config);
        let hub = Hub::new(Limits::default());
        let clock = NodeClock::new(Instant::now(), NOW);
        let metrics = Metrics::register(&mut Default::default());
        let around = (packagers, Arc::new(NoLogs) as Arc<dyn Logs>);
        let opened = Recordings::open(config, (hub.clone(), kv), clock, around, metrics).await;
        let recordings = opened.expect("opened");
        let task = tokio::spawn(recordings.clone().run());
        Self { recordings, hub, task }
    }

    pub(crate) async fn stop(self) {
        self.recordings.close().await;
        self.task.await.expect("ended");
    }
}

/// Nobody publishes.
pub(crate) struct NoPackagers;

impl Packagers for NoPackagers {
    fn views(&self, stream: &StreamId) -> Result<Views, String> {
        Err(format!("nobody publishes {stream} here"))
    }
}

/// Rooms nobody spoke in.
struct NoLogs;

impl Logs for NoLogs {
    fn lines<'a>(&'a self, _: &'a StreamId, _: MediaTime) -> BoxFuture<'a, Option<Bytes>> {
        Box::pin(std::future::ready(None))
    }
}
