//! What publishers and viewers have in common on a worker.

use crate::{
    SessionId,
    command::Refusal,
    directory::{PEERS_MAX, Seat},
    gateway::Shared,
    metrics::Direction,
    publisher::Publisher,
    reach::REACHED_WITHIN,
    tail::Tail,
    tcp::link::TcpLink,
    viewer::Viewer,
    way::{Out, Way},
    worker::Due,
};
use std::{
    cell::Cell,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};
use unisono_auth::Pass;
use unisono_base::StreamId;
use unisono_hub::Ticket;
use unisono_net::Place;
use unisono_proto_webrtc::{PatchOutcome, Path, Session as _, engine::Moment};

/// How often a session's key or token is asked whether it still holds.
const RECHECK_EVERY: Duration = Duration::from_secs(1);

/// What serving a viewer touches behind its session is found in so many steps, each in what the one before asked for.
pub(crate) const PREFETCH_STAGES: usize = 4;

/// A session that has just begun is left where it is: a handshake is not disturbed.
const FOLLOWS_AFTER: Duration = Duration::from_secs(2);

/// Said to the peer and in the log.
const ACCESS_ENDED: &str = "the key or token was revoked or has expired";
const STOPPED: &str = "closed by the server's operator";

/// One session of a worker.
pub(crate) struct Session {
    pub(crate) link: Link,
    pub(crate) role: Role,
}

/// Who it is.
pub(crate) enum Role {
    Publisher(Box<Publisher>),
    Viewer(Box<Viewer>),
}

/// What the worker knows of a session, whoever it is.
pub(crate) struct Link {
    pub(crate) id: SessionId,
    pub(crate) direction: Direction,
    /// Our ICE user fragment now.
    pub(crate) ufrag: String,
    /// What the last ICE restart was answered, in case that does not arrive.
    pub(crate) restarted: Option<Box<str>>,
    /// Addresses that sent a valid binding request, and our own that they sent it to; oldest first.
    pub(crate) peers: Vec<(SocketAddr, Option<IpAddr>)>,
    /// Where the last packet went, and from which of our addresses.
    pub(crate) last_way: Cell<Option<(SocketAddr, Option<IpAddr>)>>,
    /// Connections that a valid binding request came over; oldest first, bounded like `peers`.
    pub(crate) tcp: Vec<Arc<TcpLink>>,
    /// Where it stands in the worker's deadlines.
    pub(crate) deadline: Option<Due>,
    /// From when on it may go to the worker that its peer's datagrams arrive at; `None` once an operator said where it is to be.
    pub(crate) follows_at: Option<Instant>,
    /// What let it in, and when that is asked for again.
    pass: Pass,
    recheck: Instant,
    /// When its POST arrived.
    posted: Instant,
    /// Until when its peer's first packet is awaited; `None` once that has been judged.
    reached_by: Option<Instant>,
    is_connected: bool,
    /// Its place among the node's sessions.
    pub(crate) ticket: Ticket,
    /// Its place among those without a valid check, until one comes.
    unconnected: Option<Place>,
    pub(crate) seat: Seat,
}

/// What [`Session::settle`] found.
pub(crate) enum Settled {
    /// Call again then, if nothing comes before.
    Until(Due),
    /// It is over; drop it.
    Over(&'static str),
}

impl Link {
    pub(crate) fn new(
        id: SessionId,
        direction: Direction,
        (seat, unconnected): (Seat, Place),
        ticket: Ticket,
        pass: Pass,
        posted: Instant,
        ufrag: &str,
    ) -> Self {
        Self {
            id,
            direction,
            ufrag: ufrag.to_owned(),
            restarted: None,
            peers: Vec::new(),
            last_way: Cell::new(None),
            tcp: Vec::new(),
            deadline: None,
            follows_at: Some(posted + FOLLOWS_AFTER),
            pass,
            recheck: posted + RECHECK_EVERY,
            posted,
            reached_by: Some(posted + REACHED_WITHIN),
            is_connected: false,
            ticket,
            unconnected: Some(unconnected),
            seat,
        }
    }

    /// A connection of this session's peer. Beyond [`PEERS_MAX`] the oldest is closed.
    pub(crate) fn take_tcp(&mut self, link: Arc<TcpLink>) {
        link.prove();
        self.unconnected = None;
        self.tcp.retain(|link| !link.is_closed());
        if self.tcp.len() >= PEERS_MAX {
            self.tcp.remove(0).close();
        }
        self.tcp.push(link);
    }

    /// What waits in the connections is still sent.
    pub(crate) fn close_tcp(&self) {
        self.tcp.iter().for_each(|link| link.close());
    }

    /// Says once when the peer's first packet stays away.
    fn judge_reach(&mut self, now: Instant, is_reached: bool, shared: &Shared) {
        let Some(by) = self.reached_by else { return };
        if is_reached || now >= by {
            self.reached_by = None;
            if !is_reached {
                shared.reach.missed(now, self.id);
            }
        }
    }

    /// The ICE session's entity tag (RFC 9725 §4.3.1): our user fragment, which a restart changes.
    pub(crate) fn etag(&self) -> String {
        format!("\"{}\"", self.ufrag)
    }

    /// A valid check came from an address; its media may, too. Returns the address that had to make room.
    pub(crate) fn bind(&mut self, from: SocketAddr, to: Option<IpAddr>) -> Option<SocketAddr> {
        self.unconnected = None;
        self.last_way.set(None);
        let oldest = (self.peers.len() >= PEERS_MAX).then(|| self.peers.remove(0).0);
        self.peers.push((from, to));
        oldest
    }

    /// ICE and DTLS are done. Once.
    pub(crate) fn connected(&mut self, now: Instant, shared: &Shared) {
        if !self.is_connected {
            self.is_connected = true;
            let took = now.saturating_duration_since(self.posted);
            shared.metrics.connect_time.observe(took.as_secs_f64());
            tracing::info!(session = ?self.id, direction = ?self.direction, ?took, "WebRTC session connected");
        }
    }

    /// Why it may not go on: somebody sent it away, or what let it in holds no more.
    fn ended(&mut self, now: Instant, shared: &Shared) -> Option<&'static str> {
        if let Some(words) = self.ticket.session().stop_words() {
            tracing::info!(session = ?self.id, words, "WebRTC session sent away");
            return Some(STOPPED);
        }
        (!self.holds(now, shared)).then_some(ACCESS_ENDED)
    }

    /// False from the moment its key or token was taken back or has expired. Looked up once a second.
    fn holds(&mut self, now: Instant, shared: &Shared) -> bool {
        if now < self.recheck {
            return true;
        }
        self.recheck = now + RECHECK_EVERY;
        shared.access.recheck(&self.pass, shared.clock.at(now).unix_seconds()).is_ok()
    }

    /// Seconds since its POST.
    pub(crate) fn age(&self, now: Instant) -> f64 {
        now.saturating_duration_since(self.posted).as_secs_f64()
    }
}

impl Session {
    /// A viewer that is connected.
    pub(crate) fn plays(&self) -> bool {
        self.link.is_connected && self.is_viewer()
    }

    pub(crate) fn is_viewer(&self) -> bool {
        matches!(self.role, Role::Viewer(_))
    }

    /// The stream that it publishes or watches.
    pub(crate) fn stream(&self) -> &StreamId {
        match &self.role {
            Role::Publisher(publisher) => publisher.stream(),
            Role::Viewer(viewer) => viewer.stream().id(),
        }
    }

    /// False when the session had no use for the packet.
    pub(crate) fn handle_packet(&mut self, now: Instant, path: Path, bytes: &[u8]) -> bool {
        self.core().handle_packet(now, path, bytes)
    }

    /// After a report of a viewer that plays: true where it left nothing to be done at once, so that [`Self::settle`] can wait for
    /// the session's deadline, which such a packet brings no nearer.
    pub(crate) fn needs_nothing(&mut self, now: Instant) -> bool {
        let Role::Viewer(viewer) = &mut self.role else { return false };
        self.link.is_connected && viewer.needs_nothing(now, &self.link)
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.core().handle_timeout(now);
    }

    /// Says goodbye; the words leave with the next [`Self::settle`].
    pub(crate) fn close(&mut self, now: Instant, reason: &'static str) {
        match &mut self.role {
            Role::Publisher(_) => self.core().close(now),
            Role::Viewer(viewer) => viewer.end(now, reason),
        }
    }

    /// Takes a trickled fragment or an ICE restart.
    pub(crate) fn patch(&mut self, now: Instant, fragment: &str) -> Result<PatchOutcome, Refusal> {
        let result = match &mut self.role {
            Role::Publisher(publisher) => publisher.patch(now, fragment),
            Role::Viewer(viewer) => viewer.patch(now, fragment),
        };
        Ok(result?)
    }

    /// Asks for what [`Self::serve`] will touch beside this struct: see [`PREFETCH_STAGES`].
    pub(crate) fn prefetch(&self, stage: usize) {
        let Role::Viewer(viewer) = &self.role else { return };
        match stage {
            0 => unisono_net::prefetch(&**viewer),
            _ => viewer.prefetch(stage - 1),
        }
    }

    /// The same for what [`Self::handle_packet`] will touch.
    pub(crate) fn prefetch_input(&self, stage: usize) {
        let Role::Viewer(viewer) = &self.role else { return };
        match stage {
            0 => unisono_net::prefetch(&**viewer),
            _ => viewer.prefetch_input(stage - 1),
        }
    }

    /// The shortest way to send a viewer what is new; see [`Viewer::serve`].
    pub(crate) fn serve(&mut self, moment: Moment, shared: &Shared, tails: &[Tail], out: &mut Out) -> bool {
        let Role::Viewer(viewer) = &mut self.role else { return false };
        viewer.serve(moment, shared.config.limits.viewer_lag_max, tails, &self.link, out)
    }

    /// Does all that can be done now and hands its packets to `out`.
    pub(crate) fn settle(&mut self, now: Instant, out: &mut Out, shared: &Shared) -> Settled {
        let ended = self.link.ended(now, shared);
        if let Some(words) = ended {
            self.close(now, words);
        }
        if let Role::Viewer(viewer) = &mut self.role {
            self.link.ticket.session().say_notice(|message| viewer.say(now, message));
        }
        let over = match &mut self.role {
            Role::Publisher(publisher) => publisher.settle(now, &mut self.link, shared),
            Role::Viewer(viewer) => viewer.settle(now, &mut self.link, shared, out),
        };
        let core: &mut dyn unisono_proto_webrtc::Session = match &mut self.role {
            Role::Publisher(publisher) => publisher.core_mut(),
            Role::Viewer(viewer) => viewer.core_mut(),
        };
        Way::new(out, &self.link).drain(core);
        self.link.judge_reach(now, core.is_reached(), shared);
        if let Some(words) = ended {
            return Settled::Over(words);
        }
        if let Some(reason) = core.closed() {
            return Settled::Over(reason.as_str());
        }
        if let Some(reason) = over {
            return Settled::Over(reason);
        }
        self.wanted().map_or(Settled::Over("closed"), Settled::Until)
    }

    /// When to be called next. Only what is sent in parts, a handshake and a publisher's losses are urgent.
    fn wanted(&self) -> Option<Due> {
        let soon = |at: Instant| self.link.reached_by.map_or(at, |by| by.min(at));
        match &self.role {
            Role::Publisher(publisher) => publisher.core().poll_timeout().map(soon).map(Due::At),
            Role::Viewer(viewer) => {
                let routine = soon(viewer.core().poll_timeout()?);
                Some(match viewer.wants_at() {
                    Some(at) => Due::At(at.min(routine)),
                    None if self.link.is_connected => Due::About(routine),
                    None => Due::At(routine),
                })
            }
        }
    }

    /// Our ICE user fragment now; a restart changes it.
    pub(crate) fn local_ufrag(&mut self) -> String {
        self.core().local_ufrag().to_owned()
    }

    fn core(&mut self) -> &mut dyn unisono_proto_webrtc::Session {
        match &mut self.role {
            Role::Publisher(publisher) => publisher.core_mut(),
            Role::Viewer(viewer) => viewer.core_mut(),
        }
    }
}
