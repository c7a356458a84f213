//! What somebody needs who comes late: nothing that is hidden, nothing that is over.

use super::State;
use crate::Event;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use unisono_base::MediaTime;
use uuid::Uuid;

/// See the module. Bounded as the room is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Everything up to this event is in it.
    pub seq: u64,
    /// Open windows, those that wait for their result included.
    pub windows: Vec<WindowView>,
    /// Results of the windows decided last, oldest first.
    pub results: Vec<Arc<Event>>,
    /// The last value per key of the types of class `latest`.
    pub latest: Vec<Arc<Event>>,
    /// Open offers.
    pub offers: Vec<OfferView>,
    /// What each queue shows.
    pub queues: Vec<QueueView>,
    /// Ids of the events taken back last, oldest first.
    pub cancelled: Vec<Uuid>,
}

/// One open window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowView {
    /// The event that opened it, with its terms.
    pub event: Arc<Event>,
    /// T_c by now.
    pub closes: MediaTime,
    /// T_r by now.
    pub reveal: MediaTime,
    /// Extensions so far.
    pub extensions: u32,
    /// How it stands, as far as that is anybody's business.
    pub standing: Standing,
}

/// One window that was decided: for whoever looks at it afterwards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecidedView {
    /// The event that opened it, with its terms.
    pub event: Arc<Event>,
    /// T_c as it was in the end.
    pub closes: MediaTime,
    /// T_r as it was in the end.
    pub reveal: MediaTime,
    /// Extensions.
    pub extensions: u32,
    /// The event that told the result.
    pub result: Arc<Event>,
}

/// How a window stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Entries that count so far.
    pub entries: u64,
    /// By choice, where entries are open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Vec<u64>>,
    /// The highest amount, where entries are open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<i64>,
}

/// One offer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OfferView {
    /// The event that opened it.
    pub event: Arc<Event>,
    /// Units to be had.
    pub left: u32,
    /// Units paid.
    pub confirmed: u32,
    /// Nothing more is given out.
    pub is_withdrawn: bool,
}

/// One queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueueView {
    /// Its type.
    #[serde(rename = "type")]
    pub ty: String,
    /// What is shown, or was shown last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub showing: Option<Arc<Event>>,
    /// How many wait.
    pub waiting: usize,
}

impl State {
    pub(super) fn snapshot(&self) -> Snapshot {
        let windows = self.windows.iter().filter_map(|window| {
            Some(WindowView {
                event: window.opened.clone()?,
                closes: window.closes,
                reveal: window.reveal,
                extensions: window.extensions,
                standing: window.standing(),
            })
        });
        let offers = self.offers.iter().filter_map(|stock| {
            Some(OfferView {
                event: stock.opened.clone()?,
                left: stock.left,
                confirmed: stock.confirmed,
                is_withdrawn: stock.is_withdrawn,
            })
        });
        let queues = self.queues.iter().map(|(ty, queue)| QueueView {
            ty: ty.clone(),
            showing: queue.showing.as_ref().map(|(_, event)| event.clone()),
            waiting: queue.waiting(),
        });
        Snapshot {
            seq: self.last_seq,
            windows: windows.collect(),
            results: self.windows.results().cloned().collect(),
            latest: self.latest.values().cloned().collect(),
            offers: offers.collect(),
            queues: queues.collect(),
            cancelled: self.events.cancelled().collect(),
        }
    }
}
