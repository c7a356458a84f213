//! One stream from the upstream: from the first viewer to some time after the last, over as many links as that takes.

use super::{
    NotHere, Phase, Shared,
    incoming::{After, Incoming},
    link::Link,
};
use crate::bell::Bell;
use parking_lot::Mutex;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    sync::watch,
    time::{sleep, sleep_until},
};
use unisono_base::StreamId;
use unisono_hub::{State, Stream};
use unisono_proto_relay::{NodeId, Refusal, Resume, Subscribe, ToOrigin};

/// Nobody has watched for this long: the pull ends.
const LINGER: Duration = Duration::from_secs(15);
/// How often readers are counted.
const TICK: Duration = Duration::from_secs(1);
/// A stream that was here and is not there now is asked for again this often, as long as its viewers are kept.
const AGAIN_EVERY: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Pull {
    pub(super) id: StreamId,
    pub(super) path: Vec<NodeId>,
    pub(super) tell: watch::Sender<Phase>,
    pub(super) last_wanted: Arc<Mutex<Instant>>,
    pub(super) depth: Arc<AtomicU8>,
    pub(super) shared: Arc<Shared>,
}

/// Why a subscription ended.
enum Over {
    /// The link, and perhaps the node, is down.
    LinkDown,
    Refused(Refusal, String),
    Ended,
    Unwatched,
    /// Something else has the name here.
    Replaced(String),
}

impl Pull {
    /// Until nobody watches, the stream is over, or it cannot be had.
    pub(super) async fn run(self) {
        self.shared.metrics.pulls.inc();
        self.shared.metrics.pulling.inc();
        let why = self.follow().await;
        self.shared.metrics.pulling.dec();
        let failed = match &*self.tell.borrow() {
            Phase::Failed(why) => Some(why.clone()),
            Phase::Asking | Phase::Here => None,
        };
        // Anybody asks for names that nobody publishes.
        if failed.is_some() {
            tracing::debug!(stream = %self.id, "relay: not pulled: {why}");
        } else {
            tracing::info!(stream = %self.id, "relay: the pull ends: {why}");
        }
        self.shared.forget(&self.id, failed);
    }

    async fn follow(&self) -> String {
        let (mut resume, mut stream) = (Resume::default(), None::<Arc<Stream>>);
        loop {
            let Some(link) = self.link().await else {
                if self.is_kept(stream.as_ref()) {
                    continue;
                }
                self.fail(NotHere::LinkDown(self.id.clone()));
                return "the upstream cannot be reached".to_owned();
            };
            match self.subscribe(&link, &mut resume, &mut stream).await {
                Over::LinkDown => tracing::warn!(stream = %self.id, "relay: its viewers wait for the link"),
                Over::Refused(Refusal::NoStream, _) if self.is_kept(stream.as_ref()) => {
                    sleep(AGAIN_EVERY).await;
                }
                Over::Refused(_, words) => {
                    self.fail(NotHere::Refused(words.clone()));
                    return words;
                }
                Over::Replaced(words) => {
                    self.fail(NotHere::Refused(words.clone()));
                    return words;
                }
                Over::Ended => {
                    self.end(stream.as_ref());
                    return "the stream is over".to_owned();
                }
                Over::Unwatched => {
                    self.end(stream.as_ref());
                    return "nobody watches".to_owned();
                }
            }
            if stream.is_some() && !self.is_kept(stream.as_ref()) {
                return "its viewers waited long enough".to_owned();
            }
        }
    }

    /// The link, waited for as long as a viewer would.
    async fn link(&self) -> Option<Arc<Link>> {
        self.shared.link_within(super::WANT_MAX).await
    }

    /// The hub keeps its viewers waiting.
    fn is_kept(&self, stream: Option<&Arc<Stream>>) -> bool {
        stream.is_some_and(|stream| stream.state() != State::Ended)
    }

    fn fail(&self, why: NotHere) {
        self.tell.send_replace(Phase::Failed(why));
    }

    fn end(&self, stream: Option<&Arc<Stream>>) {
        if let Some(stream) = stream {
            self.shared.hub.end_relayed(stream);
        }
    }

    async fn subscribe(
        &self,
        link: &Arc<Link>,
        resume: &mut Resume,
        stream: &mut Option<Arc<Stream>>,
    ) -> Over {
        let (id, mut inputs) = link.open();
        let bell = Arc::new(Bell::default());
        let subscribe = Subscribe { id, stream: self.id.clone(), path: self.path.clone(), resume: *resume };
        link.say(ToOrigin::Subscribe(subscribe)).await;
        let (hub, metrics) = (self.shared.hub.clone(), self.shared.metrics.clone());
        let mut incoming = Incoming::new(hub, metrics, self.id.clone(), link.node(), bell.clone(), *resume);
        let mut tick = tokio::time::interval(TICK);
        let over = loop {
            let deadline = incoming.poll_timeout();
            tokio::select! {
                input = inputs.recv() => {
                    let Some(input) = input else { break Over::LinkDown };
                    if let Some(over) = over(incoming.handle(input, Instant::now())) {
                        break over;
                    }
                }
                () = until(deadline) => incoming.handle_timeout(Instant::now()),
                () = bell.rung() => {
                    if incoming.take_keyframe_request() {
                        link.say(ToOrigin::Keyframe(id)).await;
                    }
                }
                _ = tick.tick() => {
                    if incoming.is_replaced() {
                        break Over::Replaced(format!("{} is published here, or was stopped here", self.id));
                    }
                    if incoming.is_over() {
                        break Over::Ended;
                    }
                    // On a new link nothing has come yet, and those who waited for it read the stream of the old one.
                    if self.is_unwatched(incoming.stream().or(stream.as_ref())) {
                        break Over::Unwatched;
                    }
                }
            }
            self.depth.store(incoming.depth(), Ordering::Relaxed);
            if incoming.is_playable() && matches!(*self.tell.borrow(), Phase::Asking) {
                self.tell.send_replace(Phase::Here);
            }
            if stream.is_none() {
                *stream = incoming.stream().cloned();
            }
        };
        link.leave(id).await;
        *resume = incoming.resume();
        over
    }

    fn is_unwatched(&self, stream: Option<&Arc<Stream>>) -> bool {
        let mut last = self.last_wanted.lock();
        let now = Instant::now();
        if stream.is_some_and(|stream| stream.readers() > 0) {
            *last = now;
        }
        now.saturating_duration_since(*last) >= LINGER
    }
}

fn over(after: After) -> Option<Over> {
    match after {
        After::GoOn => None,
        After::Refused(why, words) => Some(Over::Refused(why, words)),
        After::Ended => Some(Over::Ended),
        After::Blocked(words) => Some(Over::Replaced(words)),
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
