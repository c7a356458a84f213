//! T for every frame of one source: its own pts plus an anchor fitted to the frames' arrival (decisions 1).

mod line;
mod window;

use line::Line;
use unisono_base::{MediaTime, Span};
use window::MinWindow;

/// How long an epoch may slew fast, in pts time.
const FAST_FOR: Span = Span::from_secs(10);
/// Slew of the anchor while the fit settles: 5 %.
const FAST_PPM: i64 = 50_000;
/// Slew of the anchor afterwards.
const SLOW_PPM: i64 = 500;
/// A fit that is off by more than this for [`ERROR_FOR`] is given up.
const ERROR_MAX: Span = Span::from_millis(500);
/// See [`ERROR_MAX`]; in arrival time.
const ERROR_FOR: Span = Span::from_secs(5);
/// While the fit settles, a source that is late for so long stays so, and T is slewed to where it is now.
const LATE_FOR: Span = Span::from_secs(2);
/// A step of one track's pts beyond what arrival explains that breaks the timeline at once.
const JUMP: Span = Span::from_secs(1);
/// Two tracks of one source may lie so far apart. It is more than a live picture is worth, but each break would cost more.
const APART_MAX: Span = Span::from_secs(5);
/// How long after a break frames from before it (the other track's last ones) are still recognised.
const STRAGGLERS_FOR: Span = Span::from_secs(2);
/// How far the running minimum may lie above the anchor before the anchor follows.
const WANDER: Span = Span::from_millis(5);
/// Least distance between the last T of an epoch and the first of the next.
const EPOCH_GAP: Span = Span::from_millis(5);
/// Largest round trip believed.
const RTT_MAX: Span = Span::from_secs(1);

/// Maps one source's pts to T. Audio and video of the source share it, so their offset is kept exactly.
///
/// Within an epoch T is a fixed, strictly increasing function of pts: frames of two tracks with one pts get one T,
/// and reordered frames (B-frames) are in the order of their pts. The anchor follows the running minimum of
/// `arrival - RTT/2 - pts` over the last 10 s, by at most 5 % of the elapsed pts time while the fit settles and by
/// 500 ppm afterwards; so a network's jitter is not in T, and a source whose clock drifts is followed both ways. A
/// minimum that rises by less than 5 ms is left alone: that is how a minimum of jitter wanders.
///
/// Frames that come long before their T (a burst at the start, a line that got faster) never break the timeline: T may
/// not go back, so a new epoch would begin no earlier. Frames that come long after it do, but not while the fit
/// settles (docs/decisions/0014).
///
/// A step back of a track's pts by less than 1 s counts as reordering. Tracks may lie up to 5 s apart, as those of an overloaded
/// browser do: their offset is kept, and no track's regular frames break the other's timeline (docs/decisions/0019). Farther apart
/// they break it again and again.
#[derive(Debug)]
pub struct Fit {
    rtt: Span,
    /// T must stay above this: the last one of the publisher before.
    floor: Option<MediaTime>,
    run: Option<Run>,
    /// The run before the last break, for the other track's stragglers.
    before: Option<Before>,
}

/// Whose pts it is: a jump is one of a single track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Track {
    /// Picture.
    Video,
    /// Sound.
    Audio,
}

/// What [`Fit::stamp`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The frame's T.
    pub t: MediaTime,
    /// True once per break, for whichever track meets it first: call `publication.break_timeline` and use the new
    /// epoch for this frame and all that follow, of both tracks. Never true for the very first frame.
    pub breaks: bool,
}

/// One epoch of the fit.
#[derive(Debug)]
struct Run {
    line: Line,
    window: MinWindow,
    /// First pts and its T.
    start: (Span, MediaTime),
    /// T must stay above this: the last one of the epoch, or of the publisher, before.
    floor: Option<MediaTime>,
    /// When the frame with the largest pts arrived.
    frontier_arrival: MediaTime,
    /// The largest pts of each track in this epoch.
    fronts: [Option<Front>; 2],
    /// Since when every frame was off by more than [`ERROR_MAX`].
    off_since: Option<MediaTime>,
    /// T is ahead of arrival and may not go back: slew fast until that is made up for.
    ahead: bool,
    /// The source fell behind while the fit settled: slew fast until T is where it is now.
    behind: bool,
    newest: MediaTime,
}

#[derive(Clone, Copy, Debug)]
struct Front {
    pts: Span,
    arrival: MediaTime,
}

#[derive(Debug)]
struct Before {
    run: Run,
    broke: MediaTime,
}

impl Default for Fit {
    fn default() -> Self {
        Self::new()
    }
}

impl Fit {
    /// A fit that has seen nothing.
    pub fn new() -> Self {
        Self::new_after(None)
    }

    /// The same for a publisher that comes after another, whose last T was `floor`: every T lies above it. Where it lies ahead
    /// of arrival, T begins just above it and is slewed back.
    pub fn new_after(floor: Option<MediaTime>) -> Self {
        Self { rtt: Span::ZERO, floor, run: None, before: None }
    }

    /// The round trip to the publisher, where the protocol measures it. Limited to 0..=1 s; T follows by slewing.
    pub fn set_rtt(&mut self, rtt: Span) {
        self.rtt = rtt.max(Span::ZERO).min(RTT_MAX);
    }

    /// Observes a frame and gives its T. `pts`: publisher's clock, any origin, unwrapped. `arrival`: the node's
    /// timeline clock when the frame was complete. Frames come in the order of arrival, of both tracks mixed.
    pub fn stamp(&mut self, track: Track, pts: Span, arrival: MediaTime) -> Stamp {
        let sent = arrival - Span::from_micros(self.rtt.as_micros() / 2);
        let Some(run) = &mut self.run else {
            // One farther back is out of reach of the other track as well, which may begin a little earlier.
            let floor = self.floor.filter(|floor| sent - *floor <= APART_MAX);
            let mut run = Run::new(pts, arrival, sent, floor);
            run.advance(track, pts, arrival);
            let t = run.start.1;
            self.run = Some(run);
            return Stamp { t, breaks: false };
        };
        if run.may_be_of_the_one_before(track, pts)
            && let Some(t) =
                self.before.as_ref().and_then(|before| before.straggler(pts, arrival, run.start.1))
        {
            // Whatever else this track brings from before the start comes after it.
            run.floor = run.floor.max(Some(t));
            return Stamp { t, breaks: false };
        }
        if run.jumps(track, pts, arrival, sent) || run.is_lost(pts, arrival, sent) {
            return self.begin_again(track, pts, arrival, sent);
        }
        run.advance(track, pts, arrival);
        run.observe(pts, arrival, self.rtt);
        let t = run.t(pts);
        run.newest = run.newest.max(t);
        Stamp { t, breaks: false }
    }

    /// T of a pts by the current fit, without observing: for DTS, and for times a source mentions. Before the
    /// first frame the zero of pts is the zero of T.
    pub fn shift(&self, pts: Span) -> MediaTime {
        self.run.as_ref().map_or(MediaTime::default() + pts, |run| run.t(pts))
    }

    fn begin_again(&mut self, track: Track, pts: Span, arrival: MediaTime, sent: MediaTime) -> Stamp {
        let floor = self.run.as_ref().map(|run| run.newest);
        let mut new = Run::new(pts, arrival, sent, floor);
        new.advance(track, pts, arrival);
        let t = new.start.1;
        self.before = self.run.replace(new).map(|run| Before { run, broke: arrival });
        Stamp { t, breaks: true }
    }
}

impl Run {
    fn new(pts: Span, arrival: MediaTime, sent: MediaTime, floor: Option<MediaTime>) -> Self {
        let earliest = floor.map(|floor| floor + EPOCH_GAP);
        let t = earliest.map_or(sent, |earliest| sent.max(earliest));
        let mut window = MinWindow::default();
        window.observe(arrival, (arrival - MediaTime::default()) - pts);
        Self {
            line: Line::new(pts, t),
            window,
            start: (pts, t),
            floor,
            frontier_arrival: arrival,
            fronts: [None; 2],
            off_since: None,
            ahead: t > sent,
            behind: false,
            newest: t,
        }
    }

    /// A frame that does not fit here, of a track that has brought none that does.
    fn may_be_of_the_one_before(&self, track: Track, pts: Span) -> bool {
        self.fronts[track as usize].is_none() && (pts - self.line.frontier()).abs() > JUMP
    }

    /// The track's pts stepped by more than a second beyond what arrival explains. A step forward must also lead beyond the other
    /// track, to where frames are far too early: catching up after a stall, with frames left out, steps too, but towards the fit. A
    /// step back is always one, since T may not go back. A track's first frame in an epoch has only the other track to be compared with.
    fn jumps(&self, track: Track, pts: Span, arrival: MediaTime, sent: MediaTime) -> bool {
        let newest = Front { pts: self.line.frontier(), arrival: self.frontier_arrival };
        let (front, most) = self.fronts[track as usize].map_or((newest, APART_MAX), |own| (own, JUMP));
        let elapsed = (arrival - front.arrival).max(Span::ZERO);
        let (step, ahead) = (pts - front.pts, pts - newest.pts);
        let is_forward = step > elapsed + most && ahead > JUMP && self.line.at(pts) - sent > most;
        step < -most || is_forward || ahead < -APART_MAX
    }

    fn advance(&mut self, track: Track, pts: Span, arrival: MediaTime) {
        let front = &mut self.fronts[track as usize];
        if front.is_none_or(|front| pts > front.pts) {
            *front = Some(Front { pts, arrival });
        }
    }

    /// Frames have come after their T for so long that only a new epoch helps.
    fn is_lost(&mut self, pts: Span, arrival: MediaTime, sent: MediaTime) -> bool {
        let error = sent - self.line.at(pts);
        let is_early = error < Span::ZERO;
        if error.abs() <= ERROR_MAX || (self.ahead && is_early) {
            self.off_since = None;
            return false;
        }
        let off_since = *self.off_since.get_or_insert(arrival);
        let off_for = arrival - off_since;
        if is_early {
            self.ahead |= off_for >= ERROR_FOR || self.is_settling();
            return false;
        }
        if !self.is_settling() {
            return off_for >= ERROR_FOR;
        }
        if off_for >= LATE_FOR {
            self.behind = true;
            self.window.forget_until(off_since);
        }
        false
    }

    fn is_settling(&self) -> bool {
        self.line.frontier() - self.start.0 < FAST_FOR
    }

    /// Takes the arrival into the running minimum and moves the anchor where pts is new.
    fn observe(&mut self, pts: Span, arrival: MediaTime, rtt: Span) {
        self.window.observe(arrival, (arrival - MediaTime::default()) - pts);
        if pts <= self.line.frontier() {
            return;
        }
        self.frontier_arrival = arrival;
        let least = self.window.min() - Span::from_micros(rtt.as_micros() / 2);
        let target = self.line.newest_anchor().max(least - WANDER).min(least);
        let is_fast = self.ahead || self.behind || self.is_settling();
        let reached = self.line.extend(pts, target, if is_fast { FAST_PPM } else { SLOW_PPM });
        self.ahead &= !reached;
        self.behind &= !reached;
    }

    fn t(&self, pts: Span) -> MediaTime {
        let t = self.line.at(pts);
        match self.floor {
            // The other track may begin a little before the frame that broke: between the floor and the start.
            Some(floor) if t < self.start.1 => self.start.1 - squeeze(self.start.1 - t, self.start.1 - floor),
            _ => t,
        }
    }
}

impl Before {
    /// T of a frame that still belongs to the old run: after its last T and before the first of the new run.
    fn straggler(&self, pts: Span, arrival: MediaTime, next_start: MediaTime) -> Option<MediaTime> {
        if arrival - self.broke > STRAGGLERS_FOR || (pts - self.run.line.frontier()).abs() > JUMP {
            return None;
        }
        let (t, newest) = (self.run.t(pts), self.run.newest);
        let beyond = t - newest;
        // The other half is for what this track brings from before the start of the new run.
        let room = Span::from_micros((next_start - newest).as_micros() / 2);
        Some(if beyond <= Span::ZERO { t } else { newest + squeeze(beyond, room) })
    }
}

/// Maps `0..` into `0..room`, strictly increasing up to [`APART_MAX`] and nearly unchanged where `span` is small: a hyperbola in
/// three quarters of the room, and a straight line that still rises where that is flat.
fn squeeze(span: Span, room: Span) -> Span {
    let (span, room) = (i128::from(span.as_micros()), i128::from(room.as_micros()));
    let (most, rest) = (room * 3 / 4, room / 4);
    let apart_max = i128::from(APART_MAX.as_micros());
    Span::from_micros((span * most / (span + most).max(1) + span.min(apart_max) * rest / apart_max) as i64)
}

#[cfg(test)]
mod tests;
