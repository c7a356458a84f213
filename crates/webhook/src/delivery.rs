//! The tasks that deliver: one per endpoint, each with its own queue, part of the store and [`Outbox`].

use crate::{
    Client, Endpoint, EventKind, Metrics,
    event::{Detail, Event, Message},
    outbox::{Done, Outbox, Outcome, Seq},
};
use sha2::{Digest, Sha256};
use std::{fmt::Write, future, sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    task::{JoinHandle, JoinSet},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use unisono_base::{KeyId, NodeClock, StreamId};
use unisono_hub::{Denial, Source, Watcher};
use unisono_store::Kv;

/// News that an endpoint's task has not taken yet. The task only writes into the store, so this is for bursts.
const NEWS_MAX: usize = 1_024;
/// At the end the last news may go out for so long; the rest goes out after the next start.
const FAREWELL: Duration = Duration::from_secs(2);

/// See the crate. The hub's [`Watcher`].
pub struct Sender {
    endpoints: Vec<(Endpoint, mpsc::Sender<Message>)>,
    clock: NodeClock,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    tasks: parking_lot::Mutex<Vec<JoinHandle<()>>>,
}

impl Sender {
    /// Starts a task per endpoint; what an earlier run left in `store` goes out first.
    pub fn start(
        endpoints: Vec<Endpoint>,
        store: &Arc<dyn Kv>,
        client: &Client,
        clock: NodeClock,
        metrics: Arc<Metrics>,
    ) -> Arc<Self> {
        let stop = CancellationToken::new();
        let mut tasks = Vec::new();
        let open = |endpoint: Endpoint| {
            let (send, news) = mpsc::channel(NEWS_MAX);
            let prefix = prefix(endpoint.url.as_str());
            let task = Task {
                endpoint: endpoint.clone(),
                client: client.clone(),
                store: store.clone(),
                prefix,
                outbox: Outbox::default(),
                next: 0,
                flights: JoinSet::new(),
                metrics: metrics.clone(),
            };
            tasks.push(tokio::spawn(task.run(news, stop.clone())));
            (endpoint, send)
        };
        let endpoints = endpoints.into_iter().map(open).collect();
        Arc::new(Self { endpoints, clock, metrics, stop, tasks: tasks.into() })
    }

    /// Ends the tasks. Call when nothing happens any more; what does not go out within two seconds stays in the store.
    pub async fn close(&self) {
        self.stop.cancel();
        let tasks = std::mem::take(&mut *self.tasks.lock());
        for task in tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a webhook's task ended badly");
            }
        }
    }

    fn tell(&self, kind: EventKind, stream: &StreamId, detail: Detail) {
        let at = self.clock.at(std::time::Instant::now());
        let message = Event { kind, stream: stream.clone(), at, detail }.message();
        for (endpoint, news) in self.endpoints.iter().filter(|(endpoint, _)| endpoint.wants(kind, stream)) {
            if news.try_send(message.clone()).is_err() {
                self.metrics.delivery("dropped");
                let host = endpoint.url.host_str();
                tracing::error!(%stream, host, event = kind.as_str(), "a webhook's queue is full; this event is lost");
            }
        }
    }
}

impl Watcher for Sender {
    fn stream_up(&self, stream: &StreamId, source: &Source, key: &KeyId) {
        let (protocol, key) = (Some(source.protocol), Some(key.as_str().to_owned()));
        self.tell(EventKind::StreamUp, stream, Detail { protocol, key, ..Detail::default() });
    }

    fn stream_down(&self, stream: &StreamId, reason: &'static str) {
        self.tell(
            EventKind::StreamDown,
            stream,
            Detail { reason: Some(reason.to_owned()), ..Detail::default() },
        );
    }

    fn publish_denied(&self, denial: &Denial) {
        let detail = Detail {
            protocol: Some(denial.protocol),
            key: denial.key.as_ref().map(|key| key.as_str().to_owned()),
            reason: Some(denial.words.clone()),
            times: Some(denial.times),
        };
        self.tell(EventKind::PublishDenied, &denial.stream, detail);
    }
}

struct Task {
    endpoint: Endpoint,
    client: Client,
    store: Arc<dyn Kv>,
    /// Where its messages stand in the store.
    prefix: String,
    outbox: Outbox,
    next: u64,
    flights: JoinSet<Landed>,
    metrics: Arc<Metrics>,
}

/// An attempt that is over.
struct Landed {
    seq: Seq,
    stream: String,
    outcome: Outcome,
    words: String,
}

impl Task {
    async fn run(mut self, mut news: mpsc::Receiver<Message>, stop: CancellationToken) {
        self.load().await;
        let mut ends: Option<Instant> = None;
        loop {
            self.send_due();
            let retry = self.outbox.poll_timeout();
            tokio::select! {
                biased;
                () = stop.cancelled(), if ends.is_none() => ends = Some(Instant::now() + FAREWELL),
                () = at(ends) => break,
                Some(message) = news.recv() => self.keep(message).await,
                Some(landed) = self.flights.join_next() => match landed {
                    Ok(landed) => self.landed(landed).await,
                    Err(error) => tracing::error!(%error, "a webhook's attempt ended badly"),
                },
                () = at(retry) => {}
            }
            if ends.is_some() && news.is_empty() && self.outbox.len() == 0 {
                break;
            }
        }
        while let Ok(message) = news.try_recv() {
            self.keep(message).await;
        }
    }

    /// What an earlier run left.
    async fn load(&mut self) {
        let left = match self.store.list(&self.prefix).await {
            Ok(left) => left,
            Err(error) => {
                tracing::error!(%error, "webhooks left by the last run cannot be read");
                return;
            }
        };
        for (name, entry) in left {
            let seq = name.strip_prefix(&self.prefix).and_then(|seq| seq.parse().ok());
            let (Some(seq), Ok(message)) = (seq, serde_json::from_str(&entry.value)) else {
                tracing::error!(name, "a webhook in the store is damaged and left out");
                self.forget(&name).await;
                continue;
            };
            self.next = self.next.max(seq + 1);
            self.push(Seq(seq), message).await;
        }
        if self.outbox.len() > 0 {
            tracing::info!(
                host = self.endpoint.url.host_str(),
                count = self.outbox.len(),
                "webhooks of the last run go out"
            );
        }
    }

    /// Into the store first, so that it outlives this process.
    async fn keep(&mut self, message: Message) {
        let seq = Seq(self.next);
        self.next += 1;
        let value = serde_json::to_string(&message).unwrap_or_default();
        if let Err(error) = self.store.put_if(&self.name(seq), None, value).await {
            tracing::error!(%error, "a webhook cannot be stored; it is lost if the server ends before it is delivered");
        }
        self.push(seq, message).await;
    }

    async fn push(&mut self, seq: Seq, message: Message) {
        if let Some((old, dropped)) = self.outbox.push(seq, message, Instant::now()) {
            self.metrics.delivery("dropped");
            let host = self.endpoint.url.host_str();
            tracing::warn!(host, id = %dropped.id, stream = dropped.stream, "too many webhooks wait; the oldest is dropped");
            self.forget(&self.name(old)).await;
        } else {
            self.metrics.waiting.inc();
        }
    }

    fn send_due(&mut self) {
        while let Some((seq, message)) = self.outbox.poll_due(Instant::now()) {
            let (client, endpoint) = (self.client.clone(), self.endpoint.clone());
            self.flights.spawn(async move {
                let id = message.id.to_string();
                let answer = client.post(&endpoint.url, &endpoint.secrets, &id, &message.body).await;
                let (outcome, words) = match answer {
                    Ok(answer) if (200..300).contains(&answer.status) => (Outcome::Taken, String::new()),
                    Ok(answer) => (
                        Outcome::Failed { retry_after: answer.retry_after },
                        format!("status {}", answer.status),
                    ),
                    Err(words) => (Outcome::Failed { retry_after: None }, words),
                };
                Landed { seq, stream: message.stream, outcome, words }
            });
        }
    }

    async fn landed(&mut self, landed: Landed) {
        let Landed { seq, stream, outcome, words } = landed;
        let host = self.endpoint.url.host_str();
        match self.outbox.handle_outcome(&stream, outcome, Instant::now(), rand::random()) {
            Done::Retry { after } => {
                self.metrics.delivery("failed");
                tracing::warn!(host, stream, ?after, "a webhook was not taken ({words}); it is sent again");
                return;
            }
            Done::GiveUp => {
                self.metrics.delivery("given_up");
                tracing::error!(
                    host,
                    stream,
                    "a webhook was not taken in half a day ({words}) and is given up"
                );
            }
            Done::Forget => self.metrics.delivery("delivered"),
        }
        self.metrics.waiting.dec();
        self.forget(&self.name(seq)).await;
    }

    async fn forget(&self, name: &str) {
        if let Err(error) = self.store.delete(name).await {
            tracing::error!(%error, "a delivered webhook stays in the store and will be sent again after a restart");
        }
    }

    fn name(&self, seq: Seq) -> String {
        format!("{}{:020}", self.prefix, seq.0)
    }
}

/// Never, where there is no such time.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => future::pending().await,
    }
}

/// Names of an endpoint's messages; the address itself may be secret.
fn prefix(url: &str) -> String {
    let mut prefix = "webhook/".to_owned();
    for byte in &Sha256::digest(url)[..8] {
        let _ = write!(prefix, "{byte:02x}");
    }
    prefix + "/"
}
