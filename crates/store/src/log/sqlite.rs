//! The log in a file: SQLite in WAL mode. One connection writes for all rooms, and what waits is committed together;
//! readers have connections of their own and never wait for it.

mod read;
mod rows;
mod schema;
mod wal;
mod write;
mod writer;

pub use wal::Damage;

use super::{Erase, LogError, LogRoom, Page, Retention, RoomLog};
use crate::{BoxFuture, private::create_private};
use sqlx::{
    ConnectOptions as _, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{path::Path, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use unisono_base::RoomId;
use unisono_timeline::{
    Uuid,
    audit::{Checkpoint, Sealed},
};
use writer::{Order, Writer};

/// Orders that wait for the writer; beyond it callers wait for a place.
const ORDERS_MAX: usize = 4_096;
/// Connections that read.
const READERS: u32 = 4;
/// How long a statement waits for a lock of another process, such as a backup.
const BUSY: Duration = Duration::from_secs(10);

/// See the module. An append returns after `fsync` (WAL, `synchronous` FULL).
#[derive(Debug)]
pub struct SqliteLog {
    orders: mpsc::Sender<Order>,
    readers: SqlitePool,
    writer: tokio::sync::Mutex<Option<JoinHandle<()>>>,
    damage: Option<Damage>,
}

impl SqliteLog {
    /// Opens the file, or makes it (and its folder), readable by its owner only. A write-ahead file that is damaged
    /// is read as far as it is whole, a copy of it is put aside, and [`Self::damage`] says so.
    pub async fn open(path: &Path) -> Result<Self, LogError> {
        let failed = |reason: String| LogError::Backend { room: "-".to_owned(), reason };
        create_private(path).map_err(|error| failed(format!("{}: {error}", path.display())))?;
        let damage = wal::inspect(path)
            .and_then(|damage| wal::forget_old_copies(path).map(|()| damage))
            .map_err(|error| failed(format!("{}: {error}", path.display())))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY)
            .pragma("secure_delete", "ON");
        let in_words = |error: sqlx::Error| failed(format!("{}: {error}", path.display()));
        let mut connection = options.connect().await.map_err(in_words)?;
        let again = options.clone();
        schema::migrate(&mut connection, path).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.read_only(true))
            .await
            .map_err(in_words)?;
        let (orders, waiting) = mpsc::channel(ORDERS_MAX);
        let writer = tokio::spawn(Writer::new(connection, again).run(waiting));
        Ok(Self { orders, readers, writer: tokio::sync::Mutex::new(Some(writer)), damage })
    }

    /// What was found damaged when it was opened, in words.
    pub fn damage(&self) -> Option<&Damage> {
        self.damage.as_ref()
    }

    /// Writes what waits and closes the file. Later calls fail with [`LogError::Closed`].
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.orders.send(Order::Close(done)).await.is_ok() {
            let _ = closed.await;
        }
        self.readers.close().await;
        if let Some(writer) = self.writer.lock().await.take() {
            let _ = writer.await;
        }
    }

    async fn order<T>(
        &self,
        order: impl FnOnce(oneshot::Sender<Result<T, LogError>>) -> Order,
    ) -> Result<T, LogError> {
        let (reply, answer) = oneshot::channel();
        self.orders.send(order(reply)).await.map_err(|_| LogError::Closed)?;
        answer.await.map_err(|_| LogError::Closed)?
    }
}

impl RoomLog for SqliteLog {
    fn append<'a>(
        &'a self,
        room: &'a RoomId,
        expected_n: u64,
        entries: Vec<Sealed>,
    ) -> BoxFuture<'a, Result<u64, LogError>> {
        let room = room.clone();
        Box::pin(self.order(move |reply| Order::Append { room, expected_n, entries, reply }))
    }

    fn read<'a>(
        &'a self,
        room: &'a RoomId,
        from_n: u64,
        max: usize,
    ) -> BoxFuture<'a, Result<Page, LogError>> {
        Box::pin(read::page(&self.readers, room, read::From::N(from_n), max))
    }

    fn read_events<'a>(
        &'a self,
        room: &'a RoomId,
        from_seq: u64,
        max: usize,
    ) -> BoxFuture<'a, Result<Page, LogError>> {
        Box::pin(read::page(&self.readers, room, read::From::Seq(from_seq), max))
    }

    fn find_command<'a>(
        &'a self,
        room: &'a RoomId,
        cmd_id: Uuid,
    ) -> BoxFuture<'a, Result<Option<Sealed>, LogError>> {
        Box::pin(read::command(&self.readers, room, cmd_id))
    }

    fn checkpoint<'a>(
        &'a self,
        room: &'a RoomId,
        checkpoint: Checkpoint,
    ) -> BoxFuture<'a, Result<(), LogError>> {
        let room = room.clone();
        Box::pin(self.order(move |reply| Order::Checkpoint { room, checkpoint, reply }))
    }

    fn checkpoints<'a>(
        &'a self,
        room: &'a RoomId,
        from_n: u64,
        max: usize,
    ) -> BoxFuture<'a, Result<Vec<Checkpoint>, LogError>> {
        Box::pin(read::checkpoints(&self.readers, room, from_n, max))
    }

    fn erase<'a>(&'a self, room: &'a RoomId, what: Erase) -> BoxFuture<'a, Result<u64, LogError>> {
        let room = room.clone();
        Box::pin(self.order(move |reply| Order::Erase { room, what, reply }))
    }

    fn retain<'a>(&'a self, room: &'a RoomId, keep: Retention) -> BoxFuture<'a, Result<u64, LogError>> {
        let room = room.clone();
        Box::pin(self.order(move |reply| Order::Retain { room, keep, reply }))
    }

    fn rooms<'a>(
        &'a self,
        after: Option<&'a RoomId>,
        max: usize,
    ) -> BoxFuture<'a, Result<Vec<LogRoom>, LogError>> {
        Box::pin(read::rooms(&self.readers, after, max))
    }
}

/// An error of SQLite in words; a full disk is one that callers can tell from others.
fn in_words(room: &RoomId, error: &sqlx::Error) -> LogError {
    let code = error.as_database_error().and_then(|error| error.code());
    // The primary result code: SQLITE_FULL (sqlite.org/rescode.html).
    if code.as_deref().and_then(|code| code.parse::<i32>().ok()).is_some_and(|code| code & 0xff == 13) {
        let limit = "the disk is full: nothing of this was written, what was written before stays".to_owned();
        return LogError::Full { room: room.to_string(), limit };
    }
    LogError::Backend { room: room.to_string(), reason: error.to_string() }
}

#[cfg(test)]
mod tests;
