//! Many entries by few statements. Each statement is a way to the connection's thread and back, which on a busy machine takes
//! longer than all that SQLite does for one row.

use super::read::signed;
use sqlx::{Arguments as _, SqliteTransaction, sqlite::SqliteArguments};
use std::{collections::HashSet, sync::LazyLock};
use unisono_timeline::{Uuid, audit::Sealed};

/// Rows of one statement, the most first: few shapes, so that each is prepared once. SQLite takes 32,766 parameters.
const ROWS: [usize; 3] = [64, 8, 1];
const COLUMNS: usize = 12;

static INSERT: LazyLock<[String; ROWS.len()]> = LazyLock::new(|| {
    ROWS.map(|rows| {
        let row = format!("({})", list("?", COLUMNS));
        format!(
            "INSERT INTO entries
             (room, n, seq, cmd_id, t, hash, clear, data, data_salt, person, person_name, person_salt)
             VALUES {}",
            list(&row, rows)
        )
    })
});

static FIND: LazyLock<[String; ROWS.len()]> = LazyLock::new(|| {
    ROWS.map(|rows| {
        format!("SELECT cmd_id FROM entries WHERE room = ? AND cmd_id IN ({}) LIMIT 1", list("?", rows))
    })
});

fn list(item: &str, count: usize) -> String {
    vec![item; count].join(", ")
}

/// Writes `entries` into the room of this row id.
pub(super) async fn insert(
    transaction: &mut SqliteTransaction<'_>,
    room: i64,
    entries: &[Sealed],
) -> Result<(), sqlx::Error> {
    for (shape, entries) in shaped(entries) {
        let mut arguments = SqliteArguments::default();
        for sealed in entries {
            add(&mut arguments, room, sealed).map_err(sqlx::Error::Encode)?;
        }
        sqlx::query_with(INSERT[shape].as_str(), arguments).execute(&mut **transaction).await?;
    }
    Ok(())
}

/// A command of `entries` that stands in the log, or twice among them: it is carried out once (fairness spec 10).
pub(super) async fn repeated(
    transaction: &mut SqliteTransaction<'_>,
    room: i64,
    entries: &[Sealed],
) -> Result<Option<Uuid>, sqlx::Error> {
    let commands: Vec<Uuid> = entries.iter().filter_map(Sealed::cause).collect();
    let mut seen = HashSet::with_capacity(commands.len());
    if let Some(twice) = commands.iter().find(|cmd_id| !seen.insert(**cmd_id)) {
        return Ok(Some(*twice));
    }
    for (shape, commands) in shaped(&commands) {
        let mut query = sqlx::query_scalar::<_, Vec<u8>>(FIND[shape].as_str()).bind(room);
        for cmd_id in commands {
            query = query.bind(cmd_id.as_bytes().to_vec());
        }
        if let Some(found) = query.fetch_optional(&mut **transaction).await? {
            return Uuid::from_slice(&found).map(Some).map_err(|error| sqlx::Error::Decode(error.into()));
        }
    }
    Ok(None)
}

/// `all` in pieces of [`ROWS`], each with its place there.
fn shaped<T>(mut all: &[T]) -> impl Iterator<Item = (usize, &[T])> {
    std::iter::from_fn(move || {
        let shape = ROWS.iter().position(|rows| *rows <= all.len())?;
        let (piece, rest) = all.split_at(ROWS[shape]);
        all = rest;
        Some((shape, piece))
    })
}

fn add(arguments: &mut SqliteArguments, room: i64, sealed: &Sealed) -> Result<(), sqlx::error::BoxDynError> {
    let Sealed { entry, seal } = sealed;
    let person = sealed.person();
    arguments.add(room)?;
    arguments.add(signed(entry.n))?;
    arguments.add(sealed.seq().map(signed))?;
    arguments.add(sealed.cause().map(|cmd_id| cmd_id.as_bytes().to_vec()))?;
    arguments.add(entry.t.as_micros())?;
    arguments.add(seal.hash.as_bytes().to_vec())?;
    arguments.add(seal.clear.to_vec())?;
    arguments.add(seal.data.as_ref().map(|data| data.to_vec()))?;
    arguments.add(seal.payload.map(|salt| salt.as_bytes().to_vec()))?;
    arguments.add(person.map(|person| person.id.to_string()))?;
    arguments.add(person.and_then(|person| person.name.as_ref()).map(|name| name.to_string()))?;
    arguments.add(seal.person.map(|salt| salt.as_bytes().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_hold_everything_once_and_in_order() {
        for count in [0, 1, 7, 8, 9, 63, 64, 65, 200, 512] {
            let all: Vec<_> = (0..count).collect();
            let pieces: Vec<_> = shaped(&all).collect();
            assert!(pieces.iter().all(|(shape, piece)| piece.len() == ROWS[*shape]));
            let together: Vec<_> = pieces.iter().flat_map(|(_, piece)| piece.to_vec()).collect();
            assert_eq!(together, all, "{count}");
        }
    }
}
