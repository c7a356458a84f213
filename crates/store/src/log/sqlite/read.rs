//! Reading: rows back into entries, each proven against its clear part.

use super::{LogError, LogRoom, Page, in_words};
use sqlx::{Row as _, SqlitePool, sqlite::SqliteRow};
use std::sync::Arc;
use unisono_base::RoomId;
use unisono_timeline::{
    Person, Uuid,
    audit::{Base, Checkpoint, Digest, Kept, Salt, Sealed, room_key, room_of_key},
};

/// Where to begin.
#[derive(Clone, Copy)]
pub(super) enum From {
    /// At this entry.
    N(u64),
    /// At this event; nothing hidden.
    Seq(u64),
}

/// A room's row.
pub(super) struct RoomRow {
    pub(super) id: i64,
    pub(super) last_n: u64,
    pub(super) base: Option<Base>,
}

pub(super) const ROOM: &str = "SELECT * FROM rooms WHERE name = ?";

pub(super) fn room_row(row: &SqliteRow) -> Result<RoomRow, sqlx::Error> {
    let hash: Option<Vec<u8>> = row.try_get("base_hash")?;
    let base = match hash.and_then(|hash| <[u8; 32]>::try_from(hash).ok()) {
        Some(hash) => Some(Base {
            n: number(row, "base_n")?,
            seq: number(row, "base_seq")?,
            term: number(row, "base_term")?,
            hash: Digest::from_bytes(hash),
        }),
        None => None,
    };
    Ok(RoomRow { id: row.try_get("id")?, last_n: number(row, "last_n")?, base })
}

pub(super) async fn page(pool: &SqlitePool, room: &RoomId, from: From, max: usize) -> Result<Page, LogError> {
    let failed = |error: sqlx::Error| in_words(room, &error);
    // One transaction: one moment of the log.
    let mut moment = pool.begin().await.map_err(failed)?;
    let found = sqlx::query(ROOM).bind(room_key(room)).fetch_optional(&mut *moment).await.map_err(failed)?;
    let Some(row) = found else { return Ok(Page::default()) };
    let RoomRow { id, last_n, base } = room_row(&row).map_err(failed)?;
    let (query, start) = match from {
        From::N(n) => ("SELECT * FROM entries WHERE room = ? AND n >= ? ORDER BY n LIMIT ?", n),
        From::Seq(seq) => (
            "SELECT * FROM entries WHERE room = ? AND seq >= ? AND seq IS NOT NULL ORDER BY seq LIMIT ?",
            seq,
        ),
    };
    let query = sqlx::query(query).bind(id).bind(signed(start)).bind(signed(max as u64));
    let rows = query.fetch_all(&mut *moment).await.map_err(failed)?;
    let entries = rows.iter().map(|row| sealed(room, row)).collect::<Result<_, _>>()?;
    Ok(Page { entries, last_n, base })
}

pub(super) async fn command(
    pool: &SqlitePool,
    room: &RoomId,
    cmd_id: Uuid,
) -> Result<Option<Sealed>, LogError> {
    let query = sqlx::query(
        "SELECT entries.* FROM entries JOIN rooms ON rooms.id = entries.room WHERE rooms.name = ? AND cmd_id = ?",
    );
    let query = query.bind(room_key(room)).bind(cmd_id.as_bytes().to_vec());
    let row = query.fetch_optional(pool).await.map_err(|error| in_words(room, &error))?;
    row.map(|row| sealed(room, &row)).transpose()
}

pub(super) async fn checkpoints(
    pool: &SqlitePool,
    room: &RoomId,
    from_n: u64,
    max: usize,
) -> Result<Vec<Checkpoint>, LogError> {
    let query = sqlx::query(
        "SELECT n, json FROM checkpoints WHERE room = (SELECT id FROM rooms WHERE name = ?) AND n >= ?
         ORDER BY n LIMIT ?",
    );
    let query = query.bind(room_key(room)).bind(signed(from_n)).bind(signed(max as u64));
    let rows = query.fetch_all(pool).await.map_err(|error| in_words(room, &error))?;
    let read = |row: &SqliteRow| {
        let n = number(row, "n").map_err(|error| in_words(room, &error))?;
        let json: &str = row.try_get("json").map_err(|error| in_words(room, &error))?;
        serde_json::from_str(json).map_err(|error| damaged(room, n, &error))
    };
    rows.iter().map(read).collect()
}

pub(super) async fn rooms(
    pool: &SqlitePool,
    after: Option<&RoomId>,
    max: usize,
) -> Result<Vec<LogRoom>, LogError> {
    let backend = |reason: String| LogError::Backend { room: "-".to_owned(), reason };
    let after = after.map(room_key).unwrap_or_default();
    let query = sqlx::query("SELECT * FROM rooms WHERE name > ? ORDER BY name LIMIT ?");
    let rows = query.bind(after).bind(signed(max as u64)).fetch_all(pool).await;
    let rows = rows.map_err(|error| backend(error.to_string()))?;
    let read = |row: &SqliteRow| -> Result<LogRoom, sqlx::Error> {
        let name: &str = row.try_get("name")?;
        Ok(LogRoom {
            room: room_of_key(name).map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
            last_n: number(row, "last_n")?,
            last_seq: number(row, "last_seq")?,
            base_n: number(row, "base_n")?,
        })
    };
    rows.iter().map(read).collect::<Result<_, _>>().map_err(|error| backend(error.to_string()))
}

/// One entry, proven.
pub(super) fn sealed(room: &RoomId, row: &SqliteRow) -> Result<Sealed, LogError> {
    let n = number(row, "n").map_err(|error| in_words(room, &error))?;
    let (kept, hash) = kept(row).map_err(|error| damaged(room, n, &error))?;
    let sealed = Sealed::from_kept(kept, hash).map_err(|error| damaged(room, n, &error))?;
    if sealed.entry.n != n {
        return Err(damaged(room, n, &format!("it says to be entry {}", sealed.entry.n)));
    }
    Ok(sealed)
}

fn kept(row: &SqliteRow) -> Result<(Kept, Digest), sqlx::Error> {
    let data: Option<Vec<u8>> = row.try_get("data")?;
    let person: Option<String> = row.try_get("person")?;
    let name: Option<String> = row.try_get("person_name")?;
    let person = person.map(|id| Person { id: id.into(), name: name.map(Arc::from) });
    let clear: Vec<u8> = row.try_get("clear")?;
    let data_salt = fixed::<16>(row, "data_salt")?.map(Salt::from_bytes);
    let person_salt = fixed::<16>(row, "person_salt")?.map(Salt::from_bytes);
    let hash = fixed::<32>(row, "hash")?.ok_or_else(|| sqlx::Error::ColumnNotFound("hash".to_owned()))?;
    let payload = data.map(Arc::from).zip(data_salt);
    Ok((Kept { clear: clear.into(), payload, person: person.zip(person_salt) }, Digest::from_bytes(hash)))
}

fn fixed<const N: usize>(row: &SqliteRow, column: &str) -> Result<Option<[u8; N]>, sqlx::Error> {
    let bytes: Option<&[u8]> = row.try_get(column)?;
    let sized =
        |bytes: &[u8]| <[u8; N]>::try_from(bytes).map_err(|error| sqlx::Error::Decode(Box::new(error)));
    bytes.map(sized).transpose()
}

pub(super) fn number(row: &SqliteRow, column: &str) -> Result<u64, sqlx::Error> {
    row.try_get(column).map(i64::cast_unsigned)
}

/// SQLite has signed numbers; what does not fit lies beyond every log.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn damaged(room: &RoomId, n: u64, reason: &dyn std::fmt::Display) -> LogError {
    LogError::Damaged { room: room.to_string(), n, reason: reason.to_string() }
}
