//! The file's tables, and how a file of before becomes one of now.

use super::LogError;
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};
use std::path::Path;

/// Each step brings a file from the schema version of its index to the next.
const MIGRATIONS: [&str; 1] = [
    // Entries stand in the order they were written, whatever their room, so that a commit touches few pages.
    "CREATE TABLE rooms (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, last_n INTEGER NOT NULL, last_seq INTEGER NOT NULL,
        base_n INTEGER NOT NULL, base_seq INTEGER NOT NULL, base_term INTEGER NOT NULL, base_hash BLOB
     ) STRICT;
     CREATE TABLE entries (
        room INTEGER NOT NULL, n INTEGER NOT NULL, seq INTEGER, cmd_id BLOB, t INTEGER NOT NULL,
        hash BLOB NOT NULL, clear BLOB NOT NULL, data BLOB, data_salt BLOB,
        person TEXT, person_name TEXT, person_salt BLOB
     ) STRICT;
     CREATE UNIQUE INDEX entries_n ON entries (room, n);
     CREATE UNIQUE INDEX entries_seq ON entries (room, seq) WHERE seq IS NOT NULL;
     CREATE UNIQUE INDEX entries_cmd ON entries (room, cmd_id) WHERE cmd_id IS NOT NULL;
     CREATE INDEX entries_person ON entries (room, person) WHERE person IS NOT NULL;
     CREATE TABLE checkpoints (
        room INTEGER NOT NULL, n INTEGER NOT NULL, json TEXT NOT NULL
     ) STRICT;
     CREATE INDEX checkpoints_n ON checkpoints (room, n);",
];

/// Brings the file up to date; refuses one of a newer program untouched.
pub(super) async fn migrate(connection: &mut SqliteConnection, path: &Path) -> Result<(), LogError> {
    let name = path.display().to_string();
    let failed =
        |error: sqlx::Error| LogError::Backend { room: "-".to_owned(), reason: format!("{name}: {error}") };
    let known = MIGRATIONS.len() as i64;
    let mut transaction = connection.begin().await.map_err(failed)?;
    let row = sqlx::query("PRAGMA user_version").fetch_one(&mut *transaction).await;
    let found: i64 = row.and_then(|row| row.try_get(0)).map_err(failed)?;
    if found > known {
        return Err(LogError::TooNew { path: name, found, known });
    }
    if found == known {
        return Ok(());
    }
    for step in MIGRATIONS.into_iter().skip(usize::try_from(found).unwrap_or(0)) {
        sqlx::raw_sql(step).execute(&mut *transaction).await.map_err(failed)?;
    }
    // A pragma takes no parameters; this text is a number of ours.
    let mark = AssertSqlSafe(format!("PRAGMA user_version = {known}"));
    sqlx::query(mark).execute(&mut *transaction).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)
}
