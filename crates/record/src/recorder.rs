//! Takes whole segments out of what the packager of a stream publishes. It never waits for whoever writes them.

use crate::{
    Ended, Gap, HeaderLine, Metrics, Rendition, SegmentLine,
    live::Live,
    queue::{Item, Offered},
};
use bytes::Bytes;
use std::{collections::HashSet, sync::Arc, time::Duration};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use unisono_proto_hls::{File, FileName, Item as Name, Playlist, Segment, View};
use unisono_timeline::audit::Digest;

/// Segments of one recording and rendition: a day of 2 s. The next recording goes on from there.
const SEGMENTS_MAX: u64 = 43_200;
/// How long a recording that was asked to stop goes on at most, to end with a whole segment.
const STOP_WITHIN: Duration = Duration::from_secs(15);

/// See the module.
pub(crate) struct Recorder {
    live: Arc<Live>,
    metrics: Arc<Metrics>,
    /// Number of the last segment taken, by rendition.
    last: [Option<u64>; 2],
    headers: HashSet<FileName>,
    taken: u64,
}

impl Recorder {
    /// `after`: the last segments that the recording before has.
    pub(crate) fn new(live: Arc<Live>, metrics: Arc<Metrics>, after: [Option<u64>; 2]) -> Self {
        Self { live, metrics, last: after, headers: HashSet::new(), taken: 0 }
    }

    /// The last segments taken, for the one that goes on.
    pub(crate) fn last(&self) -> [Option<u64>; 2] {
        self.last
    }

    /// There was a segment to be kept.
    pub(crate) fn has_taken(&self) -> bool {
        self.taken > 0
    }

    /// Until the stream ends, or the packager does, or it is stopped: by `stop` at the next border, by `quit` at once.
    pub(crate) async fn run(
        &mut self,
        views: &mut watch::Receiver<Option<Arc<View>>>,
        stop: &CancellationToken,
        quit: &CancellationToken,
    ) -> Ended {
        let mut until: Option<([Option<u64>; 2], Instant)> = None;
        loop {
            let view = views.borrow_and_update().clone();
            if let Some(view) = view {
                self.take(&view);
                if [&view.video, &view.audio].into_iter().flatten().any(Playlist::is_ended) {
                    return Ended::StreamEnded;
                }
            }
            if self.taken >= SEGMENTS_MAX {
                return Ended::Continued;
            }
            if stop.is_cancelled() {
                let (last, deadline) = *until.get_or_insert((self.last, Instant::now() + STOP_WITHIN));
                let has_grown = |i: usize| self.last[i] > last[i] || last[i].is_none();
                if (has_grown(0) && has_grown(1)) || Instant::now() >= deadline {
                    return Ended::Stopped;
                }
            }
            let deadline = until.map(|(_, deadline)| deadline);
            tokio::select! {
                changed = views.changed() => if changed.is_err() { return Ended::StreamEnded },
                () = stop.cancelled(), if until.is_none() => {}
                () = tokio::time::sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {}
                () = quit.cancelled() => return Ended::Shutdown,
            }
        }
    }

    /// What is whole and new. Every view lists more than there was since the one before.
    fn take(&mut self, view: &View) {
        for (i, rendition) in Rendition::ALL.into_iter().enumerate() {
            let Some(playlist) = view.playlist(rendition.kind()) else { continue };
            for segment in playlist.segments() {
                if self.last[i].is_some_and(|last| segment.cut.segment <= last) {
                    continue;
                }
                self.last[i] = Some(segment.cut.segment);
                self.taken += u64::from(i == 0 || view.video.is_none());
                self.segment(view, rendition, segment);
            }
        }
    }

    fn segment(&mut self, view: &View, rendition: Rendition, segment: &Segment) {
        let line = SegmentLine {
            rendition,
            epoch: segment.cut.epoch.0,
            segment: segment.cut.segment,
            t: segment.t,
            duration: segment.duration,
            breaks: segment.cut.discontinuities,
            header: segment.header,
            independent: segment.cut.independent,
            bytes: segment.len() as u64,
            sha256: None,
            gap: segment.is_gap().then_some(Gap::Silent),
        };
        if segment.is_gap() {
            self.offer(Item::Gap(line));
            return;
        }
        self.header(view, &line);
        let chunks = segment.parts.iter().map(|part| part.bytes.clone()).collect();
        self.offer(Item::Segment(line, chunks));
    }

    fn header(&mut self, view: &View, line: &SegmentLine) {
        let name = line.header_name();
        if self.headers.contains(&name) {
            return;
        }
        let File::Bytes(chunks) = view.file(&name) else { return };
        let bytes: Bytes = match <[Bytes; 1]>::try_from(chunks) {
            Ok([bytes]) => bytes,
            Err(chunks) => chunks.concat().into(),
        };
        let Name::Header(n) = name.item else { return };
        let config = view.config(name.kind);
        let size = config.and_then(|config| config.picture()).map(|picture| (picture.width, picture.height));
        let header = HeaderLine {
            rendition: line.rendition,
            epoch: line.epoch,
            n,
            codecs: config.map(|config| config.rfc6381()).unwrap_or_default(),
            size,
            bytes: bytes.len() as u64,
            // Computed by whoever writes it.
            sha256: Digest::from_bytes([0; 32]),
        };
        // One that finds no room comes again with the next segment: without it none can be played.
        if self.offer(Item::Header(header, bytes)) == Offered::Taken {
            self.headers.insert(name);
        }
    }

    fn offer(&self, item: Item) -> Offered {
        let offered = self.live.queue.offer(item);
        match offered {
            Offered::Taken => {}
            Offered::Gap => {
                self.metrics.lost("queue_bytes_max");
                tracing::warn!(
                    stream = self.live.head.stream, recording = %self.live.head.id,
                    "a segment is lost to the recording: what waits to be written has filled its memory"
                );
            }
            Offered::Nothing => self.metrics.lost("queue_full"),
        }
        offered
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        index::tests::{START, segment},
        manifest::tests::head,
        queue::{Budget, ITEMS_MAX, Queue},
    };
    use unisono_base::{Epoch, MediaTime, Span};
    use unisono_media::{CodecConfig, Frame, OpusConfig};
    use unisono_proto_hls::{Cut, Cuts, Packager, Start, Tracks};

    /// What a packager publishes of so many seconds of sound, in segments of two.
    fn view(seconds: i64) -> Arc<View> {
        let tracks = Tracks { video: None, audio: Some(Start::Origin) };
        let mut packager = Packager::new(Default::default(), tracks);
        let config = Arc::new(CodecConfig::Opus(OpusConfig { channels: 2, pre_skip: 0 }));
        let at = |ms: i64| MediaTime::from_micros(START) + Span::from_millis(ms);
        let epoch = Epoch(1_795_237_200);
        for packet in 0..seconds * 50 {
            let frame = Frame::new(at(packet * 20), at(packet * 20), Bytes::from_static(&[0xfc, 1, 3]));
            packager.handle_frame(Arc::new(frame), epoch, config.clone());
        }
        let cut = |n: i64| Cut {
            epoch,
            segment: n as u64,
            t: at(n * 2_000),
            independent: true,
            discontinuities: 0,
        };
        let list = (0..seconds / 2).map(cut).collect();
        let cuts = Cuts { list, horizon: Some(at(seconds * 1_000)), target: Some(Span::from_secs(4)) };
        packager.handle_cuts(&cuts).expect("packaged");
        packager.poll_view().expect("something whole")
    }

    #[tokio::test]
    async fn a_header_that_found_no_room_comes_with_a_later_segment() {
        let live = Arc::new(Live::new(head(), Queue::new(Budget::new(1 << 20))));
        for n in 0..ITEMS_MAX as u64 {
            live.queue.offer(Item::Gap(segment(Rendition::Audio, n)));
        }
        let metrics = Metrics::register(&mut Default::default());
        let mut recorder = Recorder::new(live.clone(), metrics, [None, None]);
        recorder.take(&view(4));
        while live.queue.next_now().is_some_and(|item| matches!(item, Item::Gap(_))) {}
        recorder.take(&view(8));
        assert!(matches!(live.queue.next_now(), Some(Item::Header(..))), "before the segment that needs it");
        assert!(matches!(live.queue.next_now(), Some(Item::Segment(..))));
    }
}
