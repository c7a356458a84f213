//! What members say, judged by the operator's own service before it reaches the room's writer: in the order it came, many
//! questions at once, and nobody else waits for it.

use crate::{room::Work, writer::Answer};
use serde_json::Value;
use std::{collections::VecDeque, sync::Arc};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use unisono_base::RoomId;
use unisono_store::BoxFuture;
use unisono_timeline::{Ack, Command, Sender, Status};

/// Questions of one room under way.
const AT_ONCE: usize = 64;
/// Messages of one room that wait to be judged; beyond it senders are told to try again.
pub(crate) const WAITING_MAX: usize = 1_024;

/// What becomes of a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It is said as it is.
    Allow,
    /// It is said with this data.
    Mask(Value),
    /// It is not said; why, in words.
    Refuse(String),
}

/// Somebody who judges what members say. An answer must come within a bounded time, whatever happens.
pub trait Judge: Send + Sync + 'static {
    /// About `data` of type `ty`, said by `person` in `room`.
    fn judge<'a>(
        &'a self,
        room: &'a RoomId,
        person: &'a str,
        ty: &'a str,
        data: &'a Value,
    ) -> BoxFuture<'a, Verdict>;
}

/// A message on its way to the writer.
pub(crate) struct Message {
    pub(crate) judge: Arc<dyn Judge>,
    pub(crate) command: Command,
    pub(crate) sender: Box<Sender>,
    pub(crate) is_again: bool,
    pub(crate) reply: oneshot::Sender<Answer>,
}

/// Judges what comes until nobody can send any more.
pub(crate) async fn run(room: RoomId, mut messages: mpsc::Receiver<Message>, work: mpsc::Sender<Work>) {
    let mut under_way: VecDeque<JoinHandle<(Message, Verdict)>> = VecDeque::new();
    loop {
        tokio::select! {
            judged = first(&mut under_way), if !under_way.is_empty() => {
                under_way.pop_front();
                // A judge that failed takes its message with it: the sender is told that the room is closing.
                if let Ok((message, verdict)) = judged {
                    pass_on(message, verdict, &work).await;
                }
            }
            message = messages.recv(), if under_way.len() < AT_ONCE => match message {
                Some(message) => under_way.push_back(tokio::spawn(ask(room.clone(), message))),
                None if under_way.is_empty() => return,
                // The channel says so at once from here on; what is under way comes first.
                None => while let Some(judged) = under_way.pop_front() {
                    if let Ok((message, verdict)) = judged.await {
                        pass_on(message, verdict, &work).await;
                    }
                },
            },
        }
    }
}

async fn first<T>(under_way: &mut VecDeque<JoinHandle<T>>) -> Result<T, tokio::task::JoinError> {
    match under_way.front_mut() {
        Some(oldest) => oldest.await,
        None => std::future::pending().await,
    }
}

async fn ask(room: RoomId, message: Message) -> (Message, Verdict) {
    let Message { judge, command, sender, .. } = &message;
    let verdict = judge.judge(&room, &sender.person.id, &command.ty, &command.data).await;
    (message, verdict)
}

async fn pass_on(message: Message, verdict: Verdict, work: &mpsc::Sender<Work>) {
    let Message { mut command, sender, is_again, reply, .. } = message;
    match verdict {
        Verdict::Allow => {}
        Verdict::Mask(data) => command.data = data,
        Verdict::Refuse(words) => {
            let ack = Ack { status: Status::Forbidden, words: Some(words), ..Ack::accepted(command.cmd_id) };
            return drop(reply.send(Ok((ack, None))));
        }
    }
    // Without a writer the reply is dropped, which says that the room is closing.
    let _ = work.send(Work::Command { command, sender, is_again, reply }).await;
}
