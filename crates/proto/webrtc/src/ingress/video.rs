//! In-order packets to frames of whatever format the publisher sends, and what to do after a hole.

use crate::jitter::Packet;
use std::time::Instant;
use unisono_media::CodecConfig;
use unisono_mux::rtp::{Depacketizer, VideoFormat, VideoFrame};

/// A whole frame that somebody can decode.
#[derive(Debug)]
pub(super) struct Assembled {
    pub(super) frame: VideoFrame,
    /// RTP timestamp.
    pub(super) time: u32,
    /// Arrival of its last packet.
    pub(super) arrived: Instant,
    /// The configuration, where it changed.
    pub(super) config: Option<CodecConfig>,
}

/// Where the track stands. Frames pass only from a keyframe with a configuration on, and none whose packets did not all
/// come.
#[derive(Debug, Default)]
pub(super) struct Video {
    /// The format being sent, and what puts it together; `None` before the first packet.
    reader: Option<(VideoFormat, Box<dyn Depacketizer>)>,
    /// RTP time and last arrival of the frame being put together.
    current: Option<(u32, Instant)>,
    hole: Hole,
    has_key: bool,
    wants_key: bool,
    config: Option<CodecConfig>,
}

/// What the last hole left behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Hole {
    #[default]
    None,
    /// The next packet tells which frame is broken.
    Fresh,
    /// Packets of this RTP time belong to a frame whose start may be missing.
    Within(u32),
}

impl Video {
    /// Takes the next packet in order; up to two frames come out, the one before it (where the marker was missing) and
    /// its own.
    pub(super) fn push(&mut self, packet: &Packet) -> impl Iterator<Item = Assembled> {
        let (mut before, mut own) = (None, None);
        // Empty payloads are padding: probes of the sender's bandwidth estimation.
        if let (false, Some(format)) = (packet.payload.is_empty(), packet.format) {
            if self.current.is_some_and(|(time, _)| time != packet.time) {
                before = self.finish();
            }
            self.read_as(format);
            if !self.is_broken(packet) {
                own = self.take(packet);
            }
        }
        before.into_iter().chain(own)
    }

    /// Packets before the next one are gone for good.
    pub(super) fn lose(&mut self) {
        if let Some((_, reader)) = &mut self.reader {
            reader.reset();
        }
        self.current = None;
        self.has_key = false;
        self.hole = Hole::Fresh;
    }

    /// Nothing passes until a keyframe comes.
    pub(super) fn needs_key(&self) -> bool {
        !self.has_key
    }

    /// True once after something that only a new keyframe can mend.
    pub(super) fn take_key_wish(&mut self) -> bool {
        std::mem::take(&mut self.wants_key)
    }

    /// A publisher may go over to another format that was negotiated, at a keyframe of it.
    fn read_as(&mut self, format: VideoFormat) {
        if self.reader.as_ref().is_none_or(|(known, _)| *known != format) {
            self.reader = Some((format, format.depacketizer()));
            self.current = None;
            self.has_key = false;
            self.hole = Hole::None;
        }
    }

    fn take(&mut self, packet: &Packet) -> Option<Assembled> {
        self.current = Some((packet.time, packet.arrived));
        let (format, reader) = self.reader.as_mut()?;
        if let Err(error) = reader.push(&packet.payload) {
            tracing::debug!(%error, ?format, "video payload refused");
            self.lose();
            self.hole = Hole::Within(packet.time);
            self.wants_key = true;
            return None;
        }
        packet.marker.then(|| self.finish()).flatten()
    }

    fn finish(&mut self) -> Option<Assembled> {
        let (time, arrived) = self.current.take()?;
        let mut frame = self.reader.as_mut()?.1.finish()?;
        let config = frame.config.take().filter(|config| self.config.as_ref() != Some(config));
        if let Some(config) = &config {
            self.config = Some(config.clone());
        }
        // A keyframe without parameter sets can be decoded by nobody; ask for one with them.
        if (!self.has_key && !frame.key) || self.config.is_none() {
            self.wants_key = true;
            return None;
        }
        self.has_key = true;
        Some(Assembled { frame, time, arrived, config })
    }

    /// After a hole, a frame whose start may be missing is left out.
    fn is_broken(&mut self, packet: &Packet) -> bool {
        if self.hole == Hole::Fresh {
            let is_start = self.reader.as_ref().is_some_and(|(_, reader)| reader.is_start(&packet.payload));
            self.hole = if is_start { Hole::None } else { Hole::Within(packet.time) };
        }
        if self.hole == Hole::Within(packet.time) {
            return true;
        }
        self.hole = Hole::None;
        false
    }
}

#[cfg(test)]
mod tests;
