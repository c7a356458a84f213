//! The sessions of a worker.
//!
//! Whoever serves a thousand of them with every frame knows their places: asking for the memory of the next ones then needs no
//! search, which itself would wait for memory.

use crate::{SessionId, session::Session};
use std::collections::HashMap;

/// Where a session lies while it belongs to the worker. Another one may get the place after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(u32);

/// See the module.
#[derive(Default)]
pub(super) struct Sessions {
    places: Vec<Option<Session>>,
    free: Vec<Place>,
    by_id: HashMap<SessionId, Place>,
}

impl Sessions {
    pub(super) fn contains(&self, id: SessionId) -> bool {
        self.by_id.contains_key(&id)
    }

    pub(super) fn get(&self, id: SessionId) -> Option<&Session> {
        self.places.get(self.by_id.get(&id)?.index())?.as_ref()
    }

    pub(super) fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.places.get_mut(self.by_id.get(&id)?.index())?.as_mut()
    }

    /// The session there, whoever it is by now.
    pub(super) fn at(&self, place: Place) -> Option<&Session> {
        self.places.get(place.index())?.as_ref()
    }

    /// Asks for the memory of the session there.
    pub(super) fn prefetch(&self, place: Place) {
        if let Some(session) = self.places.get(place.index()) {
            unisono_net::prefetch(session);
        }
    }

    /// The session there if it is still this one.
    pub(super) fn still(&mut self, id: SessionId, place: Place) -> Option<&mut Session> {
        self.places.get_mut(place.index())?.as_mut().filter(|session| session.link.id == id)
    }

    /// Where a session lies.
    pub(super) fn place(&self, id: SessionId) -> Option<Place> {
        self.by_id.get(&id).copied()
    }

    /// Where the next session will lie.
    pub(super) fn next_place(&self) -> Place {
        self.free.last().copied().unwrap_or(Place(self.places.len() as u32))
    }

    pub(super) fn insert(&mut self, session: Session) {
        let (id, place) = (session.link.id, self.next_place());
        match self.free.pop() {
            Some(place) => self.places[place.index()] = Some(session),
            None => self.places.push(Some(session)),
        }
        self.by_id.insert(id, place);
    }

    pub(super) fn remove(&mut self, id: SessionId) -> Option<Session> {
        let place = self.by_id.remove(&id)?;
        self.free.push(place);
        self.places.get_mut(place.index())?.take()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = SessionId> {
        self.by_id.keys().copied()
    }
}

impl Place {
    fn index(self) -> usize {
        self.0 as usize
    }
}
