//! May this be said? The operator's own service may refuse or mask what members write, and has only so long for it.

use crate::{Client, GateConfig, Metrics, client::Answer};
use parking_lot::Mutex;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::timeout;

/// Judgements remembered; beyond it those that have ended go, and if none has, all.
const KNOWN_MAX: usize = 10_000;
/// Longest that one is remembered, whatever the service says.
const AGE_MAX: Duration = Duration::from_secs(86_400);
/// So many questions without an answer after each other, and the service is left alone for a while.
const SILENT_MAX: u32 = 5;
/// That while: nobody waits for a service that is down.
const LEFT_ALONE: Duration = Duration::from_secs(5);
/// Longest reason shown.
const REASON_MAX: usize = 200;

/// What the service says about a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Judgement {
    /// As it is.
    Allow,
    /// With this data instead.
    Mask(Value),
    /// Not at all; why, in words for its author.
    Refuse(String),
}

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct MessageJudge(Arc<Inner>);

struct Inner {
    config: GateConfig,
    within: Duration,
    client: Client,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: HashMap<[u8; 32], (Instant, Judgement)>,
    silent: u32,
    left_alone_until: Option<Instant>,
}

impl MessageJudge {
    /// The service has `within` for each answer.
    pub fn new(config: GateConfig, within: Duration, client: Client, metrics: Arc<Metrics>) -> Self {
        Self(Arc::new(Inner { config, within, client, metrics, state: Mutex::default() }))
    }

    /// The service's word about `data` of type `ty`, said by `person` in `room`. Where it gives none in time, the
    /// configured default: allowed as it is, or refused.
    pub async fn judge(&self, room: &str, person: &str, ty: &str, data: &Value) -> Judgement {
        let body = serde_json::json!({
            "type": "message.judge",
            "data": { "room": room, "person": person, "message": { "type": ty, "data": data } },
        });
        let key = Sha256::digest(format!("{room}\0{ty}\0{data}")).into();
        if let Some(known) = self.known(&key) {
            return known;
        }
        if self.is_left_alone() {
            return self.unanswered("unasked");
        }
        let id = uuid::Uuid::now_v7().to_string();
        let (url, secrets, text) = (&self.0.config.url, &self.0.config.secrets, body.to_string());
        let answer = timeout(self.0.within, self.0.client.post(url, secrets, &id, &text)).await;
        let judged = match &answer {
            Ok(Ok(answer)) => judgement(answer),
            Ok(Err(words)) => Err(words.clone()),
            Err(_) => Err(format!("no answer within {:?}", self.0.within)),
        };
        match judged {
            Ok(judgement) => {
                let age = answer.ok().and_then(Result::ok).and_then(|answer| answer.max_age);
                self.remember(key, &judgement, age);
                self.0.metrics.message(judgement.outcome());
                judgement
            }
            Err(words) => {
                tracing::warn!("the service that judges messages did not: {words}");
                self.note_silence();
                self.unanswered("unanswered")
            }
        }
    }

    fn known(&self, key: &[u8; 32]) -> Option<Judgement> {
        let state = self.0.state.lock();
        let (until, judgement) = state.known.get(key)?;
        (Instant::now() < *until).then(|| judgement.clone())
    }

    fn remember(&self, key: [u8; 32], judgement: &Judgement, age: Option<Duration>) {
        let mut state = self.0.state.lock();
        (state.silent, state.left_alone_until) = (0, None);
        let Some(age) = age.filter(|age| !age.is_zero()) else { return };
        let now = Instant::now();
        if state.known.len() >= KNOWN_MAX {
            state.known.retain(|_, (until, _)| now < *until);
        }
        if state.known.len() >= KNOWN_MAX {
            state.known.clear();
        }
        state.known.insert(key, (now + age.min(AGE_MAX), judgement.clone()));
    }

    fn is_left_alone(&self) -> bool {
        self.0.state.lock().left_alone_until.is_some_and(|until| Instant::now() < until)
    }

    fn note_silence(&self) {
        let mut state = self.0.state.lock();
        state.silent += 1;
        if state.silent >= SILENT_MAX {
            state.left_alone_until = Some(Instant::now() + LEFT_ALONE);
            // One question after the while tells whether it is back.
            state.silent = SILENT_MAX - 1;
        }
    }

    fn unanswered(&self, outcome: &'static str) -> Judgement {
        self.0.metrics.message(outcome);
        match self.0.config.unanswered {
            crate::Unanswered::Allow => Judgement::Allow,
            crate::Unanswered::Refuse => Judgement::Refuse(
                "messages cannot be checked at the moment; try again in some seconds".to_owned(),
            ),
        }
    }
}

impl Judgement {
    fn outcome(&self) -> &'static str {
        match self {
            Self::Allow => "allowed",
            Self::Mask(_) => "masked",
            Self::Refuse(_) => "refused",
        }
    }
}

impl fmt::Debug for MessageJudge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MessageJudge(…)")
    }
}

/// 2xx allows, with `{"data": …}` masks; 403 refuses, with `{"reason": "…"}` in words. All else is no answer.
fn judgement(answer: &Answer) -> Result<Judgement, String> {
    let json = serde_json::from_str::<Value>(&answer.body).ok();
    match answer.status {
        200..300 => Ok(json
            .and_then(|mut json| json.get_mut("data").map(Value::take))
            .map_or(Judgement::Allow, Judgement::Mask)),
        403 => {
            let given = json.as_ref().and_then(|json| json.get("reason")?.as_str());
            let words: String =
                given.unwrap_or("this may not be said in this room").chars().take(REASON_MAX).collect();
            Ok(Judgement::Refuse(words.replace(char::is_control, " ")))
        }
        status => Err(format!("it answered {status}")),
    }
}
