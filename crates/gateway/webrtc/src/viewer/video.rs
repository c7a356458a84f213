//! The picture of one viewer: join, live, behind, asked for a keyframe.

use super::{Moment, Report};
use crate::pace::Bucket;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use unisono_base::Span;
use unisono_hub::{Cursor, EndReason, Read, Ring, SkipReason, State, Stream};
use unisono_media::{CodecConfig, Kind, Packets};
use unisono_mux::rtp::{PAYLOAD_MAX, packetize};
use unisono_proto_webrtc::Egress;

/// A past longer or larger than this is not worth sending where a new keyframe can be had (decisions 14).
const PAST_MAX: Span = Span::from_secs(3);
const PAST_BYTES_MAX: usize = 2 << 20;
/// How often a viewer without a video ring looks for one.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A keyframe from the ring is on its way for at least this long before another request means that it was lost.
const ANSWER_EVERY: Duration = Duration::from_millis(500);
/// Shortest stretch a track's rate is taken from: less would be the keyframe alone.
const RATE_SPAN_MIN: Span = Span::from_secs(1);

/// See the module.
pub(super) struct Video {
    /// What the session was set up for; `None` where the viewer takes no picture.
    taken: Option<Arc<CodecConfig>>,
    track: Option<Track>,
    bucket: Bucket,
    /// When the bucket opens again, or when to look for a ring.
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
    pub(super) fn new(taken: Option<Arc<CodecConfig>>, now: Instant) -> Self {
        Self {
            taken,
            track: None,
            bucket: Bucket::new(now, 0),
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

    /// Sends what may be sent now. A reason when this viewer cannot go on with the stream.
    pub(super) fn pump(
        &mut self,
        moment: Moment,
        stream: &Arc<Stream>,
        egress: &mut Egress,
        report: &Report,
    ) -> Option<&'static str> {
        self.wants_at = None;
        let taken = self.taken.clone()?;
        if self.track.is_none() {
            self.join(moment.now, stream);
        }
        loop {
            let track = self.track.as_mut()?;
            if track.is_catching_up {
                if !self.bucket.is_open(moment.now) {
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
                    if !taken.continues_as(&group.config) {
                        return Some(CHANGED);
                    }
                    if track.awaits_keyframe && !frame.key {
                        continue;
                    }
                    track.awaits_keyframe = false;
                    let lag = (moment.clock - frame.arrived).as_micros();
                    if !track.is_catching_up
                        && lag > moment.lag_max.as_micros() as i64
                        && let Some(frames) = track.ring.skip_to_newest_group(&mut track.cursor)
                    {
                        report.skipped(SkipReason::TooSlow, frames + 1);
                        continue;
                    }
                    let none = || Packets { list: Vec::new(), complete: true };
                    let packets = frame.packets(|| {
                        let begun = Instant::now();
                        let packets = packetize(&frame, &group.config, PAYLOAD_MAX).unwrap_or_else(none);
                        report.metrics.dwell.packetize.observe(begun.elapsed().as_secs_f64());
                        packets
                    });
                    egress.send_video(moment.now, moment.clock, group.epoch, &frame, packets);
                    if track.is_catching_up {
                        self.bucket.spend(frame.payload.len());
                    }
                    if frame.key && self.first_keyframe == FirstKeyframe::Awaited {
                        self.first_keyframe = FirstKeyframe::Sent;
                    }
                }
                Read::Skipped { frames, reason } => {
                    track.awaits_keyframe = reason == SkipReason::GroupTooBig;
                    report.skipped(reason, frames);
                }
                Read::Pending => {
                    track.is_catching_up = false;
                    return None;
                }
                Read::Ended(EndReason::StreamEnded) => return Some("the stream has ended"),
                Read::Ended(EndReason::CodecChanged) => {
                    self.track = None;
                    self.look_at = moment.now;
                    self.join(moment.now, stream);
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

    /// PLI or FIR (decisions 15): a playing viewer is never sent back in time if that can be avoided.
    pub(super) fn keyframe_wanted(&mut self, now: Instant, stream: &Arc<Stream>, egress: &Egress) {
        let Some(track) = &mut self.track else { return };
        if track.ring.skip_to_newest_group(&mut track.cursor).is_some() {
            track.awaits_keyframe = false;
            return;
        }
        let acknowledged = egress.acknowledged();
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

/// Asks upstream; false when the source does not listen.
fn request_keyframe(stream: &Stream) -> bool {
    let listens = matches!(stream.state(), State::Live { source, .. } if source.accepts_pli);
    if listens {
        stream.request_keyframe();
    }
    listens
}
