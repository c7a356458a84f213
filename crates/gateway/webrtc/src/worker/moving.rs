//! A session goes to another worker: what it holds moves, its peer notices nothing.
//!
//! Datagrams follow by the directory as those that the kernel gives to the wrong worker always do, so the peer's address and
//! ours stay. What arrives for it meanwhile is taken after it at its new worker, or sent on there by the old one.

use super::Worker;
use crate::{
    SessionId,
    bell::Target,
    command::Command,
    directory::Entry,
    mailbox::Mailbox,
    session::{Role, Session},
};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

/// One more than this worker has, for so many that it has, is not yet more than its share.
const SLACK_PART: usize = 16;
/// Requests that are answered before a session of which a packet has come, at most: they came before it.
const ADOPTED_AHEAD: usize = 16;
/// Between two moves of a session on its own account: a peer that sends by two paths at once would go to and fro.
const FOLLOWS_EVERY: Duration = Duration::from_secs(10);

impl Worker {
    /// Moves a viewer as an operator wished. From then on it stays there.
    pub(super) fn move_as_wished(&mut self, id: SessionId, to: usize) {
        if let Some(session) = self.sessions.get_mut(id)
            && session.is_viewer()
        {
            session.link.follows_at = None;
            self.give_away(id, to);
        }
    }

    /// A session whose datagrams worker `by` receives goes there, so that they need not be handed over, each with a wake-up of
    /// its own. The kernel spreads peers over the sockets evenly, but not exactly: a worker that has more than its share of viewers
    /// takes no more. A publisher sends far more than it is sent, and always follows.
    pub(super) fn follow(&mut self, id: SessionId, by: usize, now: Instant) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        if session.link.follows_at.is_none_or(|at| now < at) {
            return;
        }
        session.link.follows_at = Some(now + FOLLOWS_EVERY);
        let is_viewer = session.is_viewer();
        let load = |worker: usize| self.shared.mailboxes.get(worker).map(Mailbox::sessions);
        let (Some(here), Some(there)) = (load(self.index), load(by)) else { return };
        // Behind others' offers it would wait, and its viewer with it.
        let is_free = self.shared.mailboxes[by].has_no_commands();
        if is_free && (!is_viewer || there <= here + here / SLACK_PART) {
            self.give_away(id, by);
        }
    }

    /// Gives a session to another worker. It stays where that one has no room in its mailbox: who wished it may wish again.
    fn give_away(&mut self, id: SessionId, to: usize) {
        if to == self.index {
            return;
        }
        let shared = self.shared.clone();
        let Some(mailbox) = shared.mailboxes.get(to) else { return };
        let Ok(place) = mailbox.reserve() else {
            tracing::warn!(session = ?id, worker = to, "the worker is too busy to take a session");
            return;
        };
        // What was written for its peer leaves first, so that nothing is overtaken.
        self.out.batch.flush(&self.out.socket);
        let Some(mut session) = self.sessions.remove(id) else { return };
        self.deadlines.clear(id, &mut session.link.deadline);
        for (peer, _) in &session.link.peers {
            self.forget_peer(*peer, id);
        }
        self.ufrags.remove(&session.link.ufrag);
        if let Role::Viewer(viewer) = &session.role {
            self.audiences.leave(&self.shared, viewer.stream(), id);
        }
        // At once: the next one that is about to follow must see it there.
        session.link.seat.sit_with(&mailbox.load);
        // Before it can be moved on from there, which the directory must say last.
        self.list(&session, to);
        place.send(Command::Adopt(Box::new(session)));
    }

    /// Takes a session that another worker gave away.
    pub(super) fn adopt(&mut self, session: Session) {
        let id = session.link.id;
        let mailbox = &self.shared.mailboxes[self.index];
        if let Role::Viewer(viewer) = &session.role {
            let (stream, place) = (viewer.stream().clone(), self.sessions.next_place());
            if !self.audiences.join(&self.shared, &mailbox.bells, &stream, (id, place)) {
                // The stream has no doorbell left for this worker: the session would never hear of a frame.
                self.sessions.insert(session);
                return self.end_session(id, "the stream has too many readers on this server");
            }
            session.link.ticket.session().set_worker(self.index, self.shared.mailboxes.len());
        }
        self.list(&session, self.index);
        for (peer, _) in &session.link.peers {
            if self.is_of(*peer, id) {
                self.peers.insert(*peer, (id, self.sessions.next_place()));
            }
        }
        self.ufrags.insert(session.link.ufrag.clone(), id);
        self.sessions.insert(session);
        tracing::debug!(session = ?id, worker = self.index, "session moved");
        // Somebody may have rung while it was on its way, when no worker had it.
        self.called(id);
    }

    /// Says in the directory that a session is at `worker`.
    fn list(&self, session: &Session, worker: usize) {
        let link = &session.link;
        for (peer, _) in link.peers.iter().filter(|(peer, _)| self.is_of(*peer, link.id)) {
            self.shared.directory.bind_peer(*peer, worker, link.id);
        }
        let entry = Entry { worker, direction: link.direction, stream: session.stream().clone() };
        self.shared.directory.enter(link.id, entry, &link.ufrag);
    }

    /// Datagrams of `peer` are not another session's by now.
    fn is_of(&self, peer: SocketAddr, id: SessionId) -> bool {
        self.shared.directory.by_peer(peer).is_none_or(|(_, owner)| owner == id)
    }

    /// Takes up a session that lies in the mailbox: a packet has come for it.
    pub(super) fn adopt_waiting(&mut self, id: SessionId) {
        for _ in 0..ADOPTED_AHEAD {
            if self.sessions.contains(id) {
                return;
            }
            let Ok(command) = self.inbox.commands.try_recv() else { return };
            self.command(command);
        }
    }

    /// Rings for a session that has gone to another worker, which its bell does not know of.
    pub(super) fn pass_on(&self, id: SessionId) {
        if let Some(entry) = self.shared.directory.session(id).filter(|entry| entry.worker != self.index) {
            self.shared.mailboxes[entry.worker].bells.ring(Target::Session(id));
        }
    }
}
