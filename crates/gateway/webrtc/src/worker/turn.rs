//! One turn of a worker: datagrams, commands, bells, deadlines, and what they send.

use super::{Place, Worker, reading::Haste};
use crate::{
    SessionId,
    audience::AudienceKey,
    bell::Target,
    command::{Command, IfMatch, Opened, Patch, Patched, Publish, Refusal, Watch},
    demux::{Datagram, classify},
    directory::Entry,
    mailbox::{Arrived, Forwarded},
    metrics::Direction,
    publisher::Publisher,
    session::{Link, PREFETCH_STAGES, Role, Session, Settled},
    viewer::Viewer,
};
use bytes::Bytes;
use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};
use unisono_base::StreamId;
use unisono_net::{RecvBuffers, source_of};
use unisono_proto_webrtc::{PatchOutcome, Path, Session as _, engine::Moment};

/// Reads of the socket per turn, up to 32 messages each; what is left is the next turn's.
const READS_PER_TURN: usize = 4;

/// Packets of TCP connections per turn: their senders wait, while a datagram does not.
const ARRIVED_PER_TURN: usize = 256;

/// Datagrams that other workers hand over, per turn. The queue fills while it is emptied: without an end a flood of strangers
/// at another worker's socket would keep this one's viewers waiting.
const FORWARDED_PER_TURN: usize = 256;

/// Offers and their like per turn. Answering one takes up to a millisecond, and who crowds in at the door sends the next one
/// while this is answered; those who watch already must not wait for all of them.
const COMMANDS_PER_TURN: usize = 2;

/// How long a turn may take in what comes from each of the socket, the other workers and TCP before it serves those who
/// watch. A handshake's packet costs up to a millisecond, and 300 viewers that join in one second bring a thousand of them.
const INTAKE: Duration = Duration::from_millis(2);

/// Viewers whose memory is asked for together: those whose trains wait for each other. Asked for much further ahead, it has left
/// the nearest cache again when their turn comes (measured: a sixth dearer).
const PREFETCHED: usize = 8;
/// No session is called again by its deadline sooner than this.
const SOONEST: Duration = Duration::from_millis(1);

impl Worker {
    /// Takes what is there, as much as leaves the viewers in time: what remains is the next turn's, which follows at once.
    pub(super) fn turn(&mut self, buffers: &mut RecvBuffers) {
        self.read(buffers);
        let mut begun = Instant::now();
        for _ in 0..FORWARDED_PER_TURN {
            if begun.elapsed() >= INTAKE {
                break;
            }
            let Ok(forwarded) = self.inbox.datagrams.try_recv() else { break };
            self.take_over(&forwarded);
        }
        begun = Instant::now();
        for _ in 0..ARRIVED_PER_TURN {
            if begun.elapsed() >= INTAKE {
                break;
            }
            let Ok(arrived) = self.inbox.arrived.try_recv() else { break };
            self.take_in(arrived);
        }
        for _ in 0..COMMANDS_PER_TURN {
            let Ok(command) = self.inbox.commands.try_recv() else { break };
            self.command(command);
        }
        self.answer_bells();
        self.meet_deadlines();
        self.out.batch.flush(&self.out.socket);
        self.audiences.measure(&self.shared);
        self.count_sent();
    }

    /// Reads the socket, as much as leaves the viewers in time.
    fn read(&mut self, buffers: &mut RecvBuffers) {
        let begun = Instant::now();
        self.reading.begin(begun);
        for _ in 0..READS_PER_TURN {
            match self.out.socket.recv(buffers) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // It concerns one peer (ICMP unreachable), and is no longer in the way.
                Err(_) => continue,
            }
            let now = Instant::now();
            let mut ahead = buffers.datagrams();
            for (turn, datagram) in buffers.datagrams().enumerate() {
                if turn.is_multiple_of(PREFETCHED) {
                    self.expect(ahead.by_ref().take(PREFETCHED).map(|datagram| datagram.from));
                }
                let haste = self.datagram(now, datagram.from, datagram.to, datagram.bytes, Hop::First);
                self.reading.note(now, haste);
            }
            if !buffers.is_full() {
                return;
            }
            if begun.elapsed() >= INTAKE {
                break;
            }
        }
        self.reading.rest();
    }

    pub(super) fn take_over(&mut self, forwarded: &Forwarded) {
        let Forwarded { from, to, bytes, by } = forwarded;
        self.datagram(Instant::now(), *from, *to, bytes, Hop::Second { by: *by });
    }

    /// A packet that came by TCP. Only a binding request with the session's password lets its connection in.
    pub(super) fn take_in(&mut self, Arrived { session: id, link, bytes }: Arrived) {
        let is_mine = |entry: Entry| entry.worker == self.index;
        if !self.sessions.contains(id) && self.shared.directory.session(id).is_some_and(is_mine) {
            self.adopt_waiting(id);
        }
        let Some(session) = self.sessions.get_mut(id) else {
            return match self.shared.directory.session(id) {
                // It has just left: lost on the way, as a datagram would be.
                Some(entry) if entry.worker == self.index => {}
                // TCP cannot lose one packet: where the other worker has no room, the connection is over.
                Some(entry) => {
                    let arrived = Arrived { session: id, link: link.clone(), bytes };
                    if self.shared.mailboxes[entry.worker].pass_on(arrived).is_err() {
                        link.close();
                    }
                }
                None => link.close(),
            };
        };
        let is_binding = matches!(classify(&bytes), Datagram::Binding { .. });
        if !is_binding && !link.is_proven() {
            self.counters.unknown_peer.inc();
            return;
        }
        let now = Instant::now();
        if !session.handle_packet(now, link.path, &bytes) {
            self.counters.invalid.inc();
            return;
        }
        if is_binding && !link.is_proven() {
            session.link.take_tcp(link);
        }
        self.settle(id, now);
    }

    /// Finds the session of a datagram: here, at another worker, or nowhere.
    fn datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        to: Option<IpAddr>,
        bytes: &[u8],
        hop: Hop,
    ) -> Haste {
        if hop == Hop::First && !self.peers.contains_key(&from) && !self.is_welcome(now, from) {
            self.counters.too_many_strangers.inc();
            return Haste::Routine;
        }
        let kind = classify(bytes);
        let (mut here, elsewhere) = self.owner(from, kind);
        if let Some((_, id)) = elsewhere.filter(|(worker, _)| *worker == self.index) {
            // It has been given to this worker, and lies in the mailbox, or will in a moment.
            self.adopt_waiting(id);
            here = self.owner(from, kind).0;
        }
        match (here, elsewhere) {
            (Some(id), _) => {
                self.input(id, now, from, to, bytes, kind);
                if let (Hop::Second { by }, Datagram::Media | Datagram::Report) = (hop, kind) {
                    self.follow(id, by, now);
                }
            }
            (None, Some((worker, _))) if worker != self.index || hop == Hop::First => {
                let forwarded = Forwarded { from, to, bytes: Bytes::copy_from_slice(bytes), by: self.index };
                if self.shared.mailboxes[worker].forward(forwarded).is_err() {
                    self.counters.handover_full.inc();
                }
            }
            _ => {
                self.counters.unknown_peer.inc();
            }
        }
        let plays = |id| self.sessions.get(id).is_some_and(Session::plays);
        let is_routine = here.is_some_and(plays) || kind == Datagram::Report && elsewhere.is_some();
        if is_routine { Haste::Routine } else { Haste::Prompt }
    }

    /// Whose a datagram is: a session here, or else what the directory knows of it.
    fn owner(&self, from: SocketAddr, kind: Datagram<'_>) -> (Option<SessionId>, Option<(usize, SessionId)>) {
        let directory = &self.shared.directory;
        match kind {
            Datagram::Binding { ufrag } => {
                let here = self.ufrags.get(ufrag).copied();
                (here, here.is_none().then(|| directory.by_ufrag(ufrag)).flatten())
            }
            Datagram::Stun | Datagram::Media | Datagram::Report => {
                let here = self.peers.get(&from).map(|(id, _)| *id);
                (here, here.is_none().then(|| directory.by_peer(from)).flatten())
            }
            Datagram::Garbage => (None, None),
        }
    }

    /// Of a sender that is not this worker's. Those of other workers always are; of strangers so many per network and second are
    /// looked at: each costs a keyed hash.
    fn is_welcome(&mut self, now: Instant, from: SocketAddr) -> bool {
        self.shared.directory.by_peer(from).is_some()
            || self.shared.config.exempt.contains(from.ip())
            || self.strangers.take(source_of(from.ip()), now).is_ok()
    }

    fn input(
        &mut self,
        id: SessionId,
        now: Instant,
        from: SocketAddr,
        to: Option<IpAddr>,
        bytes: &[u8],
        kind: Datagram<'_>,
    ) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let candidate = self.out.local_of(from, to);
        if !session.handle_packet(now, Path::udp(from, candidate), bytes) {
            self.counters.invalid.inc();
            return;
        }
        match kind {
            Datagram::Binding { .. } if self.peers.get(&from).is_none_or(|(owner, _)| *owner != id) => {
                self.bind_peer(id, from, to);
            }
            Datagram::Report if session.needs_nothing(now) => return,
            _ => {}
        }
        self.settle(id, now);
    }

    /// A binding request with our password came from `from`: its media may, too.
    fn bind_peer(&mut self, id: SessionId, from: SocketAddr, to: Option<IpAddr>) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        if let Some(oldest) = session.link.bind(from, to) {
            self.shared.directory.release_peer(oldest, id);
            self.forget_peer(oldest, id);
        }
        let Some(place) = self.sessions.place(id) else { return };
        self.peers.insert(from, (id, place));
        self.shared.directory.bind_peer(from, self.index, id);
    }

    /// Datagrams of `peer` are no longer the session's, unless they are somebody else's by now.
    pub(super) fn forget_peer(&mut self, peer: SocketAddr, id: SessionId) {
        if self.peers.get(&peer).is_some_and(|(owner, _)| *owner == id) {
            self.peers.remove(&peer);
        }
    }

    /// Asks for the memory of the sessions whose datagrams are looked at next.
    fn expect(&self, peers: impl Iterator<Item = SocketAddr>) {
        let mut places = [None; PREFETCHED];
        for (place, peer) in places.iter_mut().zip(peers) {
            *place = self.peers.get(&peer).map(|(_, place)| *place);
        }
        self.ask_for(places.into_iter().flatten(), |session, stage| session.prefetch_input(stage));
    }

    pub(super) fn command(&mut self, command: Command) {
        let now = Instant::now();
        match command {
            Command::Publish(publish) => self.publish(now, publish),
            Command::Watch(watch) => self.watch(now, watch),
            Command::Patch(patch) => self.patch(now, patch),
            Command::Close { id, reply } => {
                let is_here = self.sessions.contains(id);
                self.end_session(id, "closed by its client");
                let _ = reply.send(is_here);
            }
            Command::Adopt(session) => self.adopt(*session),
        }
    }

    fn publish(&mut self, now: Instant, publish: Publish) {
        let Publish { id, seat, unconnected, stream, ticket, pass, offer, posted, reply } = publish;
        let bell = self.shared.mailboxes[self.index].bells.bell(Target::Session(id));
        let (publisher, answer) = match Publisher::open(now, &self.shared, &stream, pass.id(), &offer, bell) {
            Ok(made) => made,
            Err(refusal) => {
                // Given back before the answer: who reads it may come again at once.
                drop((seat, unconnected));
                return drop(reply.send(Err(refusal)));
            }
        };
        let link = Link::new(
            id,
            Direction::inbound,
            (seat, unconnected),
            ticket,
            pass,
            posted,
            publisher.core().local_ufrag(),
        );
        let opened = Opened { answer, etag: link.etag() };
        self.enter(Session { link, role: Role::Publisher(Box::new(publisher)) }, stream);
        self.settle(id, now);
        // A client that hung up meanwhile never learns its session's URL; the session's own deadline ends it.
        let _ = reply.send(Ok(opened));
    }

    fn watch(&mut self, now: Instant, watch: Watch) {
        let Watch { id, seat, unconnected, stream, ticket, pass, offer, posted, reply } = watch;
        let (viewer, answer) = match Viewer::open(now, &self.shared, &stream, &offer) {
            Ok(made) => made,
            Err(refusal) => {
                // Given back before the answer: who reads it may come again at once.
                drop((seat, unconnected));
                return drop(reply.send(Err(refusal)));
            }
        };
        let bells = &self.shared.mailboxes[self.index].bells;
        if !self.audiences.join(&self.shared, bells, &stream, (id, self.sessions.next_place())) {
            return drop(reply.send(Err(Refusal::Crowded(stream.id().clone()))));
        }
        let link = Link::new(
            id,
            Direction::outbound,
            (seat, unconnected),
            ticket,
            pass,
            posted,
            viewer.core().local_ufrag(),
        );
        let opened = Opened { answer, etag: link.etag() };
        let name = stream.id().clone();
        self.enter(Session { link, role: Role::Viewer(Box::new(viewer)) }, name);
        self.settle(id, now);
        let _ = reply.send(Ok(opened));
    }

    fn enter(&mut self, session: Session, stream: StreamId) {
        let (id, ufrag) = (session.link.id, session.link.ufrag.clone());
        let listed = session.link.ticket.session();
        listed.set_bell(self.shared.mailboxes[self.index].bells.bell(Target::Session(id)));
        if session.link.direction == Direction::outbound {
            listed.set_worker(self.index, self.shared.mailboxes.len());
        }
        let entry = Entry { worker: self.index, direction: session.link.direction, stream };
        self.shared.directory.enter(id, entry, &ufrag);
        self.ufrags.insert(ufrag, id);
        self.sessions.insert(session);
    }

    fn patch(&mut self, now: Instant, patch: Patch) {
        let Patch { id, fragment, if_match, reply } = patch;
        let answer = self.try_patch(id, now, &fragment, if_match);
        self.settle(id, now);
        let _ = reply.send(answer);
    }

    fn try_patch(
        &mut self,
        id: SessionId,
        now: Instant,
        fragment: &str,
        if_match: IfMatch,
    ) -> Result<Patched, Refusal> {
        let session = self.sessions.get_mut(id).ok_or(Refusal::Gone)?;
        if matches!(&if_match, IfMatch::Tag(tag) if *tag != session.link.etag()) {
            return Err(Refusal::Stale);
        }
        match session.patch(now, fragment)? {
            // The answer did not reach the client, which asks again with the credentials that we have taken already.
            PatchOutcome::Trickled if if_match == IfMatch::Any && session.link.restarted.is_some() => {
                let fragment = session.link.restarted.as_deref().unwrap_or_default().to_owned();
                Ok(Patched::Restarted { fragment, etag: session.link.etag() })
            }
            PatchOutcome::Trickled => Ok(Patched::Trickled),
            PatchOutcome::Restarted { fragment } => {
                session.link.restarted = Some(fragment.as_str().into());
                let ufrag = session.local_ufrag();
                let old = std::mem::replace(&mut session.link.ufrag, ufrag.clone());
                let etag = session.link.etag();
                self.shared.directory.rename(id, self.index, &old, &ufrag);
                self.ufrags.remove(&old);
                self.ufrags.insert(ufrag, id);
                Ok(Patched::Restarted { fragment, etag })
            }
        }
    }

    fn answer_bells(&mut self) {
        let mut rung = std::mem::take(&mut self.rung);
        self.shared.mailboxes[self.index].bells.take(&mut rung);
        for target in &rung {
            match *target {
                Target::Session(id) => self.called(id),
                Target::Audience(audience) => self.serve(audience),
            }
        }
        self.rung = rung;
    }

    /// Somebody wants something of a session.
    pub(super) fn called(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(id) else { return self.pass_on(id) };
        if let Some(worker) = session.link.ticket.session().take_wish() {
            self.move_as_wished(id, worker);
        }
        // Where it is still here.
        self.settle(id, Instant::now());
    }

    /// Sends what is new to all viewers of a stream: most of them take the shortest way, the others look for themselves.
    fn serve(&mut self, audience: AudienceKey) {
        let now = Instant::now();
        let moment = Moment { now, clock: self.shared.clock.at(now) };
        let mut round = std::mem::take(&mut self.round);
        self.audiences.begin(audience, &mut round, moment.clock);
        for turn in 0..round.viewers.len() {
            if turn.is_multiple_of(PREFETCHED) {
                self.prefetch(&round.viewers[turn..]);
            }
            let (id, place) = round.viewers[turn];
            let Some(session) = self.sessions.still(id, place) else { continue };
            if !round.has_events && session.serve(moment, &self.shared, &round.tails, &mut self.out) {
                continue;
            }
            self.settle(id, now);
            if let Some(Session { role: Role::Viewer(viewer), .. }) = self.sessions.get(id) {
                viewer.places().for_each(|(ring, cursor)| round.follow(ring, cursor));
            }
        }
        self.audiences.end(audience, &mut round);
        self.round = round;
    }

    /// Asks for the memory of the next viewers: with a thousand of them it has left the cache since the last frame.
    fn prefetch(&self, viewers: &[(SessionId, Place)]) {
        let places = viewers.iter().take(PREFETCHED).map(|(_, place)| *place);
        self.ask_for(places, |session, stage| session.prefetch(stage));
    }

    fn ask_for(&self, places: impl Iterator<Item = Place> + Clone, ask: impl Fn(&Session, usize)) {
        places.clone().for_each(|place| self.sessions.prefetch(place));
        for stage in 0..PREFETCH_STAGES {
            places
                .clone()
                .filter_map(|place| self.sessions.at(place))
                .for_each(|session| ask(session, stage));
        }
    }

    fn meet_deadlines(&mut self) {
        let now = Instant::now();
        while let Some(id) = self.deadlines.pop(now) {
            if let Some(session) = self.sessions.get_mut(id) {
                session.link.deadline = None;
                session.handle_timeout(now);
            }
            self.settle(id, now);
        }
    }

    /// Lets a session do all it can now, sends its packets, and notes when it wants to be called next.
    pub(super) fn settle(&mut self, id: SessionId, now: Instant) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        match session.settle(now, &mut self.out, &self.shared) {
            // One that always wants to be called at once must not hold up the others.
            Settled::Until(due) => {
                self.deadlines.set(id, &mut session.link.deadline, due.no_sooner(now + SOONEST));
            }
            Settled::Over(reason) => self.drop_session(id, reason),
        }
    }

    /// Says goodbye to a session's peer and forgets it.
    pub(super) fn end_session(&mut self, id: SessionId, reason: &'static str) {
        let now = Instant::now();
        if let Some(session) = self.sessions.get_mut(id) {
            session.close(now, reason);
            self.settle(id, now);
            self.drop_session(id, reason);
        }
    }

    /// Forgets a session everywhere. Its drop gives the seat back and ends its publication or lease.
    fn drop_session(&mut self, id: SessionId, reason: &str) {
        let Some(mut session) = self.sessions.remove(id) else { return };
        self.deadlines.clear(id, &mut session.link.deadline);
        let link = &session.link;
        tracing::info!(session = ?id, direction = ?link.direction, reason, "WebRTC session over");
        for (peer, _) in &link.peers {
            self.shared.directory.release_peer(*peer, id);
            self.forget_peer(*peer, id);
        }
        link.close_tcp();
        self.shared.directory.leave(id, &link.ufrag);
        self.ufrags.remove(&link.ufrag);
        if let Role::Viewer(viewer) = &session.role {
            self.audiences.leave(&self.shared, viewer.stream(), id);
        }
    }

    fn count_sent(&mut self) {
        let outbound = &self.shared.metrics.outbound;
        let (now, then) = (self.out.batch.stats(), self.counters.sent);
        if now != then {
            outbound.bytes.inc_by(now.bytes - then.bytes);
            outbound.packets.inc_by(now.datagrams - then.datagrams);
            self.counters.packets.inc_by(now.datagrams - then.datagrams);
            self.counters.send_buffer_full.inc_by(now.dropped - then.dropped);
            self.counters.send_refused.inc_by(now.refused - then.refused);
            self.counters.sent = now;
        }
        let (now, then) = (self.out.sent_by_tcp, self.counters.sent_by_tcp);
        if now != then {
            outbound.bytes.inc_by(now.bytes - then.bytes);
            outbound.packets.inc_by(now.datagrams - then.datagrams);
            self.counters.tcp_too_slow.inc_by(now.dropped - then.dropped);
            self.counters.sent_by_tcp = now;
        }
    }
}

/// Whether a datagram came from the socket or from another worker.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hop {
    First,
    Second { by: usize },
}
