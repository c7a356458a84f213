//! Delivery directives (RFC 8216bis §6.2.5) and the one decision they need: answer, hold, or refuse.

use crate::names::number;

/// Parts ahead of the newest that may be asked for: 3 s divided by the part target (§6.2.5.2, "Advance Part Limit").
const ADVANCE_PARTS_MAX: u64 = 6;
/// Segments ahead of the newest complete one that may be asked for (§6.2.5.2).
const ADVANCE_SEGMENTS_MAX: u64 = 2;

/// Why a request cannot be answered. The player's fault; it goes into a 400.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadRequest {
    /// A directive whose value is not a plain decimal number.
    #[error("{0} must be a plain decimal number")]
    NotANumber(&'static str),
    /// A directive stands twice in the query.
    #[error("{0} stands twice in the query")]
    Twice(&'static str),
    /// `_HLS_skip` is neither YES nor v2.
    #[error("_HLS_skip must be YES or v2")]
    Skip,
    /// `_HLS_part` alone.
    #[error("_HLS_part needs _HLS_msn beside it")]
    PartWithoutMsn,
    /// Beyond what can exist soon.
    #[error(
        "segment {msn} is too far ahead: the newest is {newest}, and at most {newest} + 2 can be waited for"
    )]
    SegmentTooFar {
        /// Asked for.
        msn: u64,
        /// Newest complete one.
        newest: u64,
    },
    /// Beyond what can exist soon.
    #[error("part {part} of segment {msn} is more than 6 parts ahead of the newest")]
    PartTooFar {
        /// Segment asked for.
        msn: u64,
        /// Part asked for.
        part: u32,
    },
}

/// Which delta update is wanted (§6.2.5.1). We have no date ranges yet, so the two are answered alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// `_HLS_skip=YES`: older segments.
    Segments,
    /// `_HLS_skip=v2`: older segments and date ranges.
    SegmentsAndDateRanges,
}

/// The directives of one playlist request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Hold the answer until this segment, or `part` of it, is there.
    pub wait: Option<Wait>,
    /// A delta update will do.
    pub skip: Option<Skip>,
}

/// What a blocking request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Media sequence number.
    pub msn: u64,
    /// Part index; without it the whole segment.
    pub part: Option<u32>,
}

impl Request {
    /// Reads the query part of a URL, without the `?`. Other keys are not ours and are passed over, in any order.
    pub fn parse(query: &str) -> Result<Self, BadRequest> {
        let (mut msn, mut part, mut skip) = (None, None, None);
        for pair in query.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match key {
                "_HLS_msn" => set(&mut msn, "_HLS_msn", number(value))?,
                "_HLS_part" => set(&mut part, "_HLS_part", number(value))?,
                "_HLS_skip" => {
                    let kind = match value {
                        "YES" => Skip::Segments,
                        "v2" => Skip::SegmentsAndDateRanges,
                        _ => return Err(BadRequest::Skip),
                    };
                    set(&mut skip, "_HLS_skip", Some(kind))?;
                }
                _ => {}
            }
        }
        let wait = match (msn, part) {
            (Some(msn), part) => Some(Wait { msn, part }),
            (None, Some(_)) => return Err(BadRequest::PartWithoutMsn),
            (None, None) => None,
        };
        Ok(Self { wait, skip })
    }
}

fn set<T>(slot: &mut Option<T>, key: &'static str, value: Option<T>) -> Result<(), BadRequest> {
    let value = value.ok_or(BadRequest::NotANumber(key))?;
    if slot.replace(value).is_some() { Err(BadRequest::Twice(key)) } else { Ok(()) }
}

/// How far a playlist has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Newest complete segment.
    pub complete: u64,
    /// How many parts that segment has.
    pub complete_parts: u32,
    /// How many parts of the segment after it are there.
    pub open_parts: u32,
    /// Nothing more will come.
    pub is_ended: bool,
}

/// What to do with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Answer with the playlist as it stands.
    Now,
    /// Hold it and decide again when the playlist has grown.
    Wait,
    /// Refuse with 400 and these words.
    Refuse(BadRequest),
}

impl Position {
    /// Decides on a request at this position (§6.2.5.2).
    pub fn decide(&self, request: &Request) -> Decision {
        let Some(Wait { msn, part }) = request.wait else { return Decision::Now };
        if self.is_ended {
            return Decision::Now;
        }
        if msn > self.complete.saturating_add(ADVANCE_SEGMENTS_MAX) {
            return Decision::Refuse(BadRequest::SegmentTooFar { msn, newest: self.complete });
        }
        let Some(part) = part else {
            return if msn <= self.complete { Decision::Now } else { Decision::Wait };
        };
        let missing = self.missing_parts(msn, part);
        if missing > ADVANCE_PARTS_MAX {
            return Decision::Refuse(BadRequest::PartTooFar { msn, part });
        }
        if missing == 0 { Decision::Now } else { Decision::Wait }
    }

    /// Parts that must still come before this one is there, at least.
    fn missing_parts(&self, msn: u64, part: u32) -> u64 {
        let part = u64::from(part);
        let open = u64::from(self.open_parts);
        if msn > self.complete + 1 {
            part + 1
        } else if msn == self.complete + 1 {
            (part + 1).saturating_sub(open)
        } else if msn == self.complete && part >= u64::from(self.complete_parts) {
            // "MUST treat the request as one for Part Index 0 of the following Parent Segment."
            u64::from(open == 0)
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Segment 10 is complete with 4 parts; two parts of 11 are there.
    const LIVE: Position = Position { complete: 10, complete_parts: 4, open_parts: 2, is_ended: false };

    fn decide(query: &str) -> Decision {
        LIVE.decide(&Request::parse(query).expect("well formed"))
    }

    #[test]
    fn a_plain_request_is_answered_at_once() {
        assert_eq!(decide(""), Decision::Now);
        assert_eq!(decide("token=x&_HLS_skip=YES"), Decision::Now);
    }

    #[test]
    fn what_is_there_is_answered_at_once() {
        assert_eq!(decide("_HLS_msn=11&_HLS_part=1"), Decision::Now);
        assert_eq!(decide("_HLS_part=1&_HLS_msn=11"), Decision::Now);
        assert_eq!(decide("_HLS_msn=10"), Decision::Now);
    }

    #[test]
    fn stale_requests_get_the_current_playlist_at_once() {
        assert_eq!(decide("_HLS_msn=3"), Decision::Now);
        assert_eq!(decide("_HLS_msn=3&_HLS_part=99"), Decision::Now);
    }

    #[test]
    fn the_future_within_the_limit_waits() {
        for query in [
            "_HLS_msn=11&_HLS_part=2",
            "_HLS_msn=11&_HLS_part=7",
            "_HLS_msn=11",
            "_HLS_msn=12&_HLS_part=0",
            "_HLS_msn=12",
        ] {
            assert_eq!(decide(query), Decision::Wait, "{query}");
        }
    }

    #[test]
    fn the_far_future_is_refused() {
        for query in [
            "_HLS_msn=11&_HLS_part=8",
            "_HLS_msn=12&_HLS_part=6",
            "_HLS_msn=13",
            "_HLS_msn=18446744073709551615",
        ] {
            assert!(matches!(decide(query), Decision::Refuse(_)), "{query}");
        }
    }

    #[test]
    fn a_part_beyond_the_end_of_its_segment_means_the_next_segments_first() {
        assert_eq!(decide("_HLS_msn=10&_HLS_part=4"), Decision::Now, "11.0 is there");
        let at_border = Position { open_parts: 0, ..LIVE };
        let request = Request::parse("_HLS_msn=10&_HLS_part=4").expect("well formed");
        assert_eq!(at_border.decide(&request), Decision::Wait);
    }

    #[test]
    fn an_ended_stream_holds_nothing() {
        let ended = Position { is_ended: true, ..LIVE };
        let request = Request::parse("_HLS_msn=11&_HLS_part=5").expect("well formed");
        assert_eq!(ended.decide(&request), Decision::Now);
    }

    #[test]
    fn a_part_without_its_segment_is_refused() {
        assert_eq!(Request::parse("_HLS_part=1"), Err(BadRequest::PartWithoutMsn));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for query in ["_HLS_msn=", "_HLS_msn", "_HLS_msn=-1", "_HLS_msn=+1", "_HLS_msn=1e3", "_HLS_msn=%31"] {
            assert_eq!(Request::parse(query), Err(BadRequest::NotANumber("_HLS_msn")), "{query}");
        }
        assert_eq!(Request::parse("_HLS_msn=1&_HLS_part=x"), Err(BadRequest::NotANumber("_HLS_part")));
        assert_eq!(Request::parse("_HLS_msn=1&_HLS_msn=1"), Err(BadRequest::Twice("_HLS_msn")));
        assert_eq!(Request::parse("_HLS_skip=no"), Err(BadRequest::Skip));
    }

    proptest! {
        #[test]
        fn any_query_is_read_or_refused(query in ".{0,80}", msn in any::<u64>(), part in any::<u32>()) {
            let _ = Request::parse(&query);
            let text = format!("_HLS_msn={msn}&_HLS_part={part}&_HLS_skip=v2");
            let request = Request::parse(&text).expect("well formed");
            prop_assert_eq!(request.wait, Some(Wait { msn, part: Some(part) }));
            let _ = LIVE.decide(&request);
        }
    }
}
