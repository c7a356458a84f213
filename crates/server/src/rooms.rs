//! The node's rooms: their logs on disk, the key that signs them, what the configuration says about them.

use crate::{
    config::{Hidden, RoomRules},
    keys::Keys,
};
use anyhow::Context;
use std::{ops::RangeInclusive, path::Path, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use unisono_auth::Secret;
use unisono_base::{NodeClock, RoomId, Span};
use unisono_gateway_events::{Rules, RulesInForce};
use unisono_hub::Hub;
use unisono_room::{BlockedWords, Judge, KeepFor, Keeper, Rooms, RoomsLimits, Verdict, WORDS_MAX};
use unisono_store::{BoxFuture, RoomLog, SqliteLog, audit_signer};
use unisono_webhook::{Client, GateConfig, Judgement, MessageJudge, Metrics};

/// File of the rooms' logs in the data directory.
const FILE: &str = "rooms.sqlite";
/// Rooms looked at when the node starts.
const WAKE_MAX: usize = 1_000;
/// Secrets of the inbox, and of the judge of messages.
const SECRETS_MAX: usize = 4;
/// Fewer entries than a lively minute has are no log any more.
const RETENTION_ENTRIES_LEAST: u64 = 100;
/// How often logs are shortened, beside at once where the configuration changes.
const TRIM_EVERY: Duration = Duration::from_secs(60);
/// How long a judge may have: a chat that takes longer is none.
const WITHIN_MS: RangeInclusive<u32> = 50..=5_000;

/// The rooms and the file their logs are in.
#[derive(Clone)]
pub(crate) struct RoomsOnDisk {
    pub(crate) rooms: Arc<Rooms>,
    log: Arc<SqliteLog>,
}

impl RoomsOnDisk {
    /// The rooms whose logs are here.
    pub(crate) async fn kept(&self) -> anyhow::Result<Vec<RoomId>> {
        let mut kept: Vec<RoomId> = Vec::new();
        loop {
            let page = self.log.rooms(kept.last(), WAKE_MAX).await?;
            if page.is_empty() {
                return Ok(kept);
            }
            kept.extend(page.into_iter().filter(|known| known.last_n > 0).map(|known| known.room));
        }
    }

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
    keep_for: KeepFor,
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
    let keep_for = keep_for(rules)?;
    Ok(Prepared { rules: rules_now, words: words(rules)?, judge: judge.transpose()?, keep_for })
}

fn keep_for(rules: &RoomRules) -> anyhow::Result<KeepFor> {
    let entries = (rules.retention_entries > 0).then_some(rules.retention_entries);
    anyhow::ensure!(
        entries.is_none_or(|entries| entries >= RETENTION_ENTRIES_LEAST),
        "rooms.retention_entries is {}; 0 keeps all, otherwise at least {RETENTION_ENTRIES_LEAST}",
        rules.retention_entries
    );
    let days = i64::from(rules.retention_days);
    Ok(KeepFor { span: (days > 0).then(|| Span::from_secs(days * 86_400)), entries })
}

/// Shortens the rooms' logs now and then, until `stop`.
pub(crate) async fn trim(rooms: Arc<Rooms>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(TRIM_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut retention = rooms.retention();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
            // The rooms, which this task holds, are who could end it.
            Ok(()) = retention.changed() => {}
        }
        if let Err(error) = rooms.trim().await {
            tracing::error!(%error, "the rooms' logs cannot be shortened; it is tried again");
        }
    }
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
        let Prepared { rules, words, judge, keep_for } = prepared;
        self.rooms.set_retention(keep_for);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retention_is_in_days_and_entries_and_too_few_are_refused() {
        let kept = |days, entries| {
            keep_for(&RoomRules { retention_days: days, retention_entries: entries, ..RoomRules::default() })
        };
        assert_eq!(kept(0, 0).expect("fine"), KeepFor::default(), "all of it, unless said otherwise");
        let both = KeepFor { span: Some(Span::from_secs(30 * 86_400)), entries: Some(100) };
        assert_eq!(kept(30, 100).expect("fine"), both);
        let refused = kept(0, 99).expect_err("too few").to_string();
        assert!(refused.contains("rooms.retention_entries is 99"), "{refused}");
    }
}
