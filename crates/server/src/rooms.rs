//! The node's rooms: their logs on disk, the key that signs them, what the configuration says about them.

use crate::{
    config::{Hidden, RoomRules},
    keys::Keys,
};
use anyhow::Context;
use std::{ops::RangeInclusive, path::Path, sync::Arc, time::Duration};
use unisono_auth::Secret;
use unisono_base::{NodeClock, RoomId};
use unisono_gateway_events::{Rules, RulesInForce};
use unisono_hub::Hub;
use unisono_room::{BlockedWords, Judge, Keeper, Rooms, RoomsLimits, Verdict, WORDS_MAX};
use unisono_store::{BoxFuture, RoomLog, SqliteLog, audit_signer};
use unisono_webhook::{Client, GateConfig, Judgement, MessageJudge, Metrics};

/// File of the rooms' logs in the data directory.
const FILE: &str = "rooms.sqlite";
/// Rooms looked at when the node starts.
const WAKE_MAX: usize = 1_000;
/// Secrets of the inbox, and of the judge of messages.
const SECRETS_MAX: usize = 4;
/// How long a judge may have: a chat that takes longer is none.
const WITHIN_MS: RangeInclusive<u32> = 50..=5_000;

/// The rooms and the file their logs are in.
#[derive(Clone)]
pub(crate) struct RoomsOnDisk {
    pub(crate) rooms: Arc<Rooms>,
    log: Arc<SqliteLog>,
}

impl RoomsOnDisk {
    /// The last of what happens to a node's rooms: logs signed to their end and written back into one file.
    pub(crate) async fn close(&self) {
        self.rooms.close().await;
        self.log.close().await;
    }
}

/// Opens the logs, and the rooms in which something was left open: a window must be decided whoever comes back.
pub(crate) async fn open(
    data_dir: &Path,
    hub: Arc<Hub>,
    keys: &Keys,
    clock: NodeClock,
) -> anyhow::Result<RoomsOnDisk> {
    let path = data_dir.join(FILE);
    let log =
        SqliteLog::open(&path).await.with_context(|| format!("the rooms' logs in {}", path.display()))?;
    if let Some(damage) = log.damage() {
        tracing::error!(file = %path.display(), "the rooms' logs were found damaged: {damage}");
    }
    let log = Arc::new(log);
    let signer = Arc::new(audit_signer(keys.store()).await?);
    let keeper = Keeper::new(Arc::new(keys.store().clone()));
    let rooms = Rooms::open(hub, log.clone(), clock, (keeper, signer), RoomsLimits::default()).await?;
    let known = log.rooms(None, WAKE_MAX).await?;
    rooms.wake(known.into_iter().map(|known| known.room));
    Ok(RoomsOnDisk { rooms, log })
}

/// What `[rooms]` says, checked and ready to be put in force.
pub(crate) struct Prepared {
    rules: Rules,
    words: BlockedWords,
    judge: Option<(GateConfig, Duration)>,
}

/// Checks `[rooms]`.
pub(crate) fn prepare(rules: &RoomRules) -> anyhow::Result<Prepared> {
    let inbox_secrets = secrets(&rules.inbox_secrets).context("rooms.inbox_secrets")?;
    let within = rules.webhook_within_ms;
    anyhow::ensure!(
        WITHIN_MS.contains(&within),
        "rooms.webhook_within_ms is {within}; 50 to 5000 are possible"
    );
    let judge = rules.webhook.as_ref().map(|url| {
        let secrets = secrets(&rules.webhook_secrets).context("rooms.webhook_secrets")?;
        let gate =
            GateConfig::new(&url.0, secrets, rules.webhook_unanswered.into()).context("rooms.webhook")?;
        anyhow::Ok((gate, Duration::from_millis(within.into())))
    });
    let rules_now = Rules { guests: rules.guests.role(), inbox_secrets };
    Ok(Prepared { rules: rules_now, words: words(rules)?, judge: judge.transpose()? })
}

/// What `[rooms]` reaches into, and may change while rooms run.
pub(crate) struct InForce {
    pub(crate) rules: RulesInForce,
    rooms: Arc<Rooms>,
    client: Client,
    metrics: Arc<Metrics>,
}

impl InForce {
    /// In force from here on.
    pub(crate) fn new(
        rooms: Arc<Rooms>,
        prepared: Prepared,
        registry: &Arc<Metrics>,
    ) -> anyhow::Result<Self> {
        let rules = RulesInForce::new(prepared.rules.clone());
        let in_force = Self { rules, rooms, client: Client::new()?, metrics: registry.clone() };
        in_force.set(prepared);
        Ok(in_force)
    }

    /// Others from now on; drops nobody.
    pub(crate) fn set(&self, prepared: Prepared) {
        let Prepared { rules, words, judge } = prepared;
        self.rules.set(rules);
        self.rooms.block_words(words);
        let judge = judge.map(|(config, within)| {
            let judge = MessageJudge::new(config, within, self.client.clone(), self.metrics.clone());
            Arc::new(Service(judge)) as Arc<dyn Judge>
        });
        self.rooms.set_judge(judge);
    }
}

/// The operator's service as rooms know it.
struct Service(MessageJudge);

impl Judge for Service {
    fn judge<'a>(
        &'a self,
        room: &'a RoomId,
        person: &'a str,
        ty: &'a str,
        data: &'a serde_json::Value,
    ) -> BoxFuture<'a, Verdict> {
        Box::pin(async move {
            match self.0.judge(&room.to_string(), person, ty, data).await {
                Judgement::Allow => Verdict::Allow,
                Judgement::Mask(data) => Verdict::Mask(data),
                Judgement::Refuse(words) => Verdict::Refuse(words),
            }
        })
    }
}

fn secrets(texts: &[Hidden]) -> anyhow::Result<Vec<Secret>> {
    let count = texts.len();
    anyhow::ensure!(count <= SECRETS_MAX, "{count} entries; the limit is {SECRETS_MAX}");
    Ok(texts.iter().map(|secret| Secret::parse(&secret.0)).collect::<Result<_, _>>()?)
}

fn words(rules: &RoomRules) -> anyhow::Result<BlockedWords> {
    let count = rules.blocked_words.len();
    anyhow::ensure!(count <= WORDS_MAX, "rooms.blocked_words has {count} entries; the limit is {WORDS_MAX}");
    Ok(BlockedWords::new(&rules.blocked_words))
}
