//! May this viewer watch? The operator's own service decides, and is asked once per viewer, stream and max-age.
//!
//! Doors ask [`Gate::enter`] and [`Gate::stays`], which look into memory and never wait. A door that lets somebody in
//! awaits [`ViewGate::prepare`] before, which asks the service where nothing is known.

use crate::{Client, GateConfig, Metrics, Unanswered};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    runtime::Handle,
    sync::{Notify, Semaphore},
    time::timeout,
};
use unisono_auth::{Closed, Gate};
use unisono_base::StreamId;

/// A viewer waits so long at the door; the service may answer later for the next one.
const PATIENCE: Duration = Duration::from_secs(2);
/// Decisions remembered. Beyond it the one that ends first makes room.
const DECISIONS_MAX: usize = 10_000;
/// Questions under way at once; more wait for [`PATIENCE`].
const QUESTIONS_MAX: usize = 64;
/// Questions under way and waiting. Beyond it (a flood of random tokens) nobody is asked: the viewer gets what the
/// configuration says for no answer.
const WAITING_MAX: usize = 1_024;
/// What a yes and a no last without a max-age.
const YES_FOR: Duration = Duration::from_secs(60);
const NO_FOR: Duration = Duration::from_secs(10);
/// Bounds of a max-age: less would ask for each part of a playlist.
const AGE_MIN: Duration = Duration::from_secs(1);
const AGE_MAX: Duration = Duration::from_secs(86_400);
/// After no answer the service is asked again.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// So long a decision that has ended holds for who watches already, while the service is asked anew.
const GRACE: Duration = Duration::from_secs(5);
/// Longest token sent on, and longest reason shown.
const TOKEN_MAX: usize = 4 << 10;
const REASON_MAX: usize = 200;

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct ViewGate(Arc<Inner>);

struct Inner {
    config: GateConfig,
    client: Client,
    metrics: Arc<Metrics>,
    runtime: Handle,
    questions: Semaphore,
    waiting: Arc<Semaphore>,
    known: Mutex<HashMap<Viewer, Known>>,
}

/// A hash of token and stream: memory holds no list of tokens.
type Viewer = [u8; 32];

#[derive(Default)]
struct Known {
    decision: Option<Decision>,
    /// Rung when the question under way is answered.
    asking: Option<Arc<Notify>>,
}

#[derive(Clone)]
struct Decision {
    verdict: Result<(), Closed>,
    until: Instant,
}

impl ViewGate {
    /// Within a tokio runtime, whose threads ask.
    pub fn new(config: GateConfig, client: Client, metrics: Arc<Metrics>) -> Self {
        Self(Arc::new(Inner {
            config,
            client,
            metrics,
            runtime: Handle::current(),
            questions: Semaphore::new(QUESTIONS_MAX),
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            known: Mutex::default(),
        }))
    }

    /// Completes when there is a decision about this viewer, or after two seconds.
    pub async fn prepare(&self, token: &str, stream: &StreamId) {
        let viewer = viewer(token, stream);
        let bell = {
            let mut known = self.0.known.lock();
            let decision = known.get(&viewer).and_then(|known| known.decision.as_ref());
            if decision.is_some_and(|decision| Instant::now() < decision.until + GRACE) {
                return;
            }
            // Made while the lock is held: the answer, which needs the lock, cannot ring before.
            self.ask(&mut known, viewer, token, stream).map(Notify::notified_owned)
        };
        if let Some(answered) = bell {
            let _ = timeout(PATIENCE, answered).await;
        }
    }

    /// The decision's verdict; asks where there is none, or an old one.
    fn look(&self, token: &str, stream: &StreamId) -> Option<Decision> {
        let viewer = viewer(token, stream);
        let mut known = self.0.known.lock();
        let decision = known.get(&viewer).and_then(|known| known.decision.clone());
        if decision.as_ref().is_none_or(|decision| Instant::now() >= decision.until) {
            self.ask(&mut known, viewer, token, stream);
        }
        decision
    }

    /// One question per viewer at a time. The bell rings when it is answered; `None` where too many wait already.
    fn ask(
        &self,
        known: &mut HashMap<Viewer, Known>,
        viewer: Viewer,
        token: &str,
        stream: &StreamId,
    ) -> Option<Arc<Notify>> {
        if let Some(bell) = known.get(&viewer).and_then(|known| known.asking.clone()) {
            return Some(bell);
        }
        let Ok(place) = self.0.waiting.clone().try_acquire_owned() else {
            self.0.metrics.verdict("unasked");
            return None;
        };
        if known.len() >= DECISIONS_MAX && !known.contains_key(&viewer) {
            make_room(known);
        }
        let bell = Arc::new(Notify::new());
        known.entry(viewer).or_default().asking = Some(bell.clone());
        let body = serde_json::json!({
            "type": "viewer.auth",
            "data": { "stream": stream.to_string(), "token": token },
        });
        let (gate, ring, stream) = (self.clone(), bell.clone(), stream.clone());
        self.0.runtime.spawn(async move {
            let answer = gate.question(&body.to_string()).await;
            gate.settle(viewer, answer, &stream);
            ring.notify_waiters();
            drop(place);
        });
        Some(bell)
    }

    /// Verdict and how long it holds; `None` where the service did not decide.
    async fn question(&self, body: &str) -> Option<(Result<(), String>, Duration)> {
        let inner = &self.0;
        let Ok(Ok(_place)) = timeout(PATIENCE, inner.questions.acquire()).await else {
            tracing::warn!("the service that decides about viewers is slower than viewers come");
            return None;
        };
        let id = uuid::Uuid::now_v7().to_string();
        let answer = inner.client.post(&inner.config.url, &inner.config.secrets, &id, body);
        let answer = match timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(words)) => {
                tracing::warn!("the service that decides about viewers does not answer: {words}");
                return None;
            }
            Err(_) => {
                tracing::warn!("the service that decides about viewers did not answer within {PATIENCE:?}");
                return None;
            }
        };
        let age = |default| answer.max_age.unwrap_or(default).clamp(AGE_MIN, AGE_MAX);
        match answer.status {
            200..300 => Some((Ok(()), age(YES_FOR))),
            401 | 403 | 404 | 410 => Some((Err(reason(&answer.body)), age(NO_FOR))),
            status => {
                tracing::warn!(status, "the service that decides about viewers neither allowed nor refused");
                None
            }
        }
    }

    fn settle(&self, viewer: Viewer, answer: Option<(Result<(), String>, Duration)>, stream: &StreamId) {
        let now = Instant::now();
        let mut known = self.0.known.lock();
        let Some(entry) = known.get_mut(&viewer) else { return };
        entry.asking = None;
        let (verdict, outcome, age) = match answer {
            Some((Ok(()), age)) => (Ok(()), "allowed", age),
            Some((Err(reason), age)) => (Err(Closed::Refused(reason)), "refused", age),
            None => {
                // Who watches already, stays: their media must not depend on the service's health.
                let before =
                    entry.decision.take().filter(|decision| now < decision.until + GRACE + RETRY_AFTER);
                let verdict = before.map_or_else(|| self.unanswered(), |decision| decision.verdict);
                (verdict, "unanswered", RETRY_AFTER)
            }
        };
        if let Err(reason) = &verdict {
            tracing::info!(%stream, ?reason, "a viewer is refused");
        }
        entry.decision = Some(Decision { verdict, until: now + age });
        drop(known);
        self.0.metrics.verdict(outcome);
    }

    fn unanswered(&self) -> Result<(), Closed> {
        match self.0.config.unanswered {
            Unanswered::Allow => Ok(()),
            Unanswered::Refuse => Err(Closed::Undecided),
        }
    }
}

impl Gate for ViewGate {
    fn enter(&self, token: &str, stream: &StreamId) -> Result<(), Closed> {
        if token.len() > TOKEN_MAX {
            return Err(Closed::Refused(format!("a token here has at most {TOKEN_MAX} bytes")));
        }
        let decision = self.look(token, stream).filter(|decision| Instant::now() < decision.until + GRACE);
        decision.map_or_else(|| self.unanswered(), |decision| decision.verdict)
    }

    fn stays(&self, token: &str, stream: &StreamId) -> Result<(), Closed> {
        self.look(token, stream).map_or(Ok(()), |decision| decision.verdict)
    }
}

impl fmt::Debug for ViewGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ViewGate(…)")
    }
}

fn viewer(token: &str, stream: &StreamId) -> Viewer {
    let mut hash = Sha256::new();
    // No stream's name has a zero byte, so no two pairs are the same bytes.
    hash.update(stream.to_string());
    hash.update([0]);
    hash.update(token);
    hash.finalize().into()
}

/// What has ended goes first; else the decision that ends first, of which an ongoing viewer makes us ask again. Viewers
/// being asked about stay; there are fewer of them than places.
fn make_room(known: &mut HashMap<Viewer, Known>) {
    let now = Instant::now();
    let ends = |known: &Known| known.decision.as_ref().map(|decision| decision.until);
    known.retain(|_, known| known.asking.is_some() || ends(known).is_some_and(|until| now < until + GRACE));
    if known.len() >= DECISIONS_MAX {
        let decided = known.iter().filter(|(_, known)| known.asking.is_none());
        let first = decided.min_by_key(|(_, known)| ends(known)).map(|(viewer, _)| *viewer);
        first.and_then(|viewer| known.remove(&viewer));
    }
}

/// The `reason` of a JSON answer, for the viewer to read.
fn reason(body: &str) -> String {
    let json: Option<serde_json::Value> = serde_json::from_str(body).ok();
    let given = json.as_ref().and_then(|json| json.get("reason")?.as_str());
    let words: String = given.unwrap_or("you may not watch this stream").chars().take(REASON_MAX).collect();
    words.replace(char::is_control, " ")
}
