//! Appends to a log until it is killed, and prints each acknowledged entry: `log-writer FILE ROOMS`. What it printed
//! must be there afterwards, whatever happened to the process. For the tests of durability.

use std::{io::Write as _, path::PathBuf, sync::Arc};
use unisono_base::{Epoch, MediaTime, RoomId, Tenant};
use unisono_store::{LogError, RoomLog, SqliteLog};
use unisono_timeline::{Body, Entry, Event, Lane, Late, Uuid, audit::Chain};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(path), Some(rooms)) = (args.next(), args.next()) else {
        return Err("usage: log-writer FILE ROOMS".into());
    };
    let log = Arc::new(SqliteLog::open(&PathBuf::from(path)).await?);
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..rooms.parse::<usize>()? {
        writers.spawn(write(log.clone(), number));
    }
    while let Some(done) = writers.join_next().await {
        // A full disk ends it, in words.
        if let Err(error) = done? {
            println!("refused {error}");
            break;
        }
    }
    Ok(())
}

async fn write(log: Arc<SqliteLog>, number: usize) -> Result<(), LogError> {
    let room = RoomId::parse(Tenant::default(), &format!("live:r{number}"))
        .map_err(|error| LogError::Backend { room: "-".into(), reason: error.to_string() })?;
    let mut chain = Chain::new(room.clone());
    let (mut n, mut from) = (0, 1);
    loop {
        let page = log.read(&room, from, 1_000).await?;
        let Some(last) = page.entries.last() else { break };
        n = last.entry.n;
        from = n + 1;
        for sealed in &page.entries {
            chain
                .apply(sealed)
                .map_err(|broken| LogError::Backend { room: room.to_string(), reason: broken.to_string() })?;
        }
    }
    loop {
        let count = 1 + n % 5;
        let entries = (n + 1..=n + count).map(|n| entry(&room, n)).collect();
        let sealed = chain.seal(entries, [n as u8; 32]);
        let hash = chain.head().1;
        n = log.append(&room, n, sealed).await?;
        let told = writeln!(std::io::stdout().lock(), "acked {number} {n} {hash}");
        if told.is_err() {
            return Ok(());
        }
    }
}

fn entry(room: &RoomId, n: u64) -> Entry {
    let event = Event {
        room: room.clone(),
        epoch: Epoch(1),
        seq: n,
        id: Uuid::from_u128(u128::from(n)),
        lane: Lane::Chat,
        ty: "chat".into(),
        at: MediaTime::from_micros(n as i64),
        dur: None,
        ttl: None,
        late: Late::Show,
        actor: None,
        cause: Some(Uuid::from_u128(1_000_000 + u128::from(n))),
        subject: None,
        supersedes: None,
        cancels: None,
        rule: None,
        data: serde_json::json!({"text": format!("message {n}")}),
    };
    Entry { n, term: 1, t: MediaTime::from_micros(n as i64), body: Body::Event(Arc::new(event)) }
}
