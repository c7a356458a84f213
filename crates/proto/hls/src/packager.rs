//! The packager of one stream: frames and borders in, views out.

use crate::{
    events::Events,
    input::{Borders, Cuts, Event, Start},
    playlist::{Playlist, Report},
    segment::Segment,
    track::{Context, Input, Track},
    view::View,
};
use std::{collections::VecDeque, sync::Arc};
use unisono_base::{Epoch, MediaTime, Span};
use unisono_media::{CodecConfig, Frame, Kind};
use unisono_mux::fmp4;

/// Segments listed at least, whatever the other bounds say.
const LISTED_MIN: usize = 6;
/// A window of this many target durations: the six of CAN-SKIP-UNTIL and one that a delta update can skip.
const WINDOW_TARGETS: i64 = 7;
/// Segments still served after they have left the playlist, for players that are a reload behind.
const UNLISTED_MAX: usize = 4;
/// Segments of picture after which a track that has none yet is no longer waited for.
const PATIENCE_SEGMENTS: usize = 2;

/// Bounds of one packager.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of whole segments kept per rendition. Beyond it the oldest are dropped, down to three.
    pub bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes_max: 64 << 20 }
    }
}

/// Which tracks the stream has, and how each of them begins.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tracks {
    /// Picture.
    pub video: Option<Start>,
    /// Sound.
    pub audio: Option<Start>,
}

/// Makes the parts, segments and playlists of one stream.
///
/// Feed a batch with [`Self::handle_frame`] and [`Self::handle_event`], then tell the borders *as they stand after
/// the batch was read* with [`Self::handle_cuts`], then take what came of it with [`Self::poll_view`] and
/// [`Self::poll_published`]. Deterministic: the same frames and borders give the same bytes, names and playlists,
/// wherever in the stream packaging begins.
pub struct Packager {
    limits: Limits,
    borders: Borders,
    events: Events,
    video: Option<Rendition>,
    audio: Option<Rendition>,
    published: Vec<MediaTime>,
    dropped: u64,
    is_ended: bool,
    has_news: bool,
}

/// A track and what of it is listed.
struct Rendition {
    track: Track,
    listed: VecDeque<Arc<Segment>>,
    unlisted: VecDeque<Arc<Segment>>,
    /// Parts published so far, to see whether there is news.
    parts_seen: (u64, usize),
}

impl Packager {
    /// A packager that has seen nothing yet.
    pub fn new(limits: Limits, tracks: Tracks) -> Self {
        Self {
            limits,
            borders: Borders::default(),
            events: Events::default(),
            video: tracks.video.map(|start| Rendition::new(Kind::Video, start)),
            audio: tracks.audio.map(|start| Rendition::new(Kind::Audio, start)),
            published: Vec::new(),
            dropped: 0,
            is_ended: false,
            has_news: false,
        }
    }

    /// A frame in decode order. Frames of a track the packager was not made for are passed over.
    pub fn handle_frame(&mut self, frame: Arc<Frame>, epoch: Epoch, config: Arc<CodecConfig>) {
        let rendition = match config.kind() {
            Kind::Video => &mut self.video,
            Kind::Audio => &mut self.audio,
            Kind::Data => return,
        };
        if let Some(rendition) = rendition {
            self.dropped += u64::from(rendition.track.queue(Input { frame, epoch, config }));
        }
    }

    /// A room event. It goes into the part with the first frame at or after its `at`; a late one into the next part.
    pub fn handle_event(&mut self, event: Event) {
        self.dropped += u64::from(self.events.push(event));
    }

    /// The borders as they stand after the last frame was read. Errors when a track cannot be written as MP4; the
    /// packager is then of no more use.
    pub fn handle_cuts(&mut self, cuts: &Cuts) -> Result<(), fmp4::Error> {
        self.borders.merge(cuts);
        self.step(Track::advance)
    }

    /// The stream is over: the open segments end, and the playlists say so.
    pub fn handle_end(&mut self) -> Result<(), fmp4::Error> {
        self.is_ended = true;
        self.has_news = true;
        self.step(Track::end)
    }

    /// The newest view, when something was published since the last call and there is enough to play.
    pub fn poll_view(&mut self) -> Option<Arc<View>> {
        if !self.has_news || !self.is_playable() {
            return None;
        }
        self.has_news = false;
        Some(Arc::new(self.view()))
    }

    /// When the frames published since the last call had arrived.
    pub fn poll_published(&mut self) -> impl Iterator<Item = MediaTime> + '_ {
        self.published.drain(..)
    }

    /// Frames and events that a bound made go, since the last call.
    pub fn poll_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    fn step(
        &mut self,
        step: impl Fn(&mut Track, &mut Context<'_>) -> Result<(), fmp4::Error>,
    ) -> Result<(), fmp4::Error> {
        // Events travel in the picture, or in the sound where there is none.
        let mut events = Some(&mut self.events);
        for rendition in self.video.iter_mut().chain(&mut self.audio) {
            let mut cx =
                Context { borders: &self.borders, events: events.take(), published: &mut self.published };
            step(&mut rendition.track, &mut cx)?;
            self.has_news |= rendition.collect();
        }
        self.trim();
        Ok(())
    }

    /// Both playlists list the same segments; the lead decides.
    fn trim(&mut self) {
        let Some(target) = self.borders.newest_target() else { return };
        let window = Span::from_micros(target.as_micros() * WINDOW_TARGETS);
        let Some(lead) = self.video.as_ref().or(self.audio.as_ref()) else { return };
        let first = lead.first_listed(window, self.limits.bytes_max);
        for rendition in self.video.iter_mut().chain(&mut self.audio) {
            rendition.unlist_before(first.unwrap_or(0));
        }
    }

    fn is_playable(&self) -> bool {
        let has = |r: &Option<Rendition>| r.as_ref().is_some_and(|r| !r.listed.is_empty());
        let patience =
            |r: &Option<Rendition>| r.as_ref().is_some_and(|r| r.listed.len() >= PATIENCE_SEGMENTS);
        let (video, audio) = (has(&self.video), has(&self.audio));
        let is_known = self.borders.newest_target().is_some() || self.is_ended;
        is_known
            && match (&self.video, &self.audio) {
                (Some(_), Some(_)) => (video && audio) || patience(&self.video) || patience(&self.audio),
                _ => video || audio,
            }
    }

    fn view(&self) -> View {
        let target = self.target();
        let report = |r: &Option<Rendition>, uri| {
            let r = r.as_ref().filter(|r| !r.listed.is_empty())?;
            Some(Report { uri, msn: r.last_part().0, part: r.last_part().1 })
        };
        let playlist = |r: &Option<Rendition>, other| {
            let r = r.as_ref().filter(|r| !r.listed.is_empty())?;
            Some(Playlist::new(
                r.track.kind,
                target,
                (r.listed.iter().cloned().collect(), r.unlisted.iter().cloned().collect()),
                r.open().map(Arc::new),
                r.track.headers.iter().cloned().collect(),
                other,
                self.is_ended,
            ))
        };
        View {
            video: playlist(&self.video, report(&self.audio, "audio.m3u8")),
            audio: playlist(&self.audio, report(&self.video, "video.m3u8")),
            video_config: self.video.as_ref().and_then(|r| r.track.config.clone()),
            audio_config: self.audio.as_ref().and_then(|r| r.track.config.clone()),
        }
    }

    /// Seconds: the largest of the listed epochs', so that a change of epoch never makes a listed segment too long.
    fn target(&self) -> u32 {
        let listed = || self.video.iter().chain(&self.audio).flat_map(|r| &r.listed);
        let longest = listed().map(|s| s.duration.as_micros().saturating_add(500_000) / 1_000_000).max();
        let epochs = listed().filter_map(|s| self.borders.target(s.cut.epoch));
        let target = epochs.chain(self.borders.newest_target()).map(|t| t.as_micros() / 1_000_000).max();
        let target = target.max(longest).unwrap_or(1).max(1);
        // An earlier epoch whose target is no longer known had one of the two there are.
        u32::try_from(if target > 4 { target.max(10) } else { target }).unwrap_or(u32::MAX)
    }
}

impl Rendition {
    fn new(kind: Kind, start: Start) -> Self {
        Self {
            track: Track::new(kind, start),
            listed: VecDeque::new(),
            unlisted: VecDeque::new(),
            parts_seen: (0, 0),
        }
    }

    /// Takes the finished segments; true when a part or segment is new.
    fn collect(&mut self) -> bool {
        self.listed.extend(self.track.finished.drain(..).map(Arc::new));
        let last = self.listed.back().map_or(0, |s| s.cut.segment);
        let open = self.track.open.as_ref().map_or(0, |o| o.segment.parts.len());
        let seen = std::mem::replace(&mut self.parts_seen, (last, open));
        seen != (last, open)
    }

    fn open(&self) -> Option<Segment> {
        self.track.open.as_ref().map(|open| open.segment.clone())
    }

    /// The newest part listed: its segment and its index there; the segment alone when that is a gap.
    fn last_part(&self) -> (u64, Option<u32>) {
        let open = self.track.open.as_ref().map(|o| &o.segment).filter(|s| !s.parts.is_empty());
        let newest = open.or_else(|| self.listed.back().map(|s| &**s));
        newest.map_or((0, None), |s| (s.cut.segment, (s.parts.len() as u32).checked_sub(1)))
    }

    /// Number of the first segment that stays listed.
    fn first_listed(&self, window: Span, bytes_max: usize) -> Option<u64> {
        let (mut duration, mut bytes) = (Span::ZERO, 0);
        let mut first = None;
        for (i, segment) in self.listed.iter().rev().enumerate() {
            bytes += segment.len();
            let fits = duration < window || i < LISTED_MIN;
            if i >= 3 && (bytes > bytes_max || !fits) {
                break;
            }
            duration = duration + segment.duration;
            first = Some(segment.cut.segment);
        }
        first
    }

    fn unlist_before(&mut self, first: u64) {
        while self.listed.len() > 1 && self.listed.front().is_some_and(|s| s.cut.segment < first) {
            self.unlisted.extend(self.listed.pop_front());
        }
        while self.unlisted.len() > UNLISTED_MAX {
            self.unlisted.pop_front();
        }
        let oldest = self.unlisted.front().or(self.listed.front());
        if let Some(oldest) = oldest.map(|s| (s.cut.epoch, s.header)) {
            self.track.headers.retain(|h| (h.epoch, h.n) >= oldest);
        }
    }
}
