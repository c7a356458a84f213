//! The anchor as a function of pts: piecewise linear, so that T never depends on the order frames came in.

use std::collections::VecDeque;
use unisono_base::{MediaTime, Span};

/// Knots kept: some seconds of frames, far more than any reordering or interleaving spans. A pts before the oldest
/// uses the oldest anchor.
const KNOTS_MAX: usize = 512;
const MILLION: i64 = 1_000_000;

/// `T(pts) = pts + anchor(pts)`. Extended at its frontier only; what was once said about a pts stays true.
#[derive(Debug)]
pub(super) struct Line {
    /// Increasing in pts, never empty.
    knots: VecDeque<Knot>,
    last: Knot,
    /// Slew allowance below one microsecond, in millionths of it.
    allowance: i64,
}

#[derive(Clone, Copy, Debug)]
struct Knot {
    pts: Span,
    anchor: Span,
}

impl Line {
    /// Begins with `pts` at `t`.
    pub(super) fn new(pts: Span, t: MediaTime) -> Self {
        let last = Knot { pts, anchor: (t - MediaTime::default()) - pts };
        Self { knots: VecDeque::from([last]), last, allowance: 0 }
    }

    /// The largest pts it was extended to.
    pub(super) fn frontier(&self) -> Span {
        self.last.pts
    }

    /// The anchor at the frontier.
    pub(super) fn newest_anchor(&self) -> Span {
        self.last.anchor
    }

    /// T of `pts`; ahead of the frontier the newest anchor holds.
    pub(super) fn at(&self, pts: Span) -> MediaTime {
        MediaTime::default() + pts + self.anchor(pts)
    }

    /// Moves the frontier to `pts` and the anchor towards `target` by at most `ppm` of the way. True when the
    /// anchor arrived there.
    pub(super) fn extend(&mut self, pts: Span, target: Span, ppm: i64) -> bool {
        let elapsed = (pts - self.last.pts).as_micros();
        let allowed = elapsed.saturating_mul(ppm).saturating_add(self.allowance);
        self.allowance = allowed % MILLION;
        let wanted = (target - self.last.anchor).as_micros();
        let moved = wanted.clamp(-(allowed / MILLION), allowed / MILLION);
        self.last = Knot { pts, anchor: self.last.anchor + Span::from_micros(moved) };
        if self.knots.len() == KNOTS_MAX {
            self.knots.pop_front();
        }
        self.knots.push_back(self.last);
        moved == wanted
    }

    fn anchor(&self, pts: Span) -> Span {
        if pts >= self.last.pts {
            return self.last.anchor;
        }
        let after = self.knots.partition_point(|knot| knot.pts <= pts);
        let (Some(left), Some(right)) =
            (after.checked_sub(1).and_then(|i| self.knots.get(i)), self.knots.get(after))
        else {
            return self.knots.front().map_or(self.last.anchor, |oldest| oldest.anchor);
        };
        let part = i128::from((pts - left.pts).as_micros());
        let whole = i128::from((right.pts - left.pts).as_micros());
        let rise = i128::from((right.anchor - left.anchor).as_micros());
        left.anchor + Span::from_micros((rise * part / whole) as i64)
    }
}
