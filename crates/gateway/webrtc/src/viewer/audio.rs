//! The sound of one viewer: Opus as it came, or made from AAC while somebody listens.

use super::Sending;
use crate::{gateway::Shared, tail::Tail, transcode::Lease};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use unisono_hub::{Cursor, Read, Ring, Stream};
use unisono_media::{CodecConfig, Kind};
use unisono_mux::rtp::packetize_opus;
use unisono_proto_webrtc::engine::SenderId;

/// How often a viewer without sound looks for some.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Audio {
    /// `None` where the viewer takes no sound.
    sender: Option<SenderId>,
    track: Option<Track>,
    look_at: Instant,
}

struct Track {
    ring: Arc<Ring>,
    cursor: Cursor,
    _lease: Option<Lease>,
}

impl Audio {
    pub(super) fn new(sender: Option<SenderId>, now: Instant) -> Self {
        Self { sender, track: None, look_at: now }
    }

    /// No ring to read.
    pub(super) fn is_idle(&self) -> bool {
        self.track.is_none()
    }

    /// Its ring and place there.
    pub(super) fn place(&self) -> Option<(&Arc<Ring>, Cursor)> {
        self.track.as_ref().map(|track| (&track.ring, track.cursor))
    }

    /// Sends what is new at the end of a ring, where it stands there. False when [`Self::pump`] has to look.
    pub(super) fn serve(&mut self, tails: &[Tail], sending: &mut Sending<'_>) -> bool {
        let Some(sender) = self.sender else { return true };
        // A stream without sound is looked at again when it is time, not with every picture.
        let Some(track) = &mut self.track else { return sending.moment.now < self.look_at };
        let Some(tail) = sending.tail(tails, &track.ring, track.cursor) else { return false };
        for fresh in tail.frames() {
            let packets = fresh.frame.packets(|| packetize_opus(&fresh.frame));
            sending.send(sender, fresh.number, fresh.group.epoch, &fresh.frame, packets);
        }
        track.cursor = tail.end();
        true
    }

    /// Sends all there is. Sound that another codec replaces goes on as soon as there is Opus again: what the viewer
    /// negotiated stays the same.
    pub(super) fn pump(&mut self, sending: &mut Sending<'_>, shared: &Shared) {
        let Some(sender) = self.sender else { return };
        if self.track.is_none() && sending.moment.now >= self.look_at {
            self.look_at = sending.moment.now + LOOK_EVERY;
            self.track = listen(sending.stream, shared);
        }
        let Some(track) = &mut self.track else { return };
        loop {
            match track.ring.read(&mut track.cursor) {
                Read::Frame { frame, group, .. } => {
                    let packets = frame.packets(|| packetize_opus(&frame));
                    sending.send(
                        sender,
                        track.cursor.last_read().unwrap_or_default(),
                        group.epoch,
                        &frame,
                        packets,
                    );
                }
                Read::Skipped { frames, reason } => sending.report.skipped(reason, frames),
                Read::Pending => return,
                Read::Ended(_) => break,
            }
        }
        self.track = None;
        self.look_at = sending.moment.now;
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
