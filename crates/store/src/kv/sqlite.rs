//! The store in a file: SQLite in WAL mode, one connection, every write synced.

use super::{Kv, KvError, LIST_MAX, Versioned, check};
use crate::{BoxFuture, private::create_private};
use sqlx::{
    Row, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous},
};
use std::path::Path;

/// Each step brings a file from the schema version of its index to the next. A step is also what values need that a
/// program of before could not read: it then says that the file is of a newer version, not that it is damaged.
const MIGRATIONS: [&str; 2] = [
    "CREATE TABLE kv (key TEXT PRIMARY KEY, version INTEGER NOT NULL, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    // Keys may have quotas. Nothing is converted: a key without one has no limits.
    "SELECT 1",
];

/// Values in one SQLite file. Writes are few and small, so one connection is enough, and none waits long.
#[derive(Clone, Debug)]
pub struct SqliteKv {
    pool: SqlitePool,
    path: String,
}

impl SqliteKv {
    /// Opens the file, or makes it (and its folder), readable by its owner only.
    pub async fn open(path: &Path) -> Result<Self, KvError> {
        let name = path.display().to_string();
        let backend = |reason: String| KvError::Backend { path: name.clone(), reason };
        create_private(path).map_err(|error| backend(error.to_string()))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options)
            .await
            .map_err(|error| backend(error.to_string()))?;
        let store = Self { pool, path: name };
        store.migrate().await?;
        Ok(store)
    }

    /// Writes everything back into the one file and closes it.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn migrate(&self) -> Result<(), KvError> {
        let known = MIGRATIONS.len() as i64;
        let mut transaction = self.pool.begin().await.map_err(|e| self.backend(&e))?;
        let row = sqlx::query("PRAGMA user_version").fetch_one(&mut *transaction).await;
        let found: i64 = row.and_then(|row| row.try_get(0)).map_err(|e| self.backend(&e))?;
        if found > known {
            return Err(KvError::TooNew { path: self.path.clone(), found, known });
        }
        if found == known {
            return Ok(());
        }
        for step in MIGRATIONS.into_iter().skip(usize::try_from(found).unwrap_or(0)) {
            sqlx::query(step).execute(&mut *transaction).await.map_err(|e| self.backend(&e))?;
        }
        // A pragma takes no parameters; this text is a number of ours.
        let mark = sqlx::AssertSqlSafe(format!("PRAGMA user_version = {known}"));
        sqlx::query(mark).execute(&mut *transaction).await.map_err(|e| self.backend(&e))?;
        transaction.commit().await.map_err(|e| self.backend(&e))
    }

    fn backend(&self, error: &sqlx::Error) -> KvError {
        KvError::Backend { path: self.path.clone(), reason: error.to_string() }
    }
}

impl Kv for SqliteKv {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Versioned>, KvError>> {
        Box::pin(async move {
            let query = sqlx::query("SELECT key, version, value FROM kv WHERE key = ?").bind(key);
            let row = query.fetch_optional(&self.pool).await.map_err(|e| self.backend(&e))?;
            let entry = row.as_ref().map(read).transpose().map_err(|e| self.backend(&e))?;
            Ok(entry.map(|(_, value)| value))
        })
    }

    fn put_if<'a>(
        &'a self,
        key: &'a str,
        expected: Option<u64>,
        value: String,
    ) -> BoxFuture<'a, Result<u64, KvError>> {
        Box::pin(async move {
            check(key, &value)?;
            let query = match expected {
                None => sqlx::query(
                    "INSERT INTO kv (key, value, version) VALUES (?, ?, 1) ON CONFLICT DO NOTHING",
                )
                .bind(key)
                .bind(value),
                Some(version) => sqlx::query(
                    "UPDATE kv SET value = ?, version = version + 1 WHERE key = ? AND version = ?",
                )
                .bind(value)
                .bind(key)
                .bind(version.cast_signed()),
            };
            let done = query.execute(&self.pool).await.map_err(|e| self.backend(&e))?;
            if done.rows_affected() == 0 {
                return Err(KvError::Conflict { key: key.to_owned() });
            }
            Ok(expected.unwrap_or(0) + 1)
        })
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<bool, KvError>> {
        Box::pin(async move {
            let query = sqlx::query("DELETE FROM kv WHERE key = ?").bind(key);
            let done = query.execute(&self.pool).await.map_err(|e| self.backend(&e))?;
            Ok(done.rows_affected() > 0)
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<(String, Versioned)>, KvError>> {
        Box::pin(async move {
            let query = sqlx::query(
                "SELECT key, version, value FROM kv WHERE substr(key, 1, length(?1)) = ?1 ORDER BY key LIMIT ?2",
            );
            let query = query.bind(prefix).bind(LIST_MAX as i64);
            let rows = query.fetch_all(&self.pool).await.map_err(|e| self.backend(&e))?;
            rows.iter().map(read).collect::<Result<_, _>>().map_err(|e| self.backend(&e))
        })
    }
}

fn read(row: &SqliteRow) -> Result<(String, Versioned), sqlx::Error> {
    let version: i64 = row.try_get("version")?;
    Ok((row.try_get("key")?, Versioned { version: version.cast_unsigned(), value: row.try_get("value")? }))
}
