//! One track on its way into segments: which frame goes where, and how long it lasts.

use crate::{
    events::Events,
    input::{Borders, Cut, Start},
    segment::{Open, Segment, Timed},
};
use bytes::Bytes;
use std::{collections::VecDeque, sync::Arc};
use unisono_base::{Epoch, MediaTime, Span};
use unisono_media::{CodecConfig, Frame, Kind, opus_packet_duration};
use unisono_mux::fmp4::{self, Sample};

/// Frames held until their border is certain or their batch is complete: over 20 s of audio. Beyond it the oldest go.
const WAITING_MAX: usize = 1_024;
/// How long a frame lasts whose successor never comes and whose source does not say.
const LAST_FRAME: Span = Span::from_millis(33);
/// A segment is never longer than this where its target is unknown.
const SEGMENT_MAX: Span = Span::from_secs(4);

/// A frame as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    pub(crate) frame: Arc<Frame>,
    pub(crate) epoch: Epoch,
    pub(crate) config: Arc<CodecConfig>,
}

/// What a step may use of its surroundings.
pub(crate) struct Context<'a> {
    pub(crate) borders: &'a Borders,
    /// Where this track carries the room's events.
    pub(crate) events: Option<&'a mut Events>,
    /// When the frames of finished parts had arrived, for the latency figure.
    pub(crate) published: &'a mut Vec<MediaTime>,
}

/// See the module.
pub(crate) struct Track {
    pub(crate) kind: Kind,
    start: Start,
    waiting: VecDeque<Input>,
    /// While nothing has been packaged: the segment of the frames passed over, `Some(None)` before any border.
    passed_over: Option<Option<u64>>,
    /// Video: the newest frame, whose duration its successor tells.
    held: Option<Input>,
    pub(crate) open: Option<Open>,
    /// Whole segments, not yet taken by the packager.
    pub(crate) finished: Vec<Segment>,
    /// Headers made, newest last.
    pub(crate) headers: VecDeque<Header>,
    /// Newest configuration, for CODECS.
    pub(crate) config: Option<Arc<CodecConfig>>,
}

/// An `init-{n}.mp4`.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) epoch: Epoch,
    pub(crate) n: u32,
    pub(crate) bytes: Bytes,
}

impl Track {
    pub(crate) fn new(kind: Kind, start: Start) -> Self {
        Self {
            kind,
            start,
            waiting: VecDeque::new(),
            passed_over: None,
            held: None,
            open: None,
            finished: Vec::new(),
            headers: VecDeque::new(),
            config: None,
        }
    }

    /// Takes a frame in decode order; returns true when the bound made an older one go.
    pub(crate) fn queue(&mut self, input: Input) -> bool {
        let overflows = self.waiting.len() == WAITING_MAX;
        if overflows {
            self.waiting.pop_front();
        }
        self.waiting.push_back(input);
        overflows
    }

    /// Places the frames whose border is certain: video at once, since its own frames make the borders; audio below
    /// the horizon.
    pub(crate) fn advance(&mut self, cx: &mut Context<'_>) -> Result<(), fmp4::Error> {
        while let Some(input) = self.waiting.front() {
            let is_certain =
                self.kind == Kind::Video || cx.borders.horizon.is_some_and(|h| input.frame.t < h);
            if !is_certain {
                break;
            }
            let Some(input) = self.waiting.pop_front() else { break };
            self.place(input, cx)?;
        }
        Ok(())
    }

    /// Nothing more will come: places what waits and ends the open segment.
    pub(crate) fn end(&mut self, cx: &mut Context<'_>) -> Result<(), fmp4::Error> {
        while let Some(input) = self.waiting.pop_front() {
            self.place(input, cx)?;
        }
        self.release_held(None, cx)?;
        self.close_segment(cx)
    }

    fn place(&mut self, input: Input, cx: &mut Context<'_>) -> Result<(), fmp4::Error> {
        let border = cx.borders.at(input.epoch, input.frame.t);
        let Some(cut) = border.filter(|cut| self.open.is_some() || self.begins(cut, &input)) else {
            // Before the first border of its epoch, or of a segment whose start we did not see.
            if self.open.is_none() {
                self.passed_over = Some(border.map(|cut| cut.segment));
            }
            return Ok(());
        };
        match self.kind {
            Kind::Video => self.place_video(input, cut, cx),
            Kind::Audio | Kind::Data => self.place_audio(input, cut, cx),
        }
    }

    /// Whether packaging can begin at this frame: it is surely the first of its segment, wherever reading began.
    fn begins(&self, cut: &Cut, input: &Input) -> bool {
        let t = input.frame.t;
        // The unit before lies before the border, also where slew has brought it nearer by a twentieth.
        let nearest = |unit: Span| Span::from_micros(unit.as_micros() * 9 / 10);
        let slack = if self.kind == Kind::Audio { nearest(audio_duration(input)) } else { Span::ZERO };
        t == cut.t
            || t - cut.t < slack
            || match self.passed_over {
                Some(segment) => segment != Some(cut.segment),
                None => self.start == Start::Origin,
            }
    }

    fn place_video(&mut self, input: Input, cut: Cut, cx: &mut Context<'_>) -> Result<(), fmp4::Error> {
        let newest = self.open.as_ref().map(|open| open.segment.cut.segment);
        // Of B-frames behind a border some have a T before it; in decode order they belong behind it.
        let moves_on = newest.is_none_or(|newest| cut.segment > newest);
        self.release_held(Some((&input, if moves_on { Some(cut) } else { None })), cx)?;
        if moves_on {
            self.open_segment(cut, &input, cx)?;
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        let decode = open.clock.ticks(input.frame.dts);
        let expected = open.clock.span_to_ticks(input.frame.duration).max(1);
        if open.overfills(decode + expected) || (input.frame.key && open.may_end_at(decode)) {
            end_part(open, cx)?;
        }
        self.held = Some(input);
        Ok(())
    }

    /// The held frame's duration is known: `next` follows it, in a new segment where a border is given.
    fn release_held(
        &mut self,
        next: Option<(&Input, Option<Cut>)>,
        cx: &mut Context<'_>,
    ) -> Result<(), fmp4::Error> {
        let (Some(held), Some(open)) = (self.held.take(), &mut self.open) else { return Ok(()) };
        let frame = &held.frame;
        let decode = open.clock.ticks(frame.dts);
        let fallback = if frame.duration > Span::ZERO { frame.duration } else { LAST_FRAME };
        let mut end = match next.filter(|(input, _)| input.epoch == held.epoch) {
            Some((input, _)) => open.clock.ticks(input.frame.dts),
            None => decode + open.clock.span_to_ticks(fallback),
        };
        // After a pause the picture's own border may not be the next one: sound goes on and cuts meanwhile.
        let own = open.segment.cut;
        if let Some(cut) = next.and_then(|(_, cut)| cut)
            && (cut.segment != own.segment + 1)
            && let Some(border) = cx.borders.segment(own.segment + 1).filter(|b| b.epoch == own.epoch)
        {
            end = end.min(open.clock.ticks(border.t));
        }
        let longest = cx.borders.target(own.epoch).unwrap_or(SEGMENT_MAX);
        end = end.min(open.start().unwrap_or(decode) + open.clock.span_to_ticks(longest)).max(decode + 1);
        if open.overfills(end) {
            end_part(open, cx)?;
        }
        let offset = open.clock.ticks(frame.t) - decode;
        open.push(Timed {
            t: frame.t,
            arrived: frame.arrived,
            decode,
            sample: Sample {
                duration: (end - decode).min(u32::MAX.into()) as u32,
                composition_offset: offset.clamp(i32::MIN.into(), i32::MAX.into()) as i32,
                is_sync: frame.key,
                payload: frame.payload.clone(),
            },
        });
        Ok(())
    }

    /// Audio counts samples from the segment's start, so that no rounding is heard. T may lead away from that, while it
    /// is slewed or after a loss: by more than a unit ahead the one before lasts longer, by a unit behind this one is
    /// left out. So the media time has neither holes nor overlaps, and sound keeps to the picture (docs/decisions/0013).
    fn place_audio(&mut self, input: Input, cut: Cut, cx: &mut Context<'_>) -> Result<(), fmp4::Error> {
        let newest = self.open.as_ref().map(|open| open.segment.cut.segment);
        if newest.is_none_or(|newest| cut.segment > newest) {
            self.join(&cut, &input, cx)?;
            self.open_segment(cut, &input, cx)?;
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        let frame = &input.frame;
        let at = open.clock.ticks(frame.t);
        let duration = match &*input.config {
            CodecConfig::Aac(aac) => i64::from(aac.frame_samples()),
            _ => open.clock.span_to_ticks(audio_duration(&input)),
        };
        let is_first = open.start().is_none();
        // An eighth less than a whole unit, so that of a segment's last one something is left before the next segment.
        if !is_first && (open.next - at) * 8 >= duration * 7 {
            return Ok(());
        }
        let is_hole = at - open.next > duration;
        let decode = if is_first || is_hole { at } else { open.next };
        if is_hole {
            if open.goes_on_at(at) {
                make_room(open, at, cx)?;
            }
            if !open.overfills(at) {
                open.stretch_to(at);
            }
        }
        if open.overfills(decode + duration) {
            end_part(open, cx)?;
        }
        open.push(Timed {
            t: frame.t,
            arrived: frame.arrived,
            decode,
            sample: Sample {
                duration: duration as u32,
                composition_offset: 0,
                is_sync: true,
                payload: frame.payload.clone(),
            },
        });
        Ok(())
    }

    /// Lets the sound of the open segment last until `first`, where that goes on without a break.
    fn join(&mut self, cut: &Cut, first: &Input, cx: &mut Context<'_>) -> Result<(), fmp4::Error> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let own = open.segment.cut;
        let next = (own.epoch, own.segment + 1, own.discontinuities);
        let at = open.clock.ticks(first.frame.t);
        if (cut.epoch, cut.segment, cut.discontinuities) != next || !open.goes_on_at(at) {
            return Ok(());
        }
        make_room(open, at, cx)?;
        open.join(at);
        Ok(())
    }

    fn open_segment(&mut self, cut: Cut, first: &Input, cx: &mut Context<'_>) -> Result<(), fmp4::Error> {
        let previous = self.open.as_ref().map(|open| (open.segment.cut, open.segment.header));
        self.close_segment(cx)?;
        if let Some((last, header)) = previous {
            self.fill_gaps(last, header, &cut, cx.borders);
        }
        if let Some(events) = cx.events.as_mut().filter(|_| self.headers.is_empty()) {
            events.forget_before(cut.t);
        }
        let is_known = |h: &Header| h.epoch == cut.epoch && h.n == cut.discontinuities;
        if !self.headers.iter().any(is_known) {
            let bytes = fmp4::header(&first.config)?;
            self.headers.push_back(Header { epoch: cut.epoch, n: cut.discontinuities, bytes });
        }
        self.config = Some(first.config.clone());
        self.open = Some(Open::new(cut, &first.config, first.frame.t));
        Ok(())
    }

    /// Sequence numbers have no holes: a segment without a frame becomes a gap.
    fn fill_gaps(&mut self, last: Cut, header: u32, next: &Cut, borders: &Borders) {
        for segment in last.segment + 1..next.segment {
            let Some(cut) = borders.segment(segment) else { continue };
            let end = borders.segment(segment + 1).map_or(next.t, |after| after.t);
            let duration = end - cut.t;
            self.finished.push(Segment { cut, t: cut.t, duration, parts: Vec::new(), header, frames: 0 });
        }
    }

    fn close_segment(&mut self, cx: &mut Context<'_>) -> Result<(), fmp4::Error> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        end_part(&mut open, cx)?;
        self.finished.push(open.segment);
        Ok(())
    }
}

/// The last sample is to last until `at`: where the open part would be too long with that, it begins the next one.
fn make_room(open: &mut Open, at: i64, cx: &mut Context<'_>) -> Result<(), fmp4::Error> {
    if open.overfills(at)
        && let Some(last) = open.split_last()
    {
        end_part(open, cx)?;
        open.push(last);
    }
    Ok(())
}

fn end_part(open: &mut Open, cx: &mut Context<'_>) -> Result<(), fmp4::Error> {
    let events = &mut cx.events;
    let arrived = open.end_part(|newest| events.as_mut().map_or_else(Vec::new, |e| e.take_until(newest)))?;
    cx.published.extend(arrived.into_iter().flatten());
    Ok(())
}

fn audio_duration(input: &Input) -> Span {
    match &*input.config {
        CodecConfig::Aac(aac) => {
            Span::from_micros(i64::from(aac.frame_samples()) * 1_000_000 / i64::from(aac.sample_rate.max(1)))
        }
        _ => opus_packet_duration(&input.frame.payload).unwrap_or(Span::from_millis(20)),
    }
}
