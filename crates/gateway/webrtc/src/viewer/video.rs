//! The picture of one viewer: join, live, behind, asked for a keyframe.

use super::Sending;
use crate::{
    pace::Bucket,
    tail::{Fresh, Tail},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use unisono_base::Span;
use unisono_hub::{Cursor, EndReason, Read, Ring, SkipReason, State, Stream};
use unisono_media::{CodecConfig, Frame, Kind, Packets};
use unisono_mux::rtp::{PAYLOAD_MAX, packetize};
use unisono_proto_webrtc::engine::{Engine, SenderId, bwe::Overload, sender::Outgoing};

/// A past longer or larger than this is not worth sending where a new keyframe can be had (decisions 14).
const PAST_MAX: Span = Span::from_secs(3);
const PAST_BYTES_MAX: usize = 2 << 20;
/// How often a viewer without a video ring looks for one.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A keyframe from the ring is on its way for at least this long before another request means that it was lost.
const ANSWER_EVERY: Duration = Duration::from_millis(500);
/// Shortest stretch a track's rate is taken from: less would be the keyframe alone.
const RATE_SPAN_MIN: Span = Span::from_secs(1);

/// Packets of a frame that leave at once: what a home router's queue and a receiver's socket take without a loss.
const BURST: usize = 48;
/// The others follow in so many parts at most, of a train each at least: 40 ms for the largest keyframe.
const PARTS: usize = 8;
const PART_MIN: usize = 16;
const PART_EVERY: Duration = Duration::from_millis(5);

/// Of a frame's number: 48 bits are 297,000 years at 30 a second.
const NUMBER_MASK: u64 = (1 << 48) - 1;

/// See the module.
pub(super) struct Video {
    /// What the session was set up for; `None` where the viewer takes no picture.
    taken: Option<(Arc<CodecConfig>, SenderId)>,
    /// The newest configuration that was found to go on from that.
    accepted: Option<Arc<CodecConfig>>,
    track: Option<Track>,
    /// Rings read so far: a number of one ring means nothing in the next.
    rings: u16,
    bucket: Bucket,
    /// The rest of a large frame.
    rest: Option<Rest>,
    /// Whether the path takes the stream.
    overload: Overload,
    /// When the bucket opens again, the next part of a frame may go, or when to look for a ring.
    wants_at: Option<Instant>,
    look_at: Instant,
    answered_at: Option<Instant>,
    first_keyframe: FirstKeyframe,
}

struct Track {
    ring: Arc<Ring>,
    cursor: Cursor,
    /// Sending the past, no faster than the path is believed to take.
    is_catching_up: bool,
    /// The cursor stands inside a group whose start is gone.
    awaits_keyframe: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum FirstKeyframe {
    Awaited,
    Sent,
    Counted,
}

impl Video {
    /// `lag_max` is how much of the stream may be on its way to the viewer.
    pub(super) fn new(taken: Option<(Arc<CodecConfig>, SenderId)>, lag_max: Duration, now: Instant) -> Self {
        Self {
            taken,
            accepted: None,
            track: None,
            rings: 0,
            bucket: Bucket::new(now, 0),
            rest: None,
            overload: Overload::new(Span::from_micros(lag_max.as_micros() as i64)),
            wants_at: None,
            look_at: now,
            answered_at: None,
            first_keyframe: FirstKeyframe::Awaited,
        }
    }

    pub(super) fn wants_at(&self) -> Option<Instant> {
        self.wants_at
    }

    /// No ring to read.
    pub(super) fn is_idle(&self) -> bool {
        self.track.is_none()
    }

    /// True once, after the first keyframe was sent.
    pub(super) fn take_first_keyframe(&mut self) -> bool {
        let sent = self.first_keyframe == FirstKeyframe::Sent;
        if sent {
            self.first_keyframe = FirstKeyframe::Counted;
        }
        sent
    }

    /// Looks at what the viewer has said of its path. True when pictures begin to be left out.
    pub(super) fn judge(&mut self, now: Instant, engine: &Engine) -> bool {
        engine.has_feedback() && self.overload.judge(now, engine.estimate())
    }

    /// Only keyframes are sent.
    pub(super) fn is_overloaded(&self) -> bool {
        self.overload.is_over()
    }

    /// Its ring and place there, where it has caught up.
    pub(super) fn place(&self) -> Option<(&Arc<Ring>, Cursor)> {
        let track = self.track.as_ref().filter(|track| !track.is_catching_up)?;
        Some((&track.ring, track.cursor))
    }

    /// Sends what is new at the end of a ring, where it stands there. False when [`Self::pump`] has to look.
    pub(super) fn serve(&mut self, tails: &[Tail], sending: &mut Sending<'_>) -> bool {
        let Some((_, sender)) = self.taken else { return true };
        let Some(track) = &mut self.track else { return false };
        if track.is_catching_up || track.awaits_keyframe || self.rest.is_some() || self.overload.is_over() {
            return false;
        }
        let Some(tail) = sending.tail(tails, &track.ring, track.cursor) else { return false };
        let is_accepted = |fresh: &Fresh| {
            self.accepted.as_ref().is_some_and(|config| Arc::ptr_eq(config, &fresh.group.config))
        };
        if !tail.frames().iter().all(is_accepted) {
            return false;
        }
        let is_large = |fresh: &Fresh| sending.payloads(&fresh.frame, &fresh.group.config).list.len() > BURST;
        if tail.frames().iter().any(is_large) {
            return false;
        }
        for Fresh { frame, group, number } in tail.frames() {
            let packets = sending.payloads(frame, &group.config);
            sending.send(sender, numbered(self.rings, *number), group.epoch, frame, packets);
        }
        track.cursor = tail.end();
        true
    }

    /// Sends what may be sent now. A reason when this viewer cannot go on with the stream.
    pub(super) fn pump(&mut self, sending: &mut Sending<'_>) -> Option<&'static str> {
        self.wants_at = None;
        let sender = self.taken.as_ref()?.1;
        if self.track.is_none() {
            self.join(sending.moment.now, sending.stream);
        }
        loop {
            if let Some(at) = self.rest.as_mut().and_then(|rest| rest.send(sender, sending)) {
                self.wants_at = Some(at);
                return None;
            }
            self.rest = None;
            let track = self.track.as_mut()?;
            if track.is_catching_up {
                if !self.bucket.is_open(sending.moment.now) {
                    self.wants_at = Some(self.bucket.opens_at());
                    return None;
                }
                // A newer keyframe is worth more than the rest of the past.
                track.ring.skip_to_newest_group(&mut track.cursor);
            }
            match track.ring.read(&mut track.cursor) {
                Read::Frame { frame, group, .. } => {
                    let reorders = group.config.picture().is_some_and(|picture| picture.reorders);
                    if reorders || track.ring.is_reordered() {
                        return Some("the stream has B-frames now, which WebRTC cannot carry; watch by HLS");
                    }
                    if !self.accepted.as_ref().is_some_and(|config| Arc::ptr_eq(config, &group.config)) {
                        let (taken, _) = self.taken.as_ref()?;
                        if !taken.continues_as(&group.config) {
                            return Some(CHANGED);
                        }
                        self.accepted = Some(group.config.clone());
                    }
                    if track.awaits_keyframe && !frame.key {
                        continue;
                    }
                    track.awaits_keyframe = false;
                    let lag = (sending.moment.clock - frame.arrived).as_micros();
                    if !track.is_catching_up
                        && lag > sending.lag_max.as_micros() as i64
                        && let Some(frames) = track.ring.skip_to_newest_group(&mut track.cursor)
                    {
                        sending.report.skipped(SkipReason::TooSlow, frames + 1);
                        continue;
                    }
                    if !self.overload.takes(sending.moment.now, frame.key, || sending.engine.estimate()) {
                        sending.report.overloaded.inc();
                        continue;
                    }
                    let packets = sending.payloads(&frame, &group.config);
                    let number = numbered(self.rings, track.cursor.last_read().unwrap_or_default());
                    if track.is_catching_up {
                        sending.send(sender, number, group.epoch, &frame, packets);
                        self.bucket.spend(frame.payload.len());
                    } else {
                        let fresh = Fresh { frame: frame.clone(), group, number };
                        self.rest = Some(Rest { fresh, sent: 0, next_at: None });
                    }
                    if frame.key && self.first_keyframe == FirstKeyframe::Awaited {
                        self.first_keyframe = FirstKeyframe::Sent;
                    }
                }
                Read::Skipped { frames, reason } => {
                    track.awaits_keyframe = reason == SkipReason::GroupTooBig;
                    sending.report.skipped(reason, frames);
                }
                Read::Pending => {
                    track.is_catching_up = false;
                    return None;
                }
                Read::Ended(EndReason::StreamEnded) => return Some("the stream has ended"),
                Read::Ended(EndReason::CodecChanged) => {
                    self.track = None;
                    self.look_at = sending.moment.now;
                    self.join(sending.moment.now, sending.stream);
                    if self.track.is_none() {
                        return Some(CHANGED);
                    }
                }
            }
        }
    }

    /// Takes a place at the newest keyframe, and asks for another one where that lies far back.
    fn join(&mut self, now: Instant, stream: &Arc<Stream>) {
        if now < self.look_at {
            self.wants_at = Some(self.look_at);
            return;
        }
        self.look_at = now + LOOK_EVERY;
        let Some(ring) = stream.source(Kind::Video).filter(|ring| ring.config().is_some()) else {
            self.wants_at = Some(self.look_at);
            return;
        };
        self.rings = self.rings.wrapping_add(1);
        self.track = Some(match ring.newest_group() {
            Some((cursor, start)) => {
                let span = ring.newest().map_or(Span::ZERO, |newest| newest - start);
                let bytes = ring.newest_group_bytes();
                let rate_span = span.max(RATE_SPAN_MIN).as_micros() as u64;
                self.bucket = Bucket::new(now, bytes as u64 * 8 * 1_000_000 / rate_span);
                if span > PAST_MAX || bytes > PAST_BYTES_MAX {
                    request_keyframe(stream);
                }
                self.answered_at = Some(now);
                Track { ring, cursor, is_catching_up: true, awaits_keyframe: false }
            }
            None => {
                request_keyframe(stream);
                let cursor = ring.tail();
                Track { ring, cursor, is_catching_up: false, awaits_keyframe: true }
            }
        });
    }

    /// Sends again what the viewer lacks, from the ring that all viewers share. What the ring has dropped is left to the next
    /// keyframe.
    pub(super) fn resend(&self, sending: &mut Sending<'_>) {
        while let Some(request) = sending.engine.poll_resend() {
            let Some(track) = &self.track else { continue };
            let number = request.frame_number;
            if number != numbered(self.rings, number & NUMBER_MASK) {
                continue;
            }
            let Some((frame, group)) = track.ring.frame(number & NUMBER_MASK) else { continue };
            let packets = frame.packets(|| payloads(&frame, &group.config));
            if let Some(packet) = packets.list.get(usize::from(request.packet_index)) {
                sending.engine.resend(sending.moment.now, &request, packet, &mut sending.way);
            }
        }
    }

    /// PLI or FIR (decisions 15): a playing viewer is never sent back in time if that can be avoided.
    pub(super) fn keyframe_wanted(&mut self, now: Instant, stream: &Arc<Stream>, engine: &Engine) {
        let (Some(track), Some((_, sender))) = (&mut self.track, &self.taken) else { return };
        if track.ring.skip_to_newest_group(&mut track.cursor).is_some() {
            track.awaits_keyframe = false;
            return;
        }
        let acknowledged = engine.acknowledged(*sender);
        if acknowledged.is_some() && request_keyframe(stream) {
            return;
        }
        let is_on_its_way =
            self.answered_at.is_some_and(|at| now.saturating_duration_since(at) < ANSWER_EVERY);
        if is_on_its_way {
            return;
        }
        self.answered_at = Some(now);
        match track.ring.newest_group() {
            Some((cursor, t)) if acknowledged.is_none_or(|seen| t > seen) => {
                track.cursor = cursor;
                track.is_catching_up = true;
                track.awaits_keyframe = false;
            }
            _ => drop(request_keyframe(stream)),
        }
    }
}

const CHANGED: &str = "the stream changed its codec";

/// A frame of which some packets may still have to be sent.
struct Rest {
    fresh: Fresh,
    sent: usize,
    next_at: Option<Instant>,
}

impl Rest {
    /// Sends what may leave now; when to come again, or `None` once all of it has left.
    fn send(&mut self, sender: SenderId, sending: &mut Sending<'_>) -> Option<Instant> {
        let now = sending.moment.now;
        if let Some(at) = self.next_at.filter(|at| *at > now) {
            return Some(at);
        }
        let Fresh { frame, group, number } = &self.fresh;
        let packets = sending.payloads(frame, &group.config);
        let count = packets.list.len();
        let part = match self.sent {
            0 => BURST,
            _ => count.saturating_sub(BURST).div_ceil(PARTS).max(PART_MIN),
        };
        let until = (self.sent + part).min(count);
        let outgoing = Outgoing { epoch: group.epoch, number: *number, frame, packets };
        sending.send_part(sender, outgoing, self.sent..until);
        self.sent = until;
        self.next_at = Some(now + PART_EVERY);
        self.next_at.filter(|_| until < count)
    }
}

impl Sending<'_> {
    /// A frame's RTP payloads, made by the first viewer that needs them.
    fn payloads<'f>(&self, frame: &'f Frame, config: &CodecConfig) -> &'f Packets {
        frame.packets(|| {
            let begun = Instant::now();
            let packets = payloads(frame, config);
            self.report.metrics.dwell.packetize.observe(begun.elapsed().as_secs_f64());
            packets
        })
    }
}

/// None of a frame that cannot be told apart into packets.
fn payloads(frame: &Frame, config: &CodecConfig) -> Packets {
    packetize(frame, config, PAYLOAD_MAX).unwrap_or_else(|| Packets { list: Vec::new(), complete: true })
}

/// A frame's number in its ring, and which ring it was.
fn numbered(rings: u16, number: u64) -> u64 {
    u64::from(rings) << NUMBER_MASK.count_ones() | number & NUMBER_MASK
}

/// Asks upstream; false when the source does not listen.
fn request_keyframe(stream: &Stream) -> bool {
    let listens = matches!(stream.state(), State::Live { source, .. } if source.accepts_pli);
    if listens {
        stream.request_keyframe();
    }
    listens
}
