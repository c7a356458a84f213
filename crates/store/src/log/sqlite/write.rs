//! What the writer does to the tables.

use super::{
    LogError,
    read::{self, ROOM, RoomRow, room_row, sealed, signed},
    rows,
    writer::Order,
};
use crate::log::{Erase, Retention, check_follows};
use sqlx::{Connection as _, Row as _, SqliteConnection, SqliteTransaction};
use std::collections::{HashMap, HashSet};
use unisono_base::RoomId;
use unisono_timeline::audit::{Checkpoint, Sealed, room_key};

/// Rooms whose end is remembered; beyond it all are forgotten and read again.
const HEADS_MAX: usize = 65_536;
/// Entries that retention takes away in one transaction.
const RETAIN_STEP: u64 = 2_000;

/// Where each room's log ends.
pub(super) type Heads = HashMap<RoomId, Head>;

/// Where one room's log ends.
#[derive(Clone, Copy)]
pub(super) struct Head {
    id: i64,
    last_n: u64,
    last_seq: u64,
}

/// Writes all of `orders` and commits; one result for each. An order that is refused leaves no trace, an error of the
/// database takes everything back.
pub(super) async fn group(
    connection: &mut SqliteConnection,
    heads: &mut Heads,
    orders: &[Order],
) -> Result<Vec<Result<u64, LogError>>, sqlx::Error> {
    if heads.len() > HEADS_MAX {
        heads.clear();
    }
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let mut results = Vec::with_capacity(orders.len());
    let mut touched = HashSet::new();
    for order in orders {
        results.push(match order {
            Order::Append { room, expected_n, entries, .. } => {
                touched.insert(room);
                append(&mut transaction, heads, room, (*expected_n, entries)).await?
            }
            Order::Checkpoint { room, checkpoint, .. } => {
                keep_checkpoint(&mut transaction, heads, room, checkpoint).await?
            }
            Order::Erase { .. } | Order::Retain { .. } | Order::Close(_) => Err(LogError::Closed),
        });
    }
    for head in touched.into_iter().filter_map(|room| heads.get(room)) {
        let query = sqlx::query("UPDATE rooms SET last_n = ?, last_seq = ? WHERE id = ?");
        let query = query.bind(signed(head.last_n)).bind(signed(head.last_seq)).bind(head.id);
        query.execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(results)
}

async fn append(
    transaction: &mut SqliteTransaction<'_>,
    heads: &mut Heads,
    room: &RoomId,
    (expected, entries): (u64, &[Sealed]),
) -> Result<Result<u64, LogError>, sqlx::Error> {
    let known = head(transaction, heads, room).await?;
    let last = known.map_or(0, |head| head.last_n);
    if last != expected {
        return Ok(Err(LogError::Conflict { room: room.to_string(), expected, last }));
    }
    if let Err(unfit) = check_follows(room, expected, entries) {
        return Ok(Err(unfit));
    }
    let mut head = match known {
        Some(head) => head,
        None => new_room(transaction, room).await?,
    };
    if let Some(cmd_id) = rows::repeated(transaction, head.id, entries).await? {
        let reason = format!("command {cmd_id} stands in the log already");
        return Ok(Err(LogError::Unfit { room: room.to_string(), reason }));
    }
    rows::insert(transaction, head.id, entries).await?;
    head.last_n = entries.last().map_or(head.last_n, |sealed| sealed.entry.n);
    head.last_seq = entries.iter().rev().find_map(Sealed::seq).unwrap_or(head.last_seq);
    heads.insert(room.clone(), head);
    Ok(Ok(head.last_n))
}

async fn head(
    transaction: &mut SqliteTransaction<'_>,
    heads: &Heads,
    room: &RoomId,
) -> Result<Option<Head>, sqlx::Error> {
    if let Some(head) = heads.get(room) {
        return Ok(Some(*head));
    }
    let row = sqlx::query(ROOM).bind(room_key(room)).fetch_optional(&mut **transaction).await?;
    let Some(row) = row else { return Ok(None) };
    let RoomRow { id, last_n, .. } = room_row(&row)?;
    Ok(Some(Head { id, last_n, last_seq: read::number(&row, "last_seq")? }))
}

async fn new_room(transaction: &mut SqliteTransaction<'_>, room: &RoomId) -> Result<Head, sqlx::Error> {
    let query = sqlx::query(
        "INSERT INTO rooms (name, last_n, last_seq, base_n, base_seq, base_term) VALUES (?, 0, 0, 0, 0, 0)",
    );
    let made = query.bind(room_key(room)).execute(&mut **transaction).await?;
    Ok(Head { id: made.last_insert_rowid(), last_n: 0, last_seq: 0 })
}

async fn keep_checkpoint(
    transaction: &mut SqliteTransaction<'_>,
    heads: &Heads,
    room: &RoomId,
    checkpoint: &Checkpoint,
) -> Result<Result<u64, LogError>, sqlx::Error> {
    let known = head(transaction, heads, room).await?.filter(|head| checkpoint.n <= head.last_n);
    let Some(head) = known else {
        let reason = format!("a checkpoint of entry {} that is not there", checkpoint.n);
        return Ok(Err(LogError::Unfit { room: room.to_string(), reason }));
    };
    let json = serde_json::to_string(checkpoint).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    let query = sqlx::query("INSERT INTO checkpoints (room, n, json) VALUES (?, ?, ?)");
    query.bind(head.id).bind(signed(checkpoint.n)).bind(json).execute(&mut **transaction).await?;
    Ok(Ok(checkpoint.n))
}

/// Returns how many entries it concerned. The old bytes are overwritten (`secure_delete`), and leave the write-ahead
/// file with [`fold`].
pub(super) async fn erase(
    connection: &mut SqliteConnection,
    room: &RoomId,
    what: &Erase,
) -> Result<u64, sqlx::Error> {
    let query = match what {
        Erase::Payload { n } => sqlx::query(
            "UPDATE entries SET data = NULL, data_salt = NULL
             WHERE room = (SELECT id FROM rooms WHERE name = ?) AND n = ?",
        )
        .bind(room_key(room))
        .bind(signed(*n)),
        Erase::Person { id } => sqlx::query(
            "UPDATE entries SET data = NULL, data_salt = NULL, person = NULL, person_name = NULL, person_salt = NULL
             WHERE room = (SELECT id FROM rooms WHERE name = ?) AND person = ?",
        )
        .bind(room_key(room))
        .bind(id.to_string()),
    };
    Ok(query.execute(connection).await?.rows_affected())
}

/// Writes everything back into the one file and empties the write-ahead file; false while a reader needs it.
pub(super) async fn fold(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(connection).await?;
    Ok(row.try_get::<i64, _>(0)? == 0)
}

/// Takes away a stretch of the beginning that need not be kept; returns how many entries, 0 when there is no more.
pub(super) async fn retain(
    connection: &mut SqliteConnection,
    room: &RoomId,
    keep: Retention,
) -> Result<u64, sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let row = sqlx::query(ROOM).bind(room_key(room)).fetch_optional(&mut *transaction).await?;
    let Some(row) = row else { return Ok(0) };
    let RoomRow { id, last_n, base } = room_row(&row)?;
    let base_n = base.map_or(0, |base| base.n);
    let cut = cut(&mut transaction, id, last_n, keep).await?.min(base_n + RETAIN_STEP);
    if cut <= base_n {
        return Ok(0);
    }
    let query = sqlx::query("SELECT * FROM entries WHERE room = ? AND n = ?").bind(id).bind(signed(cut));
    let entry = query.fetch_one(&mut *transaction).await?;
    let last = sealed(room, &entry).map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    let query = sqlx::query("SELECT max(seq) AS seq FROM entries WHERE room = ? AND n <= ?");
    let seq = query.bind(id).bind(signed(cut)).fetch_one(&mut *transaction).await?;
    let seq: Option<i64> = seq.try_get("seq")?;
    let seq = seq.map_or(base.map_or(0, |base| base.seq), i64::cast_unsigned);
    let query =
        sqlx::query("UPDATE rooms SET base_n = ?, base_seq = ?, base_term = ?, base_hash = ? WHERE id = ?");
    let query = query.bind(signed(cut)).bind(signed(seq)).bind(signed(last.entry.term));
    let query = query.bind(last.seal.hash.as_bytes().to_vec()).bind(id);
    query.execute(&mut *transaction).await?;
    for delete in
        ["DELETE FROM checkpoints WHERE room = ? AND n < ?", "DELETE FROM entries WHERE room = ? AND n <= ?"]
    {
        sqlx::query(delete).bind(id).bind(signed(cut)).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(cut - base_n)
}

/// The last entry that need not be kept.
async fn cut(
    transaction: &mut SqliteTransaction<'_>,
    room: i64,
    last_n: u64,
    keep: Retention,
) -> Result<u64, sqlx::Error> {
    let mut cut = keep.entries_max.map_or(0, |max| last_n.saturating_sub(max));
    if let Some(t) = keep.older_than {
        let query = sqlx::query("SELECT n FROM entries WHERE room = ? AND t >= ? ORDER BY n LIMIT 1");
        let row = query.bind(room).bind(t.as_micros()).fetch_optional(&mut **transaction).await?;
        let first = row.map(|row| read::number(&row, "n")).transpose()?;
        cut = cut.max(first.map_or(last_n, |first| first.saturating_sub(1)));
    }
    Ok(keep.keep_from.map_or(cut, |from| cut.min(from.saturating_sub(1))))
}
