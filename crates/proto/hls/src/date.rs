//! PROGRAM-DATE-TIME: RFC 3339 in UTC with milliseconds, rounded down.

use std::fmt;
use unisono_base::MediaTime;

/// Prints `2026-11-21T05:00:00.123Z`.
#[derive(Clone, Copy, Debug)]
pub struct Date(pub MediaTime);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_micros().div_euclid(1_000);
        let (days, millis) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
        let (year, month, day) = civil(days);
        let (hours, minutes, seconds) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1_000 % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{:03}Z", millis % 1_000)
    }
}

/// Gregorian date of a day counted from 1970-01-01. Years are counted from March, so that the leap day is the last
/// of its year; a cycle of 400 years has 146097 days.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (cycle, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (cycle * 400 + year + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_floored_to_the_millisecond() {
        let show = |us| Date(MediaTime::from_micros(us)).to_string();
        assert_eq!(show(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(show(951_782_400_999_999), "2000-02-29T00:00:00.999Z");
        assert_eq!(show(1_795_237_199_123_999), "2026-11-21T04:59:59.123Z");
        assert_eq!(show(4_107_542_399_000_000), "2100-02-28T23:59:59.000Z");
        assert_eq!(show(4_107_542_400_000_000), "2100-03-01T00:00:00.000Z");
    }
}
