//! One stream being packaged: the task, and what requests see of it.

use crate::{
    Config, Metrics,
    audience::Audience,
    reader::{Reader, Step},
    whole::{Tracks, Whole},
};
use parking_lot::Mutex;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use unisono_base::{Doorbell, MediaTime, NodeClock};
use unisono_hub::{State, Stream, Viewer};
use unisono_media::Kind;
use unisono_proto_hls::View;

/// How often idleness and the viewers' number are looked at.
const TICK: Duration = Duration::from_secs(1);
/// How long the playlists of an ended stream stay, so that every player sees ENDLIST.
const AFTER_END: Duration = Duration::from_secs(60);

/// What requests hold of a stream that is being packaged.
pub(crate) struct Packaging {
    pub(crate) stream: Arc<Stream>,
    pub(crate) audience: Audience,
    views: watch::Receiver<Option<Arc<View>>>,
    last_request: Mutex<Instant>,
    holders: AtomicUsize,
    stop: CancellationToken,
}

/// Somebody who needs the packager whether or not anybody watches.
pub struct Held {
    packaging: Arc<Packaging>,
}

impl Held {
    pub(crate) fn new(packaging: Arc<Packaging>) -> Self {
        packaging.holders.fetch_add(1, Ordering::Relaxed);
        Self { packaging }
    }

    /// The newest view, `None` before the first. It is closed when the packager stops.
    pub fn views(&self) -> watch::Receiver<Option<Arc<View>>> {
        self.packaging.views.clone()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.packaging.touch(Instant::now());
        self.packaging.holders.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why waiting for a view came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoView {
    /// The time was up.
    TimedOut,
    /// The packager has stopped.
    Stopped,
}

impl Packaging {
    /// The handle and the place the task publishes to.
    pub(crate) fn new(
        stream: Arc<Stream>,
        now: Instant,
        stop: CancellationToken,
    ) -> (Arc<Self>, watch::Sender<Option<Arc<View>>>) {
        let (publish, views) = watch::channel(None);
        let last_request = Mutex::new(now);
        (
            Arc::new(Self {
                stream,
                audience: Audience::default(),
                views,
                last_request,
                holders: AtomicUsize::new(0),
                stop,
            }),
            publish,
        )
    }

    /// Somebody asked: the packager goes on.
    pub(crate) fn touch(&self, now: Instant) {
        *self.last_request.lock() = now;
    }

    pub(crate) fn idle_for(&self, now: Instant) -> Duration {
        if self.holders.load(Ordering::Relaxed) > 0 {
            return Duration::ZERO;
        }
        now.saturating_duration_since(*self.last_request.lock())
    }

    /// Ends the task.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// The newest view.
    pub(crate) fn view(&self) -> Option<Arc<View>> {
        self.views.borrow().clone()
    }

    /// Waits until `wanted` finds in a view what it looks for. One publication wakes everybody who waits; dropping
    /// the future (the client went away) leaves nothing behind.
    pub(crate) async fn wait<T>(
        &self,
        within: Duration,
        wanted: impl Fn(&Arc<View>) -> Option<T>,
    ) -> Result<T, NoView> {
        let mut views = self.views.clone();
        let found = async {
            loop {
                let view = views.borrow_and_update().clone();
                if let Some(found) = view.as_ref().and_then(&wanted) {
                    return Ok(found);
                }
                views.changed().await.map_err(|_| NoView::Stopped)?;
            }
        };
        tokio::time::timeout(within, found).await.unwrap_or(Err(NoView::TimedOut))
    }
}

/// Rings when the hub has news. Two rings before the task looks are one.
struct Bell(Notify);

impl Doorbell for Bell {
    fn ring(&self) {
        self.0.notify_one();
    }
}

/// The task's surroundings.
pub(crate) struct Task {
    pub(crate) config: Config,
    pub(crate) clock: NodeClock,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) publish: watch::Sender<Option<Arc<View>>>,
    /// Takes the packaging off the gateway's list if it has been idle too long; true when it did.
    pub(crate) retire: Box<dyn Fn(Duration) -> bool + Send + Sync>,
}

impl Task {
    /// Packages until nobody watches, the stream is long over, or the gateway stops.
    pub(crate) async fn run(self, packaging: Arc<Packaging>) {
        let stream = packaging.stream.clone();
        let bell = Arc::new(Bell(Notify::new()));
        let Some(_subscription) = stream.subscribe(bell.clone()) else {
            tracing::error!(stream = %stream.id(), "HLS: the stream has no room for another reader");
            (self.retire)(Duration::ZERO);
            return;
        };
        tracing::info!(stream = %stream.id(), "HLS packaging begins");
        self.metrics.packagers.inc();
        let begun = self.clock.at(Instant::now());
        let why = self.package(&packaging, &bell, begun).await;
        self.metrics.packagers.dec();
        self.metrics.sessions.dec_by(stream.viewers(Viewer::Hls) as i64);
        stream.set_viewers(Viewer::Hls, 0);
        tracing::info!(stream = %stream.id(), why, "HLS packaging ends");
    }

    async fn package(&self, packaging: &Packaging, bell: &Bell, begun: MediaTime) -> &'static str {
        let stream = &packaging.stream;
        let mut reader = Reader::new(stream.clone(), self.config.limits, self.metrics.clone());
        let mut tick = tokio::time::interval(TICK);
        let mut keep = self.config.idle_after;
        let mut whole = Whole::default();
        loop {
            match reader.step() {
                Ok(step) => self.publish(step, &mut whole, stream, begun),
                Err(error) => {
                    tracing::error!(stream = %stream.id(), %error, "HLS packaging failed");
                    (self.retire)(Duration::ZERO);
                    return "failed";
                }
            }
            if reader.is_ended() {
                keep = keep.min(AFTER_END);
            }
            tokio::select! {
                () = bell.0.notified() => {}
                _ = tick.tick() => {
                    let before = stream.viewers(Viewer::Hls);
                    let viewers = packaging.audience.count(Instant::now());
                    self.metrics.sessions.inc_by(viewers as i64 - before as i64);
                    stream.set_viewers(Viewer::Hls, viewers);
                    if (self.retire)(keep) {
                        return "nobody watches";
                    }
                }
                () = packaging.stop.cancelled() => return "stopped",
            }
        }
    }

    fn publish(&self, step: Step, whole: &mut Whole<Arc<View>>, stream: &Stream, begun: MediaTime) {
        let now = Instant::now();
        if let Some(view) = step.view {
            let lacks = |kind| stream.source(kind).is_some() && view.playlist(kind).is_none();
            let is_whole = !lacks(Kind::Video) && !lacks(Kind::Audio);
            whole.handle(view, if is_whole { Tracks::All } else { Tracks::Some }, now);
        }
        if stream.state() == State::Ended {
            whole.end();
        }
        if let Some(view) = whole.poll(now) {
            self.publish.send_replace(Some(view));
        }
        let now = self.clock.at(now);
        // Frames from before somebody watched waited for a viewer, not for us.
        for arrived in step.published.into_iter().filter(|arrived| *arrived >= begun) {
            self.metrics.frame_latency.observe((now - arrived).as_secs_f64());
        }
    }
}
