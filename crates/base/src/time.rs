//! Media time: points and distances on a stream's timeline, and conversion to wire clocks.

use std::{
    fmt,
    ops::{Add, AddAssign, Neg, Sub},
};

/// T: a point on a stream's media timeline, in microseconds since the Unix epoch on the ingest node's
/// timeline clock. A frame gets its T once, at ingest, and keeps it through every exit.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct MediaTime(i64);

/// A signed distance between two [`MediaTime`]s, in microseconds.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Span(i64);

impl MediaTime {
    /// The point `micros` microseconds after the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, as tokens count; 0 before it.
    pub const fn unix_seconds(self) -> u64 {
        if self.0 < 0 { 0 } else { (self.0 / 1_000_000) as u64 }
    }

    /// This point on a wire clock of `rate` ticks per second that starts at the Unix epoch, rounded down.
    ///
    /// Both 90 kHz video and 48 kHz audio are exact to one tick; the product is taken in 128 bits.
    pub const fn to_ticks(self, rate: u32) -> i64 {
        (self.0 as i128 * rate as i128).div_euclid(1_000_000) as i64
    }

    /// 64-bit NTP timestamp (RFC 5905 §6: seconds since 1900 in the upper half, fraction in the lower), as
    /// `prft`, RTCP SR and abs-capture-time carry it. [`Self::from_ntp`] gives back the same microsecond.
    pub const fn to_ntp(self) -> u64 {
        let seconds = self.0.div_euclid(1_000_000) + NTP_UNIX_OFFSET_S;
        let micros = self.0.rem_euclid(1_000_000) as u64;
        let fraction = (micros << 32).div_ceil(1_000_000);
        ((seconds as u64) << 32) + fraction
    }

    /// Inverse of [`Self::to_ntp`], rounded down to the microsecond.
    pub const fn from_ntp(ntp: u64) -> Self {
        let seconds = (ntp >> 32) as i64 - NTP_UNIX_OFFSET_S;
        let micros = ((ntp & 0xffff_ffff) * 1_000_000) >> 32;
        Self(seconds * 1_000_000 + micros as i64)
    }
}

/// Seconds from 1900-01-01 (NTP era 0) to 1970-01-01 (Unix).
const NTP_UNIX_OFFSET_S: i64 = 2_208_988_800;

impl Span {
    /// No distance.
    pub const ZERO: Self = Self(0);

    /// A distance of `micros` microseconds.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// A distance of `millis` milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis * 1_000)
    }

    /// A distance of whole seconds.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs * 1_000_000)
    }

    /// Microseconds, negative when it points back.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Seconds as a float, for playlists and displays; never for arithmetic on the timeline.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// The distance without its sign.
    pub const fn abs(self) -> Self {
        Self(self.0.abs())
    }
}

impl Sub for MediaTime {
    type Output = Span;
    fn sub(self, rhs: Self) -> Span {
        Span(self.0.wrapping_sub(rhs.0))
    }
}

impl Add<Span> for MediaTime {
    type Output = Self;
    fn add(self, rhs: Span) -> Self {
        Self(self.0.wrapping_add(rhs.0))
    }
}

impl AddAssign<Span> for MediaTime {
    fn add_assign(&mut self, rhs: Span) {
        *self = *self + rhs;
    }
}

impl Sub<Span> for MediaTime {
    type Output = Self;
    fn sub(self, rhs: Span) -> Self {
        Self(self.0.wrapping_sub(rhs.0))
    }
}

impl Add for Span {
    type Output = Self;
    fn add(self, rhs: Self) -> Self {
        Self(self.0.wrapping_add(rhs.0))
    }
}

impl Sub for Span {
    type Output = Self;
    fn sub(self, rhs: Self) -> Self {
        Self(self.0.wrapping_sub(rhs.0))
    }
}

impl Neg for Span {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.wrapping_neg())
    }
}

impl fmt::Display for MediaTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0.div_euclid(1_000_000), self.0.rem_euclid(1_000_000))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} ms", self.0 as f64 / 1e3)
    }
}

/// A point on some wire clock: `value` ticks of `rate` per second, from an origin of that clock's own.
/// Two of them can be compared only after both went through one [`MediaTime`] mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticks {
    /// Ticks since the clock's origin, already unwrapped.
    pub value: i64,
    /// Ticks per second; never zero.
    pub rate: std::num::NonZeroU32,
}

impl Ticks {
    /// The same point in microseconds after the clock's origin, rounded down.
    pub const fn as_span(self) -> Span {
        Span((self.value as i128 * 1_000_000).div_euclid(self.rate.get() as i128) as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ntp_keeps_the_microsecond(us in 0i64..4_000_000_000_000_000) {
            // Era 0 ends in 2036; the round trip holds up to there.
            prop_assume!(us / 1_000_000 + NTP_UNIX_OFFSET_S < 1 << 32);
            let t = MediaTime::from_micros(us);
            prop_assert_eq!(MediaTime::from_ntp(t.to_ntp()), t);
        }

        #[test]
        fn ticks_are_within_one_tick(us in 0i64..4_000_000_000_000_000) {
            let t = MediaTime::from_micros(us);
            let back = i128::from(t.to_ticks(90_000)) * 100 / 9;
            prop_assert!((i128::from(us) - back).abs() <= 12);
        }
    }

    #[test]
    fn video_ticks_are_nine_hundredths_rounded_down() {
        assert_eq!(MediaTime::from_micros(1_000_011).to_ticks(90_000), 90_000);
        assert_eq!(MediaTime::from_micros(1_000_012).to_ticks(90_000), 90_001);
        assert_eq!(MediaTime::from_micros(-1).to_ticks(90_000), -1);
    }
}
