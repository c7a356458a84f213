//! The system's clock, as far as it can be seen to be wrong without asking anybody.

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use unisono_base::MediaTime;

/// This program did not exist before: 2026-01-01, seconds since the Unix epoch.
const NOT_BEFORE: Duration = Duration::from_secs(1_767_225_600);
/// Nor will it run then: 2100-01-01.
const NOT_AFTER: Duration = Duration::from_secs(4_102_444_800);

/// The system's clock now; 1970 where it stands before that.
pub(crate) fn realtime() -> MediaTime {
    MediaTime::from_micros(since_epoch().as_micros() as i64)
}

/// What is wrong with the clock and what follows from it; `None` where nothing can be seen.
pub(crate) fn complaint() -> Option<String> {
    words(since_epoch())
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn words(now: Duration) -> Option<String> {
    if (NOT_BEFORE..NOT_AFTER).contains(&now) {
        return None;
    }
    let year = 1970 + now.as_secs() / 31_556_952;
    Some(format!(
        "the system's clock says it is {year}: tokens and certificates will be refused or hold for ever, and times in logs \
         and playlists are wrong; set it (timedatectl set-ntp true), then start again"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_cannot_be_right_is_named_with_its_year() {
        assert!(words(Duration::from_secs(86_400)).expect("wrong").contains("says it is 1970"));
        assert!(words(NOT_AFTER + Duration::from_secs(86_400)).expect("wrong").contains("2100"));
        assert_eq!(words(Duration::from_secs(1_800_000_000)), None);
        assert_eq!(complaint(), None, "this machine's clock");
    }
}
