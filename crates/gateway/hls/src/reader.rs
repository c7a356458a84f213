//! From the hub's rings into a packager. No task, no clock: whoever owns it calls [`Reader::step`] when the bell rings.

use crate::Metrics;
use std::sync::Arc;
use unisono_base::MediaTime;
use unisono_hub::{Cursor, Cuts, EndReason, Read, Ring, Stream};
use unisono_media::Kind;
use unisono_proto_hls::{Cut, Event, Limits, Packager, Start, Tracks, View};
use unisono_timeline::Event as RoomEvent;

/// Reads one stream.
pub(crate) struct Reader {
    stream: Arc<Stream>,
    limits: Limits,
    metrics: Arc<Metrics>,
    packager: Packager,
    video: Option<Tape>,
    audio: Option<Tape>,
    events: Tape,
    is_ended: bool,
}

/// A ring and our place in it.
struct Tape {
    ring: Arc<Ring>,
    cursor: Cursor,
    start: Start,
}

/// What a step brought.
pub(crate) struct Step {
    /// A newer view.
    pub(crate) view: Option<Arc<View>>,
    /// When the frames that were published had arrived.
    pub(crate) published: Vec<MediaTime>,
}

/// Why a packager must begin anew. Its names are deterministic, so players notice nothing but what is lost.
enum Restart {
    /// The reader was slower than the ring, or the group outgrew it.
    Skipped { frames: u64, reason: &'static str },
    /// Another publisher or codec: other rings.
    OtherTracks,
}

impl Reader {
    pub(crate) fn new(stream: Arc<Stream>, limits: Limits, metrics: Arc<Metrics>) -> Self {
        let tape = |kind| stream.source(kind).map(Tape::at_oldest);
        let (video, audio) = (tape(Kind::Video), tape(Kind::Audio));
        let events = Tape::at_oldest(stream.events().clone());
        let tracks =
            Tracks { video: video.as_ref().map(|t| t.start), audio: audio.as_ref().map(|t| t.start) };
        let packager = Packager::new(limits, tracks);
        Self { stream, limits, metrics, packager, video, audio, events, is_ended: false }
    }

    /// Reads what is new and packages it. Errors when a track cannot be written as MP4.
    pub(crate) fn step(&mut self) -> Result<Step, unisono_proto_hls::PackageError> {
        if let Err(restart) = self.read() {
            if let Restart::Skipped { frames, reason } = restart {
                tracing::warn!(stream = %self.stream.id(), frames, reason, "HLS packager lost frames");
                self.metrics.dropped(reason, frames);
            }
            *self = Self::new(self.stream.clone(), self.limits, self.metrics.clone());
            if let Err(Restart::Skipped { .. }) = self.read() {
                // Overtaken again at once: the next step tries again.
                return Ok(Step { view: None, published: Vec::new() });
            }
        }
        // Asked for after the frames, so that the border of each frame is among them.
        self.packager.handle_cuts(&convert(&self.stream.cuts()))?;
        if self.is_ended {
            self.packager.handle_end()?;
        }
        self.metrics.dropped("packager_full", self.packager.poll_dropped());
        Ok(Step { view: self.packager.poll_view(), published: self.packager.poll_published().collect() })
    }

    /// The stream is over and packaged to its end.
    pub(crate) fn is_ended(&self) -> bool {
        self.is_ended
    }

    fn read(&mut self) -> Result<(), Restart> {
        if self.is_ended {
            return Ok(());
        }
        for (kind, tape) in [(Kind::Video, &self.video), (Kind::Audio, &self.audio)] {
            let now = self.stream.source(kind);
            let is_same = match (&now, tape) {
                (Some(ring), Some(tape)) => Arc::ptr_eq(ring, &tape.ring),
                (None, None) => true,
                _ => false,
            };
            if !is_same {
                return Err(Restart::OtherTracks);
            }
        }
        self.read_events();
        for tape in self.video.iter_mut().chain(&mut self.audio) {
            loop {
                match tape.ring.read(&mut tape.cursor) {
                    Read::Frame { frame, group, .. } => {
                        self.packager.handle_frame(frame, group.epoch, group.config.clone());
                    }
                    Read::Skipped { frames, reason } => {
                        return Err(Restart::Skipped { frames, reason: reason.as_str() });
                    }
                    Read::Pending => break,
                    Read::Ended(EndReason::StreamEnded) => {
                        self.is_ended = true;
                        break;
                    }
                    Read::Ended(EndReason::CodecChanged) => return Err(Restart::OtherTracks),
                }
            }
        }
        Ok(())
    }

    fn read_events(&mut self) {
        loop {
            match self.events.ring.read(&mut self.events.cursor) {
                Read::Frame { frame, .. } => match serde_json::from_slice::<RoomEvent>(&frame.payload) {
                    Ok(event) => self.packager.handle_event(Event {
                        at: event.at,
                        duration: event.dur.unwrap_or_default(),
                        id: event.seq as u32,
                        json: frame.payload.clone(),
                    }),
                    Err(error) => {
                        tracing::error!(stream = %self.stream.id(), %error, "event in the hub is not one of ours");
                        self.metrics.dropped("malformed_event", 1);
                    }
                },
                Read::Skipped { frames, reason } => self.metrics.dropped(reason.as_str(), frames),
                Read::Pending | Read::Ended(_) => break,
            }
        }
    }
}

impl Tape {
    fn at_oldest(ring: Arc<Ring>) -> Self {
        let cursor = ring.oldest_group().unwrap_or_else(|| ring.tail());
        let start = if cursor.is_origin() { Start::Origin } else { Start::Middle };
        Self { ring, cursor, start }
    }
}

fn convert(cuts: &Cuts) -> unisono_proto_hls::Cuts {
    let cut = |cut: &unisono_hub::Cut| Cut {
        epoch: cut.epoch,
        segment: cut.segment,
        t: cut.t,
        independent: cut.independent,
        discontinuities: cut.discontinuities,
    };
    unisono_proto_hls::Cuts {
        list: cuts.list.iter().map(cut).collect(),
        horizon: cuts.horizon,
        target: cuts.target,
    }
}
