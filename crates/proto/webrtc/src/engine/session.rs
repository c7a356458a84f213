//! The session: what a frame touches is here, everything else lies behind one pointer.

use super::{
    Outlet, Prefetch, Source, SourceKind,
    bwe::{Bwe, Estimate},
    channel::{ChannelEvent, SEND_MAX},
    connection::{Connection, News, Received},
    ice::Ice,
    negotiation::{History, check_first},
    rtcp::{SenderReport, write_sender_reports},
    sdp::{Local, Offer, STREAM_ID, Setup},
    sender::{Outgoing, Resend, Sender, Wire},
    srtp::{Keys, Opener, Profile, Sealer},
};
use crate::{
    CloseReason, EgressStats, HostCandidate, Identity, Mapping, OfferError, PatchError, PatchOutcome, Path,
    Session, Transmit, Wanted,
    patch::{self, Fragment},
};
use bytes::Bytes;
use is::IceCreds;
use std::{
    collections::VecDeque,
    ops::Range,
    time::{Duration, Instant},
};
use unisono_base::{MediaTime, Span};
use unisono_media::{Kind, Packet};

/// Sender reports: two are needed before a browser can tell sound and picture apart in time.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// Sender reports in one compound packet, which stays below 1,200 bytes with them.
const REPORTS_MAX: usize = 24;
/// Events waiting for the gateway; beyond it the oldest is dropped.
const EVENTS_MAX: usize = 64;
/// Packets to be resent that wait for the gateway; beyond it NACKs are left unanswered, and asked again by the viewer.
pub(super) const RESENDS_MAX: usize = 256;
/// Bytes that aws-lc holds for a key of AES-256-GCM with its table of powers.
const KEY_SCHEDULE: usize = 584;
/// Where the estimate of a path begins, bits per second (decisions 14).
const FIRST_GUESS: u64 = 10_000_000;

/// One of the senders of a session: the place of its section in the offer, which it keeps through all later offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SenderId(pub(super) u16);

/// An instant, and what the timeline clock reads at it.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Now.
    pub now: Instant,
    /// T now.
    pub clock: MediaTime,
}

/// What a session reports.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EngineEvent {
    /// ICE and DTLS are up: frames can be sent from now on.
    Connected,
    /// The data channel is open: [`Engine::send_message`] works from now on.
    Ready,
    /// The viewer asks for a keyframe (PLI or FIR); see [`Engine::acknowledged`] for what to do (decisions 15).
    KeyframeRequest(SenderId),
    /// A message from the viewer on the data channel, at most 16 KiB.
    Message(Bytes),
    /// Over; nothing follows.
    Closed(CloseReason),
}

/// A viewer's session. See [the module](super) for how to drive it.
pub struct Engine {
    /// Set while frames can be sent.
    sealer: Option<Sealer>,
    /// Where media goes.
    route: Option<Path>,
    /// That address has answered us: nothing sent to it is counted.
    is_proven: bool,
    /// The viewer has a data channel.
    has_channel: bool,
    /// Sending a frame queued something else as well.
    has_control: bool,
    pub(super) reading: Option<Moment>,
    report_at: Option<Instant>,
    pub(super) bwe: Bwe,
    pub(super) senders: Vec<Slot>,
    pub(super) cold: Box<Cold>,
}

/// A sender and what it was negotiated for.
pub(super) struct Slot {
    pub(super) id: SenderId,
    /// Of its source.
    pub(super) key: u32,
    pub(super) payload_type: u8,
    pub(super) sender: Sender,
}

/// What no frame touches.
pub(super) struct Cold {
    pub(super) connection: Connection,
    history: History,
    pub(super) opener: Option<Opener>,
    profile: Option<Profile>,
    events: VecDeque<EngineEvent>,
    pub(super) resends: VecDeque<Resend>,
    pub(super) rtt: Option<Span>,
    pub(super) loss: Option<f32>,
    pub(super) nacks: u64,
    pub(super) plis: u64,
    is_told_closed: bool,
}

impl Engine {
    /// What sending a frame touches of a session, in bytes: the session, the one sender, and the cipher's key schedule, 584
    /// bytes of aws-lc's (`EVP_AEAD_CTX` with AES-256-GCM). Of the rest it writes a line each of frames and packets sent.
    pub const HOT_BYTES: usize = size_of::<Self>() + size_of::<Slot>() + KEY_SCHEDULE;

    /// Answers a viewer's offer with the stream's picture (key 0) and sound (key 1). `candidates` are our host addresses
    /// as the viewer can reach them.
    pub fn accept(
        identity: &Identity,
        offer: &str,
        candidates: &[impl Into<HostCandidate> + Copy],
        wanted: Wanted<'_>,
        now: Instant,
    ) -> Result<(Self, String), OfferError> {
        let source = |key, kind| Source { key, kind, playout_delay: None };
        let video = wanted.video.map(|config| source(0, SourceKind::Video(config)));
        let audio = wanted.audio.then(|| source(1, SourceKind::Audio));
        let sources: Vec<_> = [video, audio].into_iter().flatten().collect();
        Self::accept_sources(identity, offer, candidates, &sources, now)
    }

    /// The same for any number of sources. Each gets the first free section of its kind that offers its format; what is
    /// left of either side stays silent. Refused where a picture fits nowhere although one was asked for, and where
    /// nothing at all fits.
    pub fn accept_sources(
        identity: &Identity,
        offer: &str,
        candidates: &[impl Into<HostCandidate> + Copy],
        sources: &[Source<'_>],
        now: Instant,
    ) -> Result<(Self, String), OfferError> {
        let parsed = Offer::parse(offer)?;
        check_first(&parsed, sources, offer)?;
        let remote = IceCreds { ufrag: parsed.ufrag.to_owned(), pass: parsed.password.to_owned() };
        let candidates = candidates.iter().map(|candidate| (*candidate).into()).collect();
        let ice = Ice::new(remote, candidates, parsed.setup == Setup::Passive);
        let connection = Connection::new(ice, identity, parsed.fingerprint.clone(), parsed.setup, now);
        let mut engine = Self {
            sealer: None,
            route: None,
            is_proven: false,
            has_channel: false,
            has_control: false,
            reading: None,
            report_at: None,
            bwe: Bwe::new(now, FIRST_GUESS),
            senders: Vec::new(),
            cold: Box::new(Cold::new(connection)),
        };
        let answer = engine.settle(&parsed, sources, now);
        Ok((engine, answer))
    }

    /// Answers another offer of the same peer: senders are added and removed, those whose section and source stay go on
    /// undisturbed. `sources` is everything that can be sent now. After an error the session goes on as before. New ICE
    /// credentials in it restart ICE; another certificate is refused.
    pub fn reoffer(
        &mut self,
        now: Instant,
        offer: &str,
        sources: &[Source<'_>],
    ) -> Result<String, OfferError> {
        if let Some(reason) = self.cold.connection.closed() {
            return Err(OfferError::Malformed(format!("the session is over ({})", reason.as_str())));
        }
        let parsed = Offer::parse(offer)?;
        self.cold.history.check(&parsed)?;
        if !self.cold.connection.is_of(&parsed.fingerprint) {
            let words =
                "a new offer must show the certificate of the one before; begin a new session instead";
            return Err(OfferError::Malformed(words.to_owned()));
        }
        if parsed.ufrag != self.cold.connection.ice.remote_ufrag() {
            let remote = IceCreds { ufrag: parsed.ufrag.to_owned(), pass: parsed.password.to_owned() };
            self.cold.connection.ice.restart(remote);
        }
        let before: Vec<u32> = self.senders.iter().map(|slot| slot.sender.ssrc()).collect();
        let answer = self.settle(&parsed, sources, now);
        let gone =
            before.into_iter().filter(|ssrc| self.senders.iter().all(|slot| slot.sender.ssrc() != *ssrc));
        let gone: Vec<u32> = gone.collect();
        self.say_goodbye(&gone);
        self.learn(now);
        Ok(answer)
    }

    fn settle(&mut self, offer: &Offer<'_>, sources: &[Source<'_>], now: Instant) -> String {
        let Cold { connection, history, .. } = &mut *self.cold;
        let local = Local {
            ufrag: connection.ice.ufrag(),
            password: connection.ice.password(),
            fingerprint: connection.fingerprint(),
            candidates: connection.ice.candidates(),
            setup: connection.setup(),
        };
        let settled = history.settle(offer, sources, std::mem::take(&mut self.senders), local);
        self.senders = settled.slots;
        if let Some(send_max) = settled.channel {
            connection.offer_channel(now, send_max.unwrap_or(SEND_MAX));
        }
        settled.answer
    }

    /// The senders there are, with the key of the source of each.
    pub fn senders(&self) -> impl Iterator<Item = (SenderId, u32)> + '_ {
        self.senders.iter().map(|slot| (slot.id, slot.key))
    }

    /// The first sender of a kind; a WHEP viewer has one of each at most.
    pub fn sender(&self, kind: Kind) -> Option<SenderId> {
        self.senders.iter().find(|slot| slot.sender.kind() == kind).map(|slot| slot.id)
    }

    /// True while frames can be sent.
    pub fn is_connected(&self) -> bool {
        self.sealer.is_some()
    }

    /// The SRTP profile in force.
    pub fn profile(&self) -> Option<Profile> {
        self.cold.profile
    }

    /// Sends one frame, all packets of it at once into `out`; pacing is the caller's. Frames of a sender come in order of
    /// T; epochs may change and frames be left out at any time. False, and nothing sent, before
    /// [`EngineEvent::Connected`], after the end, and for a sender that is not there.
    pub fn send_frame(
        &mut self,
        sender: SenderId,
        moment: Moment,
        outgoing: Outgoing<'_>,
        out: &mut impl Outlet,
    ) -> bool {
        let all = 0..outgoing.packets.list.len();
        self.send_part(sender, moment, outgoing, all, out)
    }

    /// The same for some of a frame's packets: from 0 on first, then the others, before another frame of this sender.
    pub fn send_part(
        &mut self,
        sender: SenderId,
        moment: Moment,
        outgoing: Outgoing<'_>,
        part: Range<usize>,
        out: &mut impl Outlet,
    ) -> bool {
        let (Some(sealer), Some(path)) = (&self.sealer, &self.route) else { return false };
        let Some(index) = self.senders.iter().position(|slot| slot.id == sender) else { return false };
        let sender = &mut self.senders[index].sender;
        let is_first = sender.mapping().is_none();
        let mut wire = Wire { path, sealer, bwe: &mut self.bwe };
        if self.is_proven {
            sender.send_part(moment.now, outgoing, part, &mut wire, out);
        } else {
            let mut counted = Counted { ice: &mut self.cold.connection.ice, out };
            sender.send_part(moment.now, outgoing, part, &mut wire, &mut counted);
        }
        self.reading = Some(moment);
        if is_first || self.report_at.is_none_or(|at| at <= moment.now) {
            self.report(moment.now);
        }
        if self.has_channel {
            self.tell_mapping(moment.now, index);
        }
        true
    }

    /// Asks for what sending a frame will touch behind this struct. Each `stage` finds its places in what the one before asked
    /// for: call 0, 1 and 2 in turn for a few sessions each, and each session's misses of the cache overlap with the others'.
    pub fn prefetch(&self, stage: usize, memory: &impl Prefetch) {
        match stage {
            0 => {
                memory.prefetch(self.senders.as_slice());
                self.bwe.prefetch(memory);
            }
            _ => self.senders.iter().for_each(|slot| slot.sender.prefetch(stage, memory)),
        }
    }

    /// The same for what a packet of the viewer's will touch: call 0 and 1.
    pub fn prefetch_input(&self, stage: usize, memory: &impl Prefetch) {
        match stage {
            0 => {
                memory.prefetch(&*self.cold);
                self.bwe.prefetch_input(memory);
            }
            1 => self.cold.connection.ice.prefetch(memory),
            _ => {}
        }
    }

    /// True while something of the session's own, a sender report or a mapping, waits in [`Session::poll_transmit`] since a
    /// frame was sent. Whoever only sends frames asks this, which costs less than looking there.
    pub fn has_control(&self) -> bool {
        self.has_control
    }

    /// True where an input has left something to be taken: an event, packets of the session's own, packets to be resent, its end.
    pub fn has_news(&self) -> bool {
        let Cold { connection, events, resends, .. } = &*self.cold;
        !events.is_empty()
            || !resends.is_empty()
            || connection.has_transmits()
            || connection.closed().is_some()
    }

    /// Sends a packet again that [`Self::poll_resend`] asked for. False where the viewer has used up its budget.
    pub fn resend(&mut self, now: Instant, request: &Resend, packet: &Packet, out: &mut impl Outlet) -> bool {
        let (Some(sealer), Some(path)) = (&self.sealer, &self.route) else { return false };
        let slot = self.senders.iter_mut().find(|slot| slot.sender.ssrc() == request.ssrc);
        let Some(Slot { sender, .. }) = slot else { return false };
        let mut wire = Wire { path, sealer, bwe: &mut self.bwe };
        if self.is_proven {
            return sender.resend(now, request, packet, &mut wire, out);
        }
        sender.resend(
            now,
            request,
            packet,
            &mut wire,
            &mut Counted { ice: &mut self.cold.connection.ice, out },
        )
    }

    /// The next packet that the viewer lacks. Look it up among the stream's recent frames and call [`Self::resend`].
    pub fn poll_resend(&mut self) -> Option<Resend> {
        self.cold.resends.pop_front()
    }

    /// The next event, in order.
    pub fn poll_event(&mut self) -> Option<EngineEvent> {
        if let Some(event) = self.cold.events.pop_front() {
            return Some(event);
        }
        let reason = self.cold.connection.closed()?.clone();
        let is_told = std::mem::replace(&mut self.cold.is_told_closed, true);
        (!is_told).then_some(EngineEvent::Closed(reason))
    }

    /// Sends a text on the data channel. False, and nothing sent, while no channel is open or more than 256 KiB wait in
    /// it. Mappings need no help: the session sends its own when the channel opens, every 2 s, at each new epoch, and when
    /// one is off by more than 1 ms.
    pub fn send_message(&mut self, now: Instant, text: &str) -> bool {
        self.has_channel && self.cold.connection.write(now, text)
    }

    /// The mapping in force for a sender; `None` before its first frame.
    pub fn mapping(&self, sender: SenderId) -> Option<Mapping> {
        self.slot(sender)?.sender.mapping()
    }

    /// T of the newest frame of which the viewer has acknowledged all packets (receiver reports: up to a second late).
    /// `None`: as far as we know it has shown nothing yet.
    pub fn acknowledged(&self, sender: SenderId) -> Option<MediaTime> {
        self.slot(sender)?.sender.acknowledged()
    }

    /// Round trip by the viewer's receiver reports.
    pub fn rtt(&self) -> Option<Span> {
        self.cold.rtt
    }

    /// Share of packets the viewer lost, 0 to 1, by its last report on the picture, or on the sound where there is none.
    pub fn loss(&self) -> Option<f32> {
        self.cold.loss
    }

    /// What is known of the viewer's path. Without transport-wide feedback that is a guess.
    pub fn estimate(&self) -> Estimate {
        self.bwe.estimate()
    }

    /// True once the viewer has given transport-wide feedback.
    pub fn has_feedback(&self) -> bool {
        self.bwe.has_feedback()
    }

    /// Totals of all senders that are there.
    pub fn stats(&self) -> EgressStats {
        let mut stats =
            EgressStats { nacks: self.cold.nacks, plis: self.cold.plis, ..EgressStats::default() };
        for Slot { sender, .. } in &self.senders {
            let of = sender.stats();
            stats.frames += of.frames;
            stats.packets += of.packets;
            stats.bytes += of.bytes;
            stats.resent += of.resent;
        }
        stats
    }

    /// Trickled candidates or an ICE restart (RFC 9725 §4.3), an `application/trickle-ice-sdpfrag`.
    pub fn handle_patch(&mut self, now: Instant, fragment: &str) -> Result<PatchOutcome, PatchError> {
        let connection = &mut self.cold.connection;
        let ufrag = connection.ice.remote_ufrag();
        let Fragment::Restart(remote) = patch::read(fragment, connection.closed(), Some(ufrag))? else {
            return Ok(PatchOutcome::Trickled);
        };
        let ice = &mut connection.ice;
        ice.restart(remote);
        let outcome = patch::restarted(ice.ufrag(), ice.password(), ice.candidates());
        self.learn(now);
        Ok(outcome)
    }

    fn slot(&self, sender: SenderId) -> Option<&Slot> {
        self.senders.iter().find(|slot| slot.id == sender)
    }

    /// After every input: what the connection found out.
    fn learn(&mut self, now: Instant) {
        while let Some(news) = self.cold.connection.poll_news() {
            match news {
                News::Connected(keys) => self.connected(&keys),
                News::Channel(ChannelEvent::Open) => {
                    self.has_channel = true;
                    self.cold.emit(EngineEvent::Ready);
                    (0..self.senders.len()).for_each(|index| self.tell_mapping(now, index));
                }
                News::Channel(ChannelEvent::Message(message)) => {
                    self.cold.emit(EngineEvent::Message(message))
                }
                News::Channel(ChannelEvent::Closed) => self.has_channel = false,
            }
        }
        let connection = &mut self.cold.connection;
        if connection.closed().is_some() {
            (self.sealer, self.has_channel) = (None, false);
            return;
        }
        self.route = connection.ice.route();
        // Before the handshake is done, DTLS decides which address counts.
        self.is_proven =
            self.sealer.is_some() && self.route.is_some_and(|route| connection.ice.is_proven(route));
    }

    fn connected(&mut self, keys: &Keys) {
        match (keys.sealer(), keys.opener()) {
            (Ok(sealer), Ok(opener)) => {
                self.cold.profile = Some(sealer.profile());
                self.sealer = Some(sealer);
                self.cold.opener = Some(opener);
                self.cold.emit(EngineEvent::Connected);
            }
            (Err(error), _) | (_, Err(error)) => {
                self.cold.connection.end(CloseReason::Protocol(error.to_string()));
            }
        }
    }

    fn tell_mapping(&mut self, now: Instant, index: usize) {
        let Some(Slot { sender, .. }) = self.senders.get_mut(index) else { return };
        let Some(mapping) = sender.mapping_due(now) else { return };
        if self.cold.connection.write(now, &mapping.to_json()) {
            sender.set_mapping_told(mapping, now);
            self.has_control = true;
        }
    }

    /// What the timeline clock reads at `now`, by its last reading; `None` before the first frame.
    pub(super) fn clock(&self, now: Instant) -> Option<MediaTime> {
        let Moment { now: then, clock } = self.reading?;
        Some(clock + Span::from_micros(now.saturating_duration_since(then).as_micros() as i64))
    }

    /// Sender reports of all that have sent.
    fn report(&mut self, now: Instant) {
        self.report_at = Some(now + REPORT_EVERY);
        let Some(clock) = self.clock(now) else { return };
        let reports: Vec<SenderReport> =
            self.senders.iter().filter_map(|slot| slot.sender.report(clock)).collect();
        for reports in reports.chunks(REPORTS_MAX) {
            // Room for the seal as well.
            let mut packet = Vec::with_capacity(32 * reports.len() + 64);
            write_sender_reports(&mut packet, reports, STREAM_ID);
            self.send_control(packet);
        }
    }

    pub(super) fn send_control(&mut self, mut packet: Vec<u8>) {
        let is_sealed = self.sealer.as_mut().is_some_and(|sealer| sealer.seal_rtcp(&mut packet));
        if is_sealed {
            self.cold.connection.send(packet);
            self.has_control = true;
        }
    }
}

impl Cold {
    fn new(connection: Connection) -> Self {
        Self {
            connection,
            history: History::default(),
            opener: None,
            profile: None,
            events: VecDeque::new(),
            resends: VecDeque::new(),
            rtt: None,
            loss: None,
            nacks: 0,
            plis: 0,
            is_told_closed: false,
        }
    }

    pub(super) fn emit(&mut self, event: EngineEvent) {
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}

impl Session for Engine {
    fn local_ufrag(&self) -> &str {
        self.cold.connection.ice.ufrag()
    }

    fn is_reached(&self) -> bool {
        self.cold.connection.ice.is_reached()
    }

    fn handle_packet(&mut self, now: Instant, path: Path, bytes: &[u8]) -> bool {
        if self.cold.connection.closed().is_some() {
            return false;
        }
        let received = self.cold.connection.handle_packet(now, path, bytes);
        match received {
            Received::Foreign => return false,
            Received::Srtp => self.handle_srtp(now, bytes),
            Received::Done => {}
        }
        self.learn(now);
        true
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.cold.connection.handle_timeout(now);
        self.learn(now);
        if self.sealer.is_some() && self.report_at.is_some_and(|at| at <= now) {
            self.report(now);
        }
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        let transmit = self.cold.connection.poll_transmit();
        self.has_control &= transmit.is_some();
        transmit
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let connection = self.cold.connection.poll_timeout()?;
        let report = self.report_at.filter(|_| self.sealer.is_some());
        Some(report.map_or(connection, |report| report.min(connection)))
    }

    fn closed(&self) -> Option<&CloseReason> {
        self.cold.connection.closed()
    }

    fn close(&mut self, now: Instant) {
        self.cold.connection.close(now);
        self.learn(now);
    }
}

/// An outlet to an address that has not answered yet: it gets no more than three times what came from it.
struct Counted<'a, O> {
    ice: &'a mut Ice,
    out: &'a mut O,
}

impl<O: Outlet> Outlet for Counted<'_, O> {
    fn packet(&mut self, path: &Path, length: usize, fill: impl FnOnce(&mut [u8])) {
        if self.ice.allows_media(*path, length) {
            self.out.packet(path, length, fill);
        }
    }
}
