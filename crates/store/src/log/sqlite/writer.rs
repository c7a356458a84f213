//! The one writer: takes what waits, writes it in one transaction, and answers after the commit.

use super::{
    LogError, in_words, wal,
    write::{self, Heads},
};
use crate::log::{Erase, Retention};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::sync::{mpsc, oneshot};
use unisono_base::RoomId;
use unisono_timeline::audit::{Checkpoint, Sealed};

/// Entries of one transaction at most, unless a single append has more.
const GROUP_MAX: usize = 1_000;

pub(super) type Reply<T> = oneshot::Sender<Result<T, LogError>>;

/// What is asked of the writer.
pub(super) enum Order {
    Append { room: RoomId, expected_n: u64, entries: Vec<Sealed>, reply: Reply<u64> },
    Checkpoint { room: RoomId, checkpoint: Checkpoint, reply: Reply<()> },
    Erase { room: RoomId, what: Erase, reply: Reply<u64> },
    Retain { room: RoomId, keep: Retention, reply: Reply<u64> },
    Close(oneshot::Sender<()>),
}

/// A retention in progress: it goes in steps, so that rooms need not wait for all of it.
struct Retaining {
    room: RoomId,
    keep: Retention,
    reply: Reply<u64>,
    removed: u64,
}

/// See the module.
pub(super) struct Writer {
    connection: SqliteConnection,
    options: SqliteConnectOptions,
    heads: Heads,
    retaining: Option<Retaining>,
}

impl Writer {
    /// `options` made `connection`, and make another one after a failure.
    pub(super) fn new(connection: SqliteConnection, options: SqliteConnectOptions) -> Self {
        Self { connection, options, heads: Heads::default(), retaining: None }
    }

    /// Begins anew after the database failed. On a full disk SQLite ends a transaction by itself, of which the old
    /// connection knows nothing: it would refuse every later one, also once there is room again.
    async fn begin_anew(&mut self) {
        self.heads.clear();
        // Where that fails too, the next order fails in words and tries once more.
        if let Ok(fresh) = self.options.connect().await {
            self.connection = fresh;
        }
    }

    /// Works until it is told to close, or until nobody can order anything any more.
    pub(super) async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut next = None;
        loop {
            let order = match next.take() {
                Some(order) => Some(order),
                None => self.wait(&mut orders).await,
            };
            match order {
                Some(Order::Close(closed)) => {
                    self.close().await;
                    let _ = closed.send(());
                    return;
                }
                Some(Order::Erase { room, what, reply }) => {
                    let done = self.erase(&room, &what).await;
                    let _ = reply.send(done);
                }
                Some(Order::Retain { room, keep, reply }) => {
                    self.finish_retaining().await;
                    self.retaining = Some(Retaining { room, keep, reply, removed: 0 });
                }
                Some(order @ (Order::Append { .. } | Order::Checkpoint { .. })) => {
                    let mut group = vec![order];
                    next = gather(&mut group, &mut orders);
                    self.write(group).await;
                }
                None if self.retaining.is_none() => return self.close().await,
                None => {}
            }
            self.retain_step().await;
        }
    }

    /// The next order; `None` when there is none and other work waits, or when nobody is left.
    async fn wait(&mut self, orders: &mut mpsc::Receiver<Order>) -> Option<Order> {
        if self.retaining.is_none() {
            return orders.recv().await;
        }
        orders.try_recv().ok()
    }

    /// Everything of `group` in one transaction. If that fails each gets one of its own, so that one room's trouble
    /// is not another's.
    async fn write(&mut self, group: Vec<Order>) {
        let written = write::group(&mut self.connection, &mut self.heads, &group).await;
        match written {
            Ok(results) => {
                for (order, result) in group.into_iter().zip(results) {
                    answer(order, result);
                }
            }
            Err(error) if group.len() == 1 => {
                self.begin_anew().await;
                for order in group {
                    let failed = in_words(room_of(&order), &error);
                    answer(order, Err(failed));
                }
            }
            Err(_) => {
                self.begin_anew().await;
                for order in group {
                    Box::pin(self.write(vec![order])).await;
                }
            }
        }
    }

    async fn erase(&mut self, room: &RoomId, what: &Erase) -> Result<u64, LogError> {
        let erased = match write::erase(&mut self.connection, room, what).await {
            Ok(erased) => erased,
            Err(error) => {
                self.begin_anew().await;
                return Err(in_words(room, &error));
            }
        };
        if !write::fold(&mut self.connection).await.map_err(|error| in_words(room, &error))? {
            let reason =
                "erased, but a reader keeps the old bytes in the write-ahead file: erase again".to_owned();
            return Err(LogError::Backend { room: room.to_string(), reason });
        }
        wal::forget_copies(self.options.get_filename()).map_err(|error| {
            let reason = format!("erased, but a copy of a damaged write-ahead file stays: {error}");
            LogError::Backend { room: room.to_string(), reason }
        })?;
        Ok(erased)
    }

    async fn retain_step(&mut self) {
        let Some(mut work) = self.retaining.take() else { return };
        match write::retain(&mut self.connection, &work.room, work.keep).await {
            Ok(0) => {
                // What is gone from the tables goes from the file too; a reader may put that off.
                let _ = write::fold(&mut self.connection).await;
                let _ = work.reply.send(Ok(work.removed));
            }
            Ok(removed) => {
                work.removed += removed;
                self.retaining = Some(work);
            }
            Err(error) => {
                self.begin_anew().await;
                let _ = work.reply.send(Err(in_words(&work.room, &error)));
            }
        }
    }

    async fn finish_retaining(&mut self) {
        while self.retaining.is_some() {
            self.retain_step().await;
        }
    }

    async fn close(mut self) {
        self.finish_retaining().await;
        let _ = write::fold(&mut self.connection).await;
        let _ = self.connection.close().await;
    }
}

/// Takes what waits and can be committed together; returns the first order that cannot.
fn gather(group: &mut Vec<Order>, orders: &mut mpsc::Receiver<Order>) -> Option<Order> {
    let mut entries: usize = group.iter().map(weight).sum();
    while entries < GROUP_MAX {
        match orders.try_recv() {
            Ok(order @ (Order::Append { .. } | Order::Checkpoint { .. })) => {
                entries += weight(&order);
                group.push(order);
            }
            Ok(other) => return Some(other),
            Err(_) => break,
        }
    }
    None
}

fn weight(order: &Order) -> usize {
    match order {
        Order::Append { entries, .. } => entries.len(),
        _ => 1,
    }
}

fn room_of(order: &Order) -> &RoomId {
    match order {
        Order::Append { room, .. }
        | Order::Checkpoint { room, .. }
        | Order::Erase { room, .. }
        | Order::Retain { room, .. } => room,
        Order::Close(_) => unreachable!("closing is not written"),
    }
}

/// A caller that went away gets no answer; what it ordered stands.
fn answer(order: Order, result: Result<u64, LogError>) {
    match order {
        Order::Append { reply, .. } | Order::Erase { reply, .. } | Order::Retain { reply, .. } => {
            let _ = reply.send(result);
        }
        Order::Checkpoint { reply, .. } => {
            let _ = reply.send(result.map(|_| ()));
        }
        Order::Close(_) => {}
    }
}
