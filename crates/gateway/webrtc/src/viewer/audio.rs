//! The sound of one viewer: Opus as it came, or made from AAC while somebody listens.

use super::{Moment, Report};
use crate::{gateway::Shared, transcode::Lease};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use unisono_hub::{Cursor, Read, Ring, Stream};
use unisono_media::{CodecConfig, Kind};
use unisono_mux::rtp::packetize_opus;
use unisono_proto_webrtc::Egress;

/// How often a viewer without sound looks for some.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Audio {
    is_taken: bool,
    track: Option<Track>,
    look_at: Instant,
}

struct Track {
    ring: Arc<Ring>,
    cursor: Cursor,
    _lease: Option<Lease>,
}

impl Audio {
    pub(super) fn new(is_taken: bool, now: Instant) -> Self {
        Self { is_taken, track: None, look_at: now }
    }

    /// No ring to read.
    pub(super) fn is_idle(&self) -> bool {
        self.track.is_none()
    }

    /// Sends all there is. Sound that another codec replaces goes on as soon as there is Opus again: what the viewer
    /// negotiated stays the same.
    pub(super) fn pump(
        &mut self,
        moment: Moment,
        stream: &Arc<Stream>,
        egress: &mut Egress,
        shared: &Shared,
        report: &Report,
    ) {
        if self.track.is_none() && self.is_taken && moment.now >= self.look_at {
            self.look_at = moment.now + LOOK_EVERY;
            self.track = listen(stream, shared);
        }
        let Some(track) = &mut self.track else { return };
        loop {
            match track.ring.read(&mut track.cursor) {
                Read::Frame { frame, group, .. } => {
                    let packets = frame.packets(|| packetize_opus(&frame));
                    egress.send_audio(moment.now, moment.clock, group.epoch, &frame, packets);
                }
                Read::Skipped { frames, reason } => report.skipped(reason, frames),
                Read::Pending => return,
                Read::Ended(_) => break,
            }
        }
        self.track = None;
        self.look_at = moment.now;
    }
}

/// The stream's Opus from now on, or Opus made from its AAC.
fn listen(stream: &Arc<Stream>, shared: &Shared) -> Option<Track> {
    let source = stream.source(Kind::Audio)?;
    match &*source.config()? {
        CodecConfig::Opus(_) => {
            let cursor = source.tail();
            Some(Track { ring: source, cursor, _lease: None })
        }
        CodecConfig::Aac(_) => {
            let lease = shared.transcoders.lease(stream)?;
            let ring = lease.ring().clone();
            let cursor = ring.tail();
            Some(Track { ring, cursor, _lease: Some(lease) })
        }
        _ => None,
    }
}
