//! In-order H.264 packets to access units, and what to do after a hole.

use crate::jitter::Packet;
use bytes::Bytes;
use std::time::Instant;
use unisono_media::{
    AvcConfig,
    h264::{AccessUnit, nal},
};
use unisono_mux::rtp::AccessUnitAssembler;

/// RTP aggregation packet (RFC 6184 §5.7.1), in which senders put parameter sets.
const STAP_A: u8 = 24;

/// A whole access unit that somebody can decode.
#[derive(Debug)]
pub(super) struct Assembled {
    pub(super) unit: AccessUnit,
    /// RTP timestamp.
    pub(super) time: u32,
    /// Arrival of its last packet.
    pub(super) arrived: Instant,
    /// The configuration, where it changed.
    pub(super) config: Option<AvcConfig>,
}

/// Where the track stands. Access units pass only from a keyframe with parameter sets on, and none whose packets
/// did not all come.
#[derive(Debug)]
pub(super) struct Video {
    assembler: AccessUnitAssembler,
    /// RTP time and last arrival of the access unit being put together.
    current: Option<(u32, Instant)>,
    hole: Hole,
    needs_key: bool,
    wants_key: bool,
    sps: Option<Bytes>,
    pps: Vec<Bytes>,
    config: Option<AvcConfig>,
}

/// What the last hole left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hole {
    None,
    /// The next packet tells which access unit is broken.
    Fresh,
    /// Packets of this RTP time belong to an access unit whose start may be missing.
    Within(u32),
}

impl Default for Video {
    fn default() -> Self {
        Self {
            assembler: AccessUnitAssembler::default(),
            current: None,
            hole: Hole::None,
            needs_key: true,
            wants_key: false,
            sps: None,
            pps: Vec::new(),
            config: None,
        }
    }
}

impl Video {
    /// Takes the next packet in order; up to two access units come out, the one before it (where the marker was
    /// missing) and its own.
    pub(super) fn push(&mut self, packet: &Packet) -> impl Iterator<Item = Assembled> {
        let (mut before, mut own) = (None, None);
        // Empty payloads are padding: probes of the sender's bandwidth estimation.
        if !packet.payload.is_empty() {
            if self.current.is_some_and(|(time, _)| time != packet.time) {
                before = self.finish();
            }
            if !self.is_broken(packet) {
                own = self.take(packet);
            }
        }
        before.into_iter().chain(own)
    }

    /// Packets before the next one are gone for good.
    pub(super) fn lose(&mut self) {
        self.assembler.reset();
        self.current = None;
        self.needs_key = true;
        self.hole = Hole::Fresh;
    }

    /// Nothing passes until a keyframe comes.
    pub(super) fn needs_key(&self) -> bool {
        self.needs_key
    }

    /// True once after something that only a new keyframe can mend.
    pub(super) fn take_key_wish(&mut self) -> bool {
        std::mem::take(&mut self.wants_key)
    }

    fn take(&mut self, packet: &Packet) -> Option<Assembled> {
        self.current = Some((packet.time, packet.arrived));
        if let Err(error) = self.assembler.push(&packet.payload) {
            tracing::debug!(%error, "H.264 payload refused");
            self.lose();
            self.hole = Hole::Within(packet.time);
            self.wants_key = true;
            return None;
        }
        packet.marker.then(|| self.finish()).flatten()
    }

    fn finish(&mut self) -> Option<Assembled> {
        let (time, arrived) = self.current.take()?;
        let unit = self.assembler.finish()?;
        let config = self.learn(&unit);
        // A keyframe without parameter sets can be decoded by nobody; ask for one with them.
        if (self.needs_key && !unit.key) || self.config.is_none() {
            self.wants_key = true;
            return None;
        }
        self.needs_key = false;
        Some(Assembled { unit, time, arrived, config })
    }

    /// After a hole, an access unit whose start may be missing is left out. One that begins with parameter sets or
    /// a delimiter is whole.
    fn is_broken(&mut self, packet: &Packet) -> bool {
        if self.hole == Hole::Fresh {
            let first = packet.payload[0] & 0x1f;
            let aggregated = packet.payload.get(3).map(|header| header & 0x1f);
            let is_start =
                matches!(first, nal::SPS | nal::AUD) || (first == STAP_A && aggregated == Some(nal::SPS));
            self.hole = if is_start { Hole::None } else { Hole::Within(packet.time) };
        }
        if self.hole == Hole::Within(packet.time) {
            return true;
        }
        self.hole = Hole::None;
        false
    }

    /// Takes the parameter sets an access unit carried; the configuration when it differs from the one in force.
    fn learn(&mut self, unit: &AccessUnit) -> Option<AvcConfig> {
        if unit.sps.is_none() && unit.pps.is_empty() {
            return None;
        }
        if let Some(sps) = &unit.sps {
            self.sps = Some(sps.clone());
        }
        if !unit.pps.is_empty() {
            self.pps.clone_from(&unit.pps);
        }
        let config = AvcConfig::new(self.sps.clone()?, self.pps.clone());
        let config = config.inspect_err(|error| tracing::debug!(%error, "parameter sets refused")).ok()?;
        if self.config.as_ref() == Some(&config) {
            return None;
        }
        self.config = Some(config.clone());
        Some(config)
    }
}
