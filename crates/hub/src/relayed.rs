//! A stream whose publisher is at another node: its frames come with T, epoch, group and segment borders decided there,
//! and nothing of that is decided again.

use crate::{
    Cut, EndReason, GroupHeader, Hub, PublishError, Ring, Source, State, Stream, Written, stream::Control,
};
use std::sync::Arc;
use unisono_base::{Doorbell, Epoch, KeyId, MediaTime, Span, StreamId};
use unisono_media::{CodecConfig, Frame, Kind};

/// The id that a relayed stream has in place of its publisher's key, which this node does not know.
const RELAY_KEY: &str = "relay";
/// How a relayed stream arrives, for page, API and logs.
const PROTOCOL: &str = "relay";

impl Source {
    /// Its publisher is at another node.
    pub fn is_relayed(&self) -> bool {
        self.protocol == PROTOCOL
    }
}

/// What is known of the publisher at the other node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remote {
    /// The running epoch there.
    pub epoch: Epoch,
    /// It answers keyframe requests.
    pub accepts_pli: bool,
}

/// What of a track stands in front of the first frame that will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The last frame that came before.
    Resumed,
    /// Nothing: it is the track's very first.
    First,
    /// Something that this node does not have.
    Middle,
}

impl Hub {
    /// Begins to write what another node's publisher sends. Rings, viewers and epoch of an earlier relay of this stream
    /// go on. Refused where somebody publishes it here. `doorbell` rings for keyframe requests.
    ///
    /// The watcher is not told: the operator's services hear of a stream from the node that has its publisher.
    pub fn relay(
        &self,
        id: &StreamId,
        remote: Remote,
        doorbell: Arc<dyn Doorbell>,
    ) -> Result<Relayed, PublishError> {
        let key = KeyId::new(RELAY_KEY);
        let mut streams = self.streams.write();
        let state = live(remote);
        let Some(stream) = streams.get(id) else {
            self.admit_one_more(streams.len())?;
            let control = Control {
                state,
                key,
                generation: 1,
                publisher: Some(doorbell),
                last_epoch: Some(remote.epoch),
                lost_since: None,
                stopped: None,
            };
            let stream = Stream::new(id.clone(), self.limits.ring, control, Default::default());
            streams.insert(id.clone(), stream.clone());
            return Ok(Relayed { stream, generation: 1 });
        };
        let stream = stream.clone();
        let mut control = stream.control.lock();
        if matches!(control.state, State::Live { .. }) && control.key != key {
            return Err(PublishError::Taken { stream: id.to_string(), holder: control.key.clone() });
        }
        control.generation += 1;
        control.state = state;
        control.key = key;
        control.last_epoch = Some(remote.epoch);
        control.lost_since = None;
        control.publisher = Some(doorbell);
        let generation = control.generation;
        drop(control);
        stream.ring_doorbells();
        Ok(Relayed { stream, generation })
    }

    /// The other node says that the stream is over: it ends here as well, at once, unless somebody publishes it here.
    pub fn end_relayed(&self, stream: &Arc<Stream>) {
        let mut streams = self.streams.write();
        let is_ours = streams.get(stream.id()).is_some_and(|found| Arc::ptr_eq(found, stream));
        let is_relayed = stream.control.lock().key.as_str() == RELAY_KEY;
        if is_ours && is_relayed {
            streams.remove(stream.id());
            drop(streams);
            stream.end();
        }
    }
}

fn live(remote: Remote) -> State {
    State::Live {
        epoch: remote.epoch,
        source: Source { protocol: PROTOCOL, accepts_pli: remote.accepts_pli },
    }
}

/// The right to write into a relayed stream. Dropping it says that the other node, or its publisher, is lost: viewers wait.
pub struct Relayed {
    stream: Arc<Stream>,
    generation: u64,
}

impl Relayed {
    /// The stream written to.
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// True once somebody else writes: an operator ended it, or a publisher took its place here.
    pub fn is_replaced(&self) -> bool {
        self.stream.control.lock().generation != self.generation
    }

    /// True once the stream has ended here: it waited for its publisher for as long as streams do. Nobody finds it any more,
    /// and nothing brings it back; another [`Hub::relay`] begins a new one.
    pub fn is_over(&self) -> bool {
        self.stream.state() == State::Ended
    }

    /// True once per batch of keyframe requests from viewers. The doorbell rang for it.
    pub fn take_keyframe_request(&self) -> bool {
        self.stream.take_keyframe_request()
    }

    /// The publisher at the other node began a new epoch, or came back.
    pub fn set_remote(&self, remote: Remote) {
        let mut control = self.stream.control.lock();
        if control.generation == self.generation && control.state != State::Ended {
            control.state = live(remote);
            control.last_epoch = Some(remote.epoch);
            drop(control);
            self.stream.ring_doorbells();
        }
    }

    /// The publisher at the other node is lost; viewers wait for it.
    pub fn set_lost(&self) {
        let mut control = self.stream.control.lock();
        if control.generation == self.generation && control.state != State::Ended {
            control.state = State::Lost;
            drop(control);
            self.stream.ring_doorbells();
        }
    }

    /// Segment borders, each before the first frame behind it, and the target duration of the newest epoch.
    pub fn add_cuts(&self, cuts: impl IntoIterator<Item = Cut>, target: Option<Span>) {
        self.stream.take_over_cuts(cuts, target);
    }

    /// Opens the track of the configuration's kind. The same codec as before goes on in the same ring, so that viewers
    /// stay; another one ends it and they look again.
    pub fn open_track(&self, config: &CodecConfig, start: Start) -> RelayedTrack {
        let ring = self.stream.open_track(config);
        let is_seamless = match start {
            Start::Resumed => true,
            Start::First => ring.config().is_none(),
            Start::Middle => false,
        };
        if !is_seamless {
            ring.begin_behind_a_gap();
        }
        self.stream.ring_doorbells();
        RelayedTrack { stream: self.stream.clone(), ring, generation: self.generation, group: None }
    }

    /// There is no such track (any more).
    pub fn close_track(&self, kind: Kind) {
        if self.stream.source(kind).is_some() {
            self.stream.close_track(kind);
            self.stream.ring_doorbells();
        }
    }

    /// One event of the room, as it stands in the other node's data track.
    pub fn append_event(&self, frame: Frame) {
        self.stream.append_event(frame);
    }
}

impl Drop for Relayed {
    fn drop(&mut self) {
        let mut control = self.stream.control.lock();
        if control.generation == self.generation && control.state != State::Ended {
            control.state = State::Lost;
            control.publisher = None;
            drop(control);
            self.stream.ring_doorbells();
        }
    }
}

/// Writes one track of a relayed stream.
pub struct RelayedTrack {
    stream: Arc<Stream>,
    ring: Arc<Ring>,
    generation: u64,
    group: Option<(Epoch, u64)>,
}

impl RelayedTrack {
    /// Appends a frame of the group that `header` describes; a header that differs from the one before opens a group.
    /// `horizon`: no border will be added at a T below it. What is wrong with the stream is said at the other node, which
    /// sees its frames as they come; here some seconds of picture may come before the sound beside them.
    pub fn append(&mut self, header: GroupHeader, frame: Frame, horizon: Option<MediaTime>) -> Written {
        let control = self.stream.control.lock();
        if control.generation != self.generation {
            return Written::Replaced;
        }
        let (config, epoch) = (header.config.clone(), header.epoch);
        if let Some(horizon) = horizon {
            self.stream.move_horizon(horizon);
        }
        let group = (epoch, header.group);
        let opens = (self.group != Some(group)).then_some(header);
        self.group = Some(group);
        self.stream.count(frame.payload.len());
        let (t, now) = (frame.t, frame.arrived);
        self.ring.append(frame, opens, self.stream.holds(t, now));
        drop(control);
        self.stream.ring_for_frame(&config);
        Written::Stored
    }

    /// Frames are missing between the last one and the next. What is in the ring is taken out, so that every reader
    /// learns of it and a packager begins anew behind the gap: a segment with a hole in it would have other bytes than
    /// at the other node.
    pub fn lose(&mut self) {
        self.ring.begin_behind_a_gap();
        self.group = None;
    }

    /// It will not go on.
    pub fn end(self) {
        self.ring.end(EndReason::CodecChanged);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, Read};
    use bytes::Bytes;
    use unisono_media::OpusConfig;

    struct Silent;
    impl Doorbell for Silent {
        fn ring(&self) {}
    }

    fn id() -> StreamId {
        StreamId::local("live/alice".parse().expect("valid"))
    }

    fn opus() -> CodecConfig {
        CodecConfig::Opus(OpusConfig { channels: 2, pre_skip: 0 })
    }

    fn remote(epoch: u32) -> Remote {
        Remote { epoch: Epoch(epoch), accepts_pli: false }
    }

    fn header(group: u64) -> GroupHeader {
        GroupHeader { epoch: Epoch(7), group, segment: 7, config: Arc::new(opus()) }
    }

    fn frame(ms: i64) -> Frame {
        let t = MediaTime::from_micros(ms * 1_000);
        Frame::new(t, t, Bytes::from_static(b"x"))
    }

    #[test]
    fn nothing_is_decided_again() {
        let hub = Hub::new(Limits::default());
        let relayed = hub.relay(&id(), remote(7), Arc::new(Silent)).expect("free");
        let cut = Cut {
            epoch: Epoch(7),
            segment: 99,
            t: MediaTime::from_micros(5),
            independent: true,
            discontinuities: 3,
        };
        relayed.add_cuts([cut], Some(Span::from_secs(4)));
        let mut track = relayed.open_track(&opus(), Start::First);
        track.append(header(41), frame(3_000), Some(MediaTime::from_micros(9)));
        track.append(header(42), frame(9_000), None);
        let cuts = relayed.stream().cuts();
        assert_eq!(cuts.list, [cut], "no border of our own, though six seconds have passed");
        assert_eq!((cuts.horizon, cuts.target), (Some(MediaTime::from_micros(9)), Some(Span::from_secs(4))));
        let ring = relayed.stream().source(Kind::Audio).expect("a track");
        let mut cursor = ring.oldest_group().expect("a group");
        assert!(cursor.is_origin());
        let groups: Vec<_> = std::iter::from_fn(|| match ring.read(&mut cursor) {
            Read::Frame { group, index, .. } => Some((group.group, index)),
            _ => None,
        })
        .collect();
        assert_eq!(groups, [(41, 0), (42, 0)]);
    }

    #[test]
    fn a_reader_learns_of_a_gap_even_at_the_tail() {
        let hub = Hub::new(Limits::default());
        let relayed = hub.relay(&id(), remote(7), Arc::new(Silent)).expect("free");
        let mut track = relayed.open_track(&opus(), Start::First);
        track.append(header(41), frame(0), None);
        let ring = relayed.stream().source(Kind::Audio).expect("a track");
        let mut tail = ring.tail();
        track.lose();
        track.append(header(41), frame(500), None);
        assert!(matches!(ring.read(&mut tail), Read::Skipped { .. }));
        assert!(matches!(ring.read(&mut tail), Read::Frame { frame, .. } if frame.t.as_micros() == 500_000));
        let later = relayed.open_track(&opus(), Start::Middle);
        assert!(ring.oldest_group().is_none(), "a track that begins in the middle has nothing in front");
        drop(later);
    }

    #[test]
    fn a_link_that_comes_back_finds_its_viewers() {
        let hub = Hub::new(Limits::default());
        let relayed = hub.relay(&id(), remote(7), Arc::new(Silent)).expect("free");
        let stream = relayed.stream().clone();
        drop(relayed);
        assert_eq!(stream.state(), State::Lost);
        let again = hub.relay(&id(), remote(7), Arc::new(Silent)).expect("its own");
        assert!(Arc::ptr_eq(again.stream(), &stream));
        assert!(
            matches!(stream.state(), State::Live { epoch: Epoch(7), .. }),
            "the origin's epoch, not a new one"
        );
        hub.end_relayed(&stream);
        assert!(hub.stream(&id()).is_none() && stream.state() == State::Ended);
    }

    #[test]
    fn who_publishes_here_is_not_relayed_over() {
        let hub = Hub::new(Limits::default());
        let source = Source { protocol: "whip", accepts_pli: true };
        let _here = hub.publish(&id(), KeyId::new("k1"), source, 1, Arc::new(Silent)).expect("free");
        assert!(hub.relay(&id(), remote(7), Arc::new(Silent)).is_err());
    }
}
