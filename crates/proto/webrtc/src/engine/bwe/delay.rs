//! Whether a queue grows on the path, by how the distance of frames changes on their way.
//!
//! After "A Google Congestion Control Algorithm for Real-Time Communication" (draft-ietf-rmcat-gcc-02 §5.3, §5.4) with the
//! trendline of Chromium in place of the Kalman filter. What differs: a viewer's packets leave in bursts, a frame each, so
//! a burst counts by its first arrival. That is the queue it found, whatever its own size. And a keyframe leaves a queue
//! that is gone a moment later, so what counts is the shortest queue of a quarter of a second: the standing one.

use super::ring::Micros;

/// Packets sent within this time of a burst's first belong to it, seconds.
const BURST: f64 = 0.005;
/// Points the line is fitted through.
const WINDOW: usize = 20;
/// Seconds between two of them at least: sound alone has 50 bursts a second.
const POINT_EVERY: f64 = 0.025;
/// The shortest delay of so many seconds is the standing one, and so many bursts are looked at for it.
const STANDING_FOR: f64 = 0.25;
const STANDING: usize = 32;
/// Weight of the past in the smoothed delay.
const SMOOTHING: f64 = 0.6;
/// After a pause of so many seconds, what was before says nothing.
const PAUSE: f64 = 2.0;
/// Gradient that counts as growth, ms per second: where it starts, and how far it adapts.
const THRESHOLD: f64 = 50.0;
const THRESHOLD_RANGE: (f64, f64) = (25.0, 600.0);
/// How fast it follows the gradient, per millisecond: slowly up, faster down, so that other traffic does not starve us.
const THRESHOLD_UP: f64 = 0.0087;
const THRESHOLD_DOWN: f64 = 0.039;
/// A gradient further above the threshold than this is a jump of the path and does not move it, ms per second.
const OUTLIER: f64 = 65.0;
/// A growing queue below this is noise, milliseconds.
const QUEUE_SMALL: f64 = 12.0;
/// A queue above this is too long, whether it grows or not, milliseconds.
const QUEUE_LONG: f64 = 200.0;
/// The shortest delay is looked for in so many seconds: clocks of both sides drift apart.
const BASE_FOR: f64 = 10.0;
/// Ticks of the receiver's clock in a second.
const TICKS: f64 = 4_000.0;

/// What the path seems to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Signal {
    /// The queue is short or stays as it is.
    #[default]
    Normal,
    /// More goes in than comes out.
    Overuse,
    /// The queue gets shorter: wait until it is empty.
    Underuse,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Delay {
    burst: Option<Burst>,
    previous: Option<Burst>,
    /// Sums of what bursts came later than they were sent, milliseconds.
    accumulated: f64,
    /// Times and sums of the last bursts; the next one goes to `bursts % STANDING`.
    recent: [(f64, f64); STANDING],
    bursts: usize,
    /// The standing delay, smoothed, milliseconds.
    smoothed: f64,
    /// Seconds since the first burst, and when the last point was made.
    time: f64,
    last_point: f64,
    /// Times and smoothed delays the line is fitted through; the next one goes to `count % WINDOW`.
    points: [(f64, f64); WINDOW],
    count: usize,
    /// Shortest smoothed delay of this period and the one before, and when this began.
    base: (f64, f64),
    base_since: f64,
    gradient: f64,
    threshold: f64,
    /// Points in a row with a growing queue.
    growing: u32,
    signal: Signal,
}

#[derive(Clone, Copy, Debug)]
struct Burst {
    sent: Micros,
    /// First arrival, ticks of the receiver's clock.
    arrived: i32,
}

impl Default for Delay {
    fn default() -> Self {
        Self {
            burst: None,
            previous: None,
            accumulated: 0.0,
            recent: [(0.0, 0.0); STANDING],
            bursts: 0,
            smoothed: 0.0,
            time: 0.0,
            last_point: 0.0,
            points: [(0.0, 0.0); WINDOW],
            count: 0,
            base: (0.0, 0.0),
            base_since: 0.0,
            gradient: 0.0,
            threshold: THRESHOLD,
            growing: 0,
            signal: Signal::Normal,
        }
    }
}

impl Delay {
    /// A packet arrived; in order of sending.
    pub(super) fn add(&mut self, sent: Micros, arrived: i32) {
        let Some(burst) = &mut self.burst else {
            self.burst = Some(Burst { sent, arrived });
            return;
        };
        let since = sent.seconds_since(burst.sent);
        if since < BURST {
            // Sent before or with it.
            if arrived.wrapping_sub(burst.arrived) < 0 {
                burst.arrived = arrived;
            }
            return;
        }
        let done = std::mem::replace(burst, Burst { sent, arrived });
        if let Some(previous) = self.previous.replace(done) {
            self.compare(previous, done);
        }
    }

    /// What the path does now.
    pub(super) fn signal(&self) -> Signal {
        self.signal
    }

    /// How fast the queue grows, milliseconds per second.
    pub(super) fn gradient(&self) -> f64 {
        self.gradient
    }

    /// The queue on the path, milliseconds.
    pub(super) fn queue(&self) -> f64 {
        (self.smoothed - self.base.0.min(self.base.1)).max(0.0)
    }

    fn compare(&mut self, previous: Burst, burst: Burst) {
        let sent = burst.sent.seconds_since(previous.sent);
        if sent > PAUSE {
            *self = Self {
                burst: self.burst,
                previous: self.previous,
                threshold: self.threshold,
                ..Self::default()
            };
            return;
        }
        let arrived = f64::from(burst.arrived.wrapping_sub(previous.arrived)) / TICKS;
        self.time += sent;
        self.accumulated += (arrived - sent) * 1e3;
        self.recent[self.bursts % STANDING] = (self.time, self.accumulated);
        self.bursts += 1;
        let since = self.time - self.last_point;
        if since < POINT_EVERY {
            return;
        }
        self.last_point = self.time;
        self.smoothed = SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * self.standing();
        self.remember_base();
        self.points[self.count % WINDOW] = (self.time, self.smoothed);
        self.count += 1;
        if self.count >= WINDOW / 2 {
            self.gradient = slope(&self.points[..self.count.min(WINDOW)]);
            self.judge(since);
        }
    }

    /// The shortest delay lately.
    fn standing(&self) -> f64 {
        let recent = &self.recent[..self.bursts.min(STANDING)];
        let late = recent.iter().filter(|(time, _)| self.time - time <= STANDING_FOR);
        late.map(|(_, delay)| *delay).fold(self.accumulated, f64::min)
    }

    fn remember_base(&mut self) {
        if self.time - self.base_since >= BASE_FOR {
            self.base = (self.smoothed, self.base.0);
            self.base_since = self.time;
        }
        self.base.0 = self.base.0.min(self.smoothed);
    }

    /// `since` is the time between the last two points, seconds.
    fn judge(&mut self, since: f64) {
        let queue = self.queue();
        let is_growing = self.gradient > self.threshold && queue > QUEUE_SMALL;
        let is_long = queue > QUEUE_LONG && self.gradient > -self.threshold;
        self.growing = if is_growing || is_long { self.growing + 1 } else { 0 };
        self.signal = match self.growing {
            2.. => Signal::Overuse,
            _ if self.gradient < -self.threshold => Signal::Underuse,
            _ => Signal::Normal,
        };
        let distance = self.gradient.abs() - self.threshold;
        if distance < OUTLIER {
            let gain = if distance < 0.0 { THRESHOLD_DOWN } else { THRESHOLD_UP };
            let (least, most) = THRESHOLD_RANGE;
            self.threshold =
                (self.threshold + gain * distance * (since * 1e3).min(100.0) / 10.0).clamp(least, most);
        }
    }
}

/// Of the line with the least squares, per unit of the first number.
fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let (sum_x, sum_y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (mean_x, mean_y) = (sum_x / n, sum_y / n);
    let (above, below) = points.iter().fold((0.0, 0.0), |(above, below), (x, y)| {
        (above + (x - mean_x) * (y - mean_y), below + (x - mean_x) * (x - mean_x))
    });
    if below > 0.0 { above / below } else { 0.0 }
}
