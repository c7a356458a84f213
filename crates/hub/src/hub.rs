//! All streams of a node.

use crate::{
    Code, Denial, Entrance, Publication, PublishError, Refused, RingLimits, Role, Sessions, Severity, Source,
    State, Stream, Ticket, Watcher,
    quota::Quotas,
    stream::Control,
    watcher::{Refusals, WatcherSlot},
};
use parking_lot::{Mutex, RwLock};
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};
use unisono_base::{Doorbell, Epoch, KeyId, MediaTime, Quota, Span, StreamId};

/// Bounds of a node's media.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Streams at once.
    pub streams_max: usize,
    /// How long viewers wait for a lost publisher before the stream ends.
    pub linger: Duration,
    /// Bounds of each rendition's ring.
    pub ring: RingLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            streams_max: 1_000,
            linger: Duration::from_secs(30),
            ring: RingLimits { span: Span::from_secs(12), bytes_max: 32 << 20 },
        }
    }
}

/// See the crate.
pub struct Hub {
    pub(crate) limits: Limits,
    pub(crate) streams: RwLock<HashMap<StreamId, Arc<Stream>>>,
    sessions: Arc<Sessions>,
    quotas: Quotas,
    /// Names kept closed, and until when in Unix seconds.
    blocked: Mutex<HashMap<StreamId, u32>>,
    /// Why nobody may begin to publish.
    closed: RwLock<Option<Arc<str>>>,
    watcher: WatcherSlot,
    refusals: Refusals,
}

/// Names kept closed at once; the one that opens first makes room.
const BLOCKED_MAX: usize = 1_000;

impl Hub {
    /// An empty hub.
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            streams: RwLock::default(),
            sessions: Arc::default(),
            quotas: Quotas::default(),
            blocked: Mutex::default(),
            closed: RwLock::default(),
            watcher: WatcherSlot::default(),
            refusals: Refusals::default(),
        })
    }

    /// From now on `watcher` is told what happens. Only the first one is taken.
    pub fn watch(&self, watcher: Arc<dyn Watcher>) {
        if self.watcher.set(watcher).is_err() {
            tracing::error!("the hub has a watcher already; the second one hears nothing");
        }
    }

    /// A door sent a publisher away. Logged, shown on the stream and told to the watcher, each at most once in 10 s.
    pub fn denied(
        &self,
        stream: &StreamId,
        key: Option<KeyId>,
        protocol: &'static str,
        words: String,
        now: MediaTime,
    ) {
        let Some(times) = self.refusals.count(stream, now) else { return };
        let denial = Denial { stream: stream.clone(), key, protocol, words, times };
        let who = denial.key.as_ref().map_or_else(|| "nobody known".to_owned(), |key| format!("key {key}"));
        tracing::warn!(%stream, key = ?denial.key, protocol, times, "a publisher was refused: {}", denial.words);
        if let Some(live) = self.stream(stream) {
            let words = format!(
                "A publisher was refused here ({protocol}, {who}): {}. If it is yours, give it the right key; `unisono \
                 keys list` shows all.",
                denial.words.trim_end_matches(['.', '?'])
            );
            live.happened(Code::KeyRefused, Severity::Warning, words, now);
        }
        if let Some(watcher) = self.watcher.get() {
            watcher.publish_denied(&denial);
        }
    }

    /// A stream that is live or waits for its publisher.
    pub fn stream(&self, id: &StreamId) -> Option<Arc<Stream>> {
        self.streams.read().get(id).cloned()
    }

    /// All of them, in no order.
    pub fn streams(&self) -> Vec<Arc<Stream>> {
        self.streams.read().values().cloned().collect()
    }

    /// Begins to publish. The same key takes over from itself (decisions 11): the old publication learns that it
    /// is replaced, viewers stay and see a new epoch. Another key is refused while the first is live.
    ///
    /// `unix_seconds` is the node's timeline clock; `doorbell` rings for keyframe requests and on replacement.
    pub fn publish(
        &self,
        id: &StreamId,
        key: KeyId,
        source: Source,
        unix_seconds: u32,
        doorbell: Arc<dyn Doorbell>,
    ) -> Result<Publication, PublishError> {
        self.check_block(id, unix_seconds)?;
        if let Some(words) = &*self.closed.read() {
            return Err(PublishError::Closed(words.clone()));
        }
        let mut streams = self.streams.write();
        self.quotas.admit_stream(&key, id, streams.values())?;
        let Some(stream) = streams.get(id) else {
            self.admit_one_more(streams.len())?;
            let epoch = Epoch::next(None, unix_seconds);
            let control = Control {
                state: State::Live { epoch, source: source.clone() },
                key: key.clone(),
                generation: 1,
                publisher: Some(doorbell),
                last_epoch: Some(epoch),
                lost_since: None,
                stopped: None,
            };
            let stream = Stream::new(id.clone(), self.limits.ring, control, self.watcher.clone());
            streams.insert(id.clone(), stream.clone());
            self.is_up(id, &source, &key);
            return Ok(Publication::new(stream, 1, epoch));
        };
        let stream = stream.clone();
        let mut control = stream.control.lock();
        if matches!(control.state, State::Live { .. }) && control.key != key {
            return Err(PublishError::Taken { stream: id.to_string(), holder: control.key.clone() });
        }
        let epoch = Epoch::next(control.last_epoch, unix_seconds);
        control.generation += 1;
        if control.state == State::Lost {
            self.is_up(id, &source, &key);
        }
        control.state = State::Live { epoch, source };
        control.key = key;
        control.last_epoch = Some(epoch);
        control.lost_since = None;
        let replaced = control.publisher.replace(doorbell);
        let generation = control.generation;
        drop(control);
        if let Some(old) = replaced {
            old.ring();
        }
        Ok(Publication::new(stream, generation, epoch))
    }

    pub(crate) fn admit_one_more(&self, streams: usize) -> Result<(), PublishError> {
        let max = self.limits.streams_max;
        if streams < max { Ok(()) } else { Err(PublishError::TooManyStreams { max }) }
    }

    /// Every publisher and viewer of the node.
    pub fn sessions(&self) -> &Arc<Sessions> {
        &self.sessions
    }

    /// Replaces what keys may use. Publishers and viewers that are in stay, but for the bitrate.
    pub fn set_quotas(&self, quotas: impl IntoIterator<Item = (KeyId, Quota)>) {
        self.quotas.replace(quotas);
    }

    /// Lists a publisher or viewer; a viewer only while its stream's key may have one more.
    pub fn enter(&self, entrance: Entrance) -> Result<Ticket, Refused> {
        let publisher = match entrance.role {
            Role::Viewer | Role::Reader => self.stream(&entrance.stream).map(|stream| stream.key()),
            Role::Publisher => None,
        };
        let Some((key, max)) = publisher.and_then(|key| Some((key.clone(), self.quotas.viewers_max(&key)?)))
        else {
            return self.sessions.enter(entrance, |_| Ok(()));
        };
        let of_key: Vec<_> = self.streams().into_iter().filter(|s| s.key() == key).collect();
        let role = entrance.role;
        self.sessions.enter(entrance, |counts| {
            let watching: usize = of_key.iter().map(|stream| counts.of(stream.id(), role)).sum();
            self.quotas.admit_viewer(&key, max, watching)
        })
    }

    /// Refuses whoever begins to publish, in these words, until it is taken back with `None`. Who publishes goes on.
    pub fn close_to_publishers(&self, words: Option<Arc<str>>) {
        *self.closed.write() = words;
    }

    /// Refuses publishers of this name until then, in seconds of the node's clock.
    pub fn block(&self, id: StreamId, until_unix_seconds: u32) {
        let mut blocked = self.blocked.lock();
        if blocked.len() >= BLOCKED_MAX
            && let Some(first) = blocked.iter().min_by_key(|(_, until)| **until).map(|(id, _)| id.clone())
        {
            blocked.remove(&first);
        }
        blocked.insert(id, until_unix_seconds);
    }

    fn check_block(&self, id: &StreamId, unix_seconds: u32) -> Result<(), PublishError> {
        let mut blocked = self.blocked.lock();
        let Some(until) = blocked.get(id).copied() else { return Ok(()) };
        if until <= unix_seconds {
            blocked.remove(id);
            return Ok(());
        }
        Err(PublishError::Blocked { stream: id.to_string(), seconds: until - unix_seconds })
    }

    /// Measures every stream and ends those whose key may not send as much. Call about once a second.
    pub fn measure(&self, now: Instant) {
        for stream in self.streams() {
            let (_, bytes) = stream.ingested();
            let rate = stream.meter.lock().look(now, bytes);
            if !matches!(stream.state(), State::Live { .. }) {
                stream.meter.lock().forget();
                continue;
            }
            if let Err(over) = self.quotas.admit_rate(&stream.key(), rate)
                && stream.stop_publisher(&over.to_string())
            {
                tracing::warn!(stream = %stream.id(), "the publisher is stopped: {over}");
            }
        }
    }

    fn is_up(&self, stream: &StreamId, source: &Source, key: &KeyId) {
        if let Some(watcher) = self.watcher.get() {
            watcher.stream_up(stream, source, key);
        }
    }

    /// Gives the exits what no gate holds back any more, where no publisher's frames do it. Call about once a second, with
    /// the node's timeline clock.
    pub fn release(&self, now: MediaTime) {
        for stream in self.streams().iter().filter(|stream| stream.gate().is_some()) {
            stream.release(now);
            if stream.gate().is_some_and(|gate| gate.is_over(now)) {
                stream.set_gate(None);
            }
        }
    }

    /// Ends streams whose publisher has been gone for the linger time. Call about once a second.
    pub fn sweep(&self, now: Instant) {
        let linger = self.limits.linger;
        let mut ended = Vec::new();
        self.streams.write().retain(|_, stream| {
            let mut control = stream.control.lock();
            if control.state != State::Lost {
                control.lost_since = None;
                return true;
            }
            let since = *control.lost_since.get_or_insert(now);
            let stays = now.saturating_duration_since(since) < linger;
            if !stays {
                ended.push(stream.clone());
            }
            stays
        });
        for stream in ended {
            stream.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EndReason, Read, Written};
    use bytes::Bytes;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use unisono_base::MediaTime;
    use unisono_media::{CodecConfig, Frame, Kind, OpusConfig};

    #[derive(Default)]
    struct Bell(AtomicUsize);
    impl Doorbell for Bell {
        fn ring(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn source() -> Source {
        Source { protocol: "whip", accepts_pli: true }
    }

    fn id() -> StreamId {
        StreamId::local("live/alice".parse().expect("valid"))
    }

    fn opus() -> CodecConfig {
        CodecConfig::Opus(OpusConfig { channels: 2, pre_skip: 0 })
    }

    fn frame(ms: i64) -> Frame {
        let t = MediaTime::from_micros(ms * 1_000);
        Frame::new(t, t, Bytes::from_static(b"x"))
    }

    #[test]
    fn the_same_key_takes_over_and_viewers_stay() {
        let hub = Hub::new(Limits::default());
        let key = KeyId::new("k1");
        let bell = Arc::new(Bell::default());
        let first = hub.publish(&id(), key.clone(), source(), 100, bell.clone()).expect("free");
        let mut writer = first.open_track(opus());
        assert_eq!(writer.append(first.epoch(), frame(0)), Written::Stored);
        let ring = first.stream().source(Kind::Audio).expect("a track");
        let mut reader = ring.oldest_group().expect("a group");

        let second = hub.publish(&id(), key, source(), 100, Arc::new(Bell::default())).expect("own key");
        assert!(first.is_replaced() && !second.is_replaced());
        assert_eq!(bell.0.load(Ordering::Relaxed), 1, "the old publisher is told");
        assert_eq!(writer.append(first.epoch(), frame(20)), Written::Replaced);
        drop(first);
        assert!(matches!(second.stream().state(), State::Live { epoch, .. } if epoch == Epoch(101)));

        let mut writer = second.open_track(opus());
        writer.append(second.epoch(), frame(40));
        let epochs: Vec<_> = std::iter::from_fn(|| match ring.read(&mut reader) {
            Read::Frame { group, .. } => Some(group.epoch),
            _ => None,
        })
        .collect();
        assert_eq!(epochs, [Epoch(100), Epoch(101)]);
    }

    #[test]
    fn another_key_is_refused_in_words() {
        let hub = Hub::new(Limits::default());
        let _first =
            hub.publish(&id(), KeyId::new("k1"), source(), 1, Arc::new(Bell::default())).expect("free");
        let error = hub.publish(&id(), KeyId::new("k2"), source(), 1, Arc::new(Bell::default())).err();
        assert!(error.expect("taken").to_string().contains("key k1"));
    }

    #[test]
    fn a_lost_publisher_is_waited_for() {
        let hub = Hub::new(Limits::default());
        let publication =
            hub.publish(&id(), KeyId::new("k"), source(), 1, Arc::new(Bell::default())).expect("free");
        let mut writer = publication.open_track(opus());
        writer.append(publication.epoch(), frame(0));
        let stream = publication.stream().clone();
        drop(publication);
        let now = Instant::now();
        hub.sweep(now);
        hub.sweep(now + Duration::from_secs(29));
        assert!(hub.stream(&id()).is_some());
        hub.sweep(now + Duration::from_secs(31));
        assert!(hub.stream(&id()).is_none());
        assert_eq!(stream.state(), State::Ended);
        let ring = stream.source(Kind::Audio).expect("still readable");
        assert!(matches!(ring.read(&mut ring.tail()), Read::Ended(EndReason::StreamEnded)));
    }

    #[test]
    fn a_gate_holds_media_and_events_and_lets_them_go_in_order() {
        let hub = Hub::new(Limits::default());
        let at = |ms: i64| MediaTime::from_micros(ms * 1_000);
        let publication =
            hub.publish(&id(), KeyId::new("k"), source(), 1, Arc::new(Bell::default())).expect("free");
        let stream = publication.stream().clone();
        let mut writer = publication.open_track(opus());
        writer.append(publication.epoch(), frame(0));
        let ring = stream.source(Kind::Audio).expect("a track");
        let count = |ring: &crate::Ring| {
            let Some(mut cursor) = ring.oldest_group() else { return 0 };
            std::iter::from_fn(|| matches!(ring.read(&mut cursor), Read::Frame { .. }).then_some(())).count()
        };
        let gate = crate::ReleaseGate::new(at(20), Some(at(60)), Span::from_millis(2_000));
        stream.set_gate(Some(gate.expect("valid")));
        for ms in [20, 40, 60, 80] {
            writer.append(publication.epoch(), frame(ms));
        }
        stream.append_event(Frame::new(at(40), at(50), Bytes::from_static(b"{}")));
        assert_eq!((count(&ring), count(stream.events())), (1, 0), "what follows the span waits behind it");
        writer.append(publication.epoch(), frame(2_020));
        assert_eq!((count(&ring), count(stream.events())), (2, 0), "only the first of it is old enough");
        hub.release(at(2_040));
        assert_eq!((count(&ring), count(stream.events())), (6, 1));
        assert!(stream.gate().is_some());
        hub.release(at(2_060));
        assert!(stream.gate().is_none(), "over");
    }

    #[test]
    fn keyframe_requests_are_coalesced() {
        let hub = Hub::new(Limits::default());
        let bell = Arc::new(Bell::default());
        let publication = hub.publish(&id(), KeyId::new("k"), source(), 1, bell.clone()).expect("free");
        publication.stream().request_keyframe();
        publication.stream().request_keyframe();
        assert_eq!(bell.0.load(Ordering::Relaxed), 1);
        assert!(publication.take_keyframe_request() && !publication.take_keyframe_request());
    }

    #[test]
    fn a_reader_is_rung_for_frames_it_wants_and_for_every_change() {
        let hub = Hub::new(Limits::default());
        let publication =
            hub.publish(&id(), KeyId::new("k"), source(), 1, Arc::new(Bell::default())).expect("free");
        let (all, none) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
        let stream = publication.stream().clone();
        let _all = stream.subscribe(all.clone()).expect("room");
        let _none = stream
            .subscribe_to(none.clone(), |config| !matches!(config, CodecConfig::Opus(_)))
            .expect("room");
        let rung = || (all.0.swap(0, Ordering::Relaxed), none.0.swap(0, Ordering::Relaxed));
        let mut writer = publication.open_track(opus());
        assert_eq!(rung(), (1, 1), "a track");
        writer.append(publication.epoch(), frame(0));
        assert_eq!(rung(), (1, 0), "a frame of a codec that one of them cannot use");
        drop(publication);
        assert_eq!(rung(), (1, 1), "the publisher is gone");
    }
}
