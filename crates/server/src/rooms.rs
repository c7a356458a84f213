//! The node's rooms: their logs on disk, the key that signs them, what the configuration says about them.

use crate::{config::RoomRules, keys::Keys};
use anyhow::Context;
use std::{path::Path, sync::Arc};
use unisono_auth::Secret;
use unisono_base::NodeClock;
use unisono_hub::Hub;
use unisono_room::{BlockedWords, Keeper, Rooms, RoomsLimits, WORDS_MAX};
use unisono_store::{RoomLog, SqliteLog, audit_signer};

/// File of the rooms' logs in the data directory.
const FILE: &str = "rooms.sqlite";
/// Rooms looked at when the node starts.
const WAKE_MAX: usize = 1_000;
/// Secrets of the inbox.
const SECRETS_MAX: usize = 4;

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
    rules: &RoomRules,
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
    rooms.block_words(words(rules)?);
    let known = log.rooms(None, WAKE_MAX).await?;
    rooms.wake(known.into_iter().map(|known| known.room));
    Ok(RoomsOnDisk { rooms, log })
}

/// With which the tenant's own systems sign.
pub(crate) fn inbox_secrets(rules: &RoomRules) -> anyhow::Result<Vec<Secret>> {
    let count = rules.inbox_secrets.len();
    anyhow::ensure!(
        count <= SECRETS_MAX,
        "rooms.inbox_secrets has {count} entries; the limit is {SECRETS_MAX}"
    );
    let parsed = rules.inbox_secrets.iter().map(|secret| Secret::parse(&secret.0));
    parsed.collect::<Result<_, _>>().context("rooms.inbox_secrets")
}

fn words(rules: &RoomRules) -> anyhow::Result<BlockedWords> {
    let count = rules.blocked_words.len();
    anyhow::ensure!(count <= WORDS_MAX, "rooms.blocked_words has {count} entries; the limit is {WORDS_MAX}");
    Ok(BlockedWords::new(&rules.blocked_words))
}
