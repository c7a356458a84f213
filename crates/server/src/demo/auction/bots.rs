//! Two hundred bidders, each a client of the public feed with its own guest's secret and its own delay.

use super::{
    ledger::Ledger,
    mind::{Bid, Habit, Mind, Persona},
};
use crate::room_feed::{Entrance, RoomFeed, Said};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};
use unisono_timeline::Uuid;

/// Latencies spread evenly between these: WebRTC next door to LL-HLS on a bad link.
const LATENCY: std::ops::Range<f64> = 0.2..4.0;
/// Who is nearer than this watches by WebRTC.
const WEBRTC_BELOW: Duration = Duration::from_millis(600);
/// How often a bot says how far behind it is.
const REPORT_EVERY: Duration = Duration::from_secs(5);
/// Commands of one bot without an answer; the oldest is given up beyond it.
const UNANSWERED_MAX: usize = 64;

/// The running bots; dropping it ends them.
pub(super) struct Bots {
    connected: Arc<AtomicU32>,
    /// Aborts its tasks when dropped.
    _tasks: JoinSet<()>,
}

impl Bots {
    /// Starts `count` bots at `door`. The same `seed` makes the same characters.
    pub(super) fn start(count: u32, seed: u64, door: &Entrance, ledger: &Arc<Ledger>) -> Self {
        let connected = Arc::new(AtomicU32::new(0));
        let mut random = SmallRng::seed_from_u64(seed);
        let mut tasks = JoinSet::new();
        for number in 0..count {
            let persona = persona(number, &mut random);
            let secret = format!("{}-{number}", Uuid::now_v7());
            let door = Entrance { guest: Some((secret, persona.name.clone())), ..door.clone() };
            let mind = Mind::new(persona, seed.wrapping_add(u64::from(number)));
            let bot = Bot {
                mind,
                door,
                ledger: ledger.clone(),
                connected: connected.clone(),
                seq: 0,
                unanswered: HashMap::new(),
            };
            tasks.spawn(bot.live(Duration::from_millis(u64::from(number) * 10)));
        }
        Self { connected, _tasks: tasks }
    }

    pub(super) fn connected(&self) -> u32 {
        self.connected.load(Ordering::Relaxed)
    }
}

/// Of a hundred: five snipers, four liars, three latecomers, three who replay. Limits lie close enough for a fight.
fn persona(number: u32, random: &mut SmallRng) -> Persona {
    let habit = match number % 100 {
        7 | 27 | 47 | 67 | 87 => Habit::Snipes,
        13 | 33 | 53 | 73 => Habit::Lies,
        19 | 59 | 99 => Habit::IsLate,
        23 | 63 | 83 => Habit::Replays,
        _ => Habit::Honest,
    };
    let limit: i64 = random.random_range(9_000..26_000);
    Persona {
        name: format!("bot-{:03}", number + 1),
        latency: Duration::from_secs_f64(random.random_range(LATENCY)),
        limit: limit / 100 * 100,
        habit,
    }
}

struct Bot {
    mind: Mind,
    door: Entrance,
    ledger: Arc<Ledger>,
    connected: Arc<AtomicU32>,
    /// The last event that came in.
    seq: u64,
    /// Sent again after a lost connection, by the same id.
    unanswered: HashMap<Uuid, Unanswered>,
}

struct Unanswered {
    command: Value,
    is_own: bool,
}

impl Bot {
    /// Joins after `wait`, and again whenever the connection is lost.
    async fn live(mut self, wait: Duration) {
        sleep(wait).await;
        let pause = Duration::from_millis(400) + wait / 4;
        loop {
            if let Err(error) = self.take_part().await {
                tracing::debug!(
                    bot = self.mind.persona().name,
                    error = format!("{error:#}"),
                    "lost its feed"
                );
            }
            sleep(pause).await;
        }
    }

    async fn take_part(&mut self) -> anyhow::Result<()> {
        let from_seq = (self.seq > 0).then_some(self.seq + 1);
        let mut feed = RoomFeed::open(&Entrance { from_seq, ..self.door.clone() }).await?;
        let clock = feed.greeted().await?;
        let connected = self.connected.clone();
        let _here = Here::new(&connected);
        for unanswered in self.unanswered.values() {
            feed.command(&unanswered.command).await?;
        }
        let mut report_at = Instant::now();
        loop {
            let due = self.mind.poll_timeout().map_or(report_at, |t| clock.when(t).min(report_at));
            tokio::select! {
                said = feed.next() => self.hear(said?),
                () = sleep_until(due) => {
                    if let Some(bid) = self.mind.handle_time(clock.now()) {
                        self.send(&mut feed, bid).await?;
                    }
                    if Instant::now() >= report_at {
                        feed.say(&self.latency()).await?;
                        report_at = Instant::now() + REPORT_EVERY;
                    }
                }
            }
        }
    }

    fn hear(&mut self, said: Said) {
        match said {
            Said::Events { events } => {
                for told in events {
                    self.seq = self.seq.max(told.seq);
                    self.mind.handle_event(told);
                }
            }
            Said::Ack(answer) => {
                let known = self.unanswered.remove(&answer.cmd_id);
                self.ledger.answered(&answer, known.is_some_and(|known| known.is_own));
            }
            Said::Hello { .. } | Said::Else => {}
        }
    }

    async fn send(&mut self, feed: &mut RoomFeed, bid: Bid) -> anyhow::Result<()> {
        if self.unanswered.len() >= UNANSWERED_MAX {
            self.unanswered.clear();
        }
        let is_own = self.mind.persona().habit != Habit::Replays;
        // Before it goes out: what the network takes may have been carried out.
        self.unanswered.insert(bid.cmd_id, Unanswered { command: bid.command.clone(), is_own });
        self.ledger.sent();
        feed.command(&bid.command).await
    }

    fn latency(&self) -> Value {
        let latency = self.mind.persona().latency;
        let micros = latency.as_micros() as u64;
        let protocol = if latency < WEBRTC_BELOW { "webrtc" } else { "hls" };
        json!({ "type": "latency", "actual": micros, "earliest": micros, "latest": micros + 1_000_000, "protocol": protocol })
    }
}

/// Counts a bot as connected while it lives.
struct Here<'a>(&'a AtomicU32);

impl<'a> Here<'a> {
    fn new(count: &'a Arc<AtomicU32>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Here<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
