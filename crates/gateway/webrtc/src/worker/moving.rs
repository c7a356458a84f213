//! A viewer's session goes to another worker: what it holds moves, its peer notices nothing.
//!
//! Datagrams follow by the directory as those that the kernel gives to the wrong worker always do, so the peer's address and
//! ours stay. What arrives between the two workers is lost as on any network.

use super::Worker;
use crate::{
    SessionId,
    bell::Target,
    command::Command,
    directory::Entry,
    mailbox::Mailbox,
    session::{Role, Session},
};
use std::time::{Duration, Instant};

/// One more than this worker has, for so many that it has, is not yet more than its share.
const SLACK_PART: usize = 16;
/// Between two moves of a session on its own account: a peer that sends by two paths at once would go to and fro.
const FOLLOWS_EVERY: Duration = Duration::from_secs(10);

impl Worker {
    /// Moves a session as an operator wished. From then on it stays there.
    pub(super) fn move_as_wished(&mut self, id: SessionId, to: usize) {
        if let Some(session) = self.sessions.get_mut(id) {
            session.link.follows_at = None;
            self.give_away(id, to);
        }
    }

    /// A session whose datagrams worker `by` receives goes there, so that they need not be handed over, each with a wake-up of
    /// its own. The kernel spreads peers over the sockets evenly, but not exactly: a worker that has more than its share takes
    /// no more.
    pub(super) fn follow(&mut self, id: SessionId, by: usize, now: Instant) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        if session.link.follows_at.is_none_or(|at| now < at) {
            return;
        }
        session.link.follows_at = Some(now + FOLLOWS_EVERY);
        let load = |worker: usize| self.shared.mailboxes.get(worker).map(Mailbox::sessions);
        let (Some(here), Some(there)) = (load(self.index), load(by)) else { return };
        // Behind others' offers it would wait, and its viewer with it.
        let is_free = self.shared.mailboxes[by].has_no_commands();
        if is_free && there <= here + here / SLACK_PART {
            self.give_away(id, by);
        }
    }

    /// Gives a viewer to another worker. It stays where that one has no room in its mailbox: who wished it may wish again.
    fn give_away(&mut self, id: SessionId, to: usize) {
        let is_viewer = self.sessions.get(id).is_some_and(|session| matches!(session.role, Role::Viewer(_)));
        if to == self.index || !is_viewer {
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
        place.send(Command::Adopt(Box::new(session)));
    }

    /// Takes a session that another worker gave away.
    pub(super) fn adopt(&mut self, session: Session) {
        let id = session.link.id;
        let Role::Viewer(viewer) = &session.role else { return };
        let stream = viewer.stream().clone();
        let bells = &self.shared.mailboxes[self.index].bells;
        if !self.audiences.join(&self.shared, bells, &stream, (id, self.sessions.next_place())) {
            // The stream has no doorbell left for this worker: the session would never hear of a frame.
            self.sessions.insert(session);
            return self.end_session(id, "the stream has too many readers on this server");
        }
        for (peer, _) in &session.link.peers {
            self.peers.insert(*peer, (id, self.sessions.next_place()));
            self.shared.directory.bind_peer(*peer, self.index, id);
        }
        let (ufrag, direction) = (session.link.ufrag.clone(), session.link.direction);
        let entry = Entry { worker: self.index, direction, stream: stream.id().clone() };
        self.shared.directory.enter(id, entry, &ufrag);
        session.link.ticket.session().set_worker(self.index, self.shared.mailboxes.len());
        self.ufrags.insert(ufrag, id);
        self.sessions.insert(session);
        tracing::debug!(session = ?id, worker = self.index, "session moved");
        // Somebody may have rung while it was on its way, when no worker had it.
        self.called(id);
    }

    /// Rings for a session that has gone to another worker, which its bell does not know of.
    pub(super) fn pass_on(&self, id: SessionId) {
        if let Some(entry) = self.shared.directory.session(id).filter(|entry| entry.worker != self.index) {
            self.shared.mailboxes[entry.worker].bells.ring(Target::Session(id));
        }
    }
}
