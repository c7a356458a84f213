//! Answers with files: Range (RFC 9110 §14), entity tags, caching.

use axum::{
    body::Body,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use std::ops::Range;

/// What a request wants of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it.
    Whole,
    /// A stretch.
    Part(Range<u64>),
    /// A stretch that the file does not have.
    Beyond,
}

/// Reads `Range`. A form we do not know, several ranges among them, means the whole file, as RFC 9110 §14.2 allows.
pub(crate) fn wanted(headers: &HeaderMap, length: u64) -> Wanted {
    let text = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    // With If-Range only of the file it was asked of: names never change their bytes, but a clip of a running one might.
    let Some(spec) = text.and_then(|text| text.trim().strip_prefix("bytes=")) else { return Wanted::Whole };
    let Some((from, to)) = spec.split_once('-').filter(|_| !spec.contains(',')) else { return Wanted::Whole };
    let number = |text: &str| text.trim().parse::<u64>();
    let range = match (number(from), number(to)) {
        (Ok(from), Ok(to)) if from <= to => from..to.saturating_add(1).min(length),
        (Ok(from), Err(_)) if to.trim().is_empty() => from..length,
        (Err(_), Ok(last)) if from.trim().is_empty() => length.saturating_sub(last)..length,
        _ => return Wanted::Whole,
    };
    if range.start >= length || range.is_empty() { Wanted::Beyond } else { Wanted::Part(range) }
}

/// 304, where the client has it already.
pub(crate) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    known.split(',').any(|tag| tag.trim() == "*" || tag.trim().trim_start_matches("W/") == etag)
}

/// The answer to what is [`Wanted`]: its head, with `body` of the range, or 416.
pub(crate) fn answer(
    wanted: &Wanted,
    length: u64,
    headers: Vec<(header::HeaderName, String)>,
    body: impl FnOnce(Range<u64>) -> Body,
) -> Response {
    let (status, range) = match wanted {
        Wanted::Whole => (StatusCode::OK, 0..length),
        Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, range.clone()),
        Wanted::Beyond => {
            let whole = [(header::CONTENT_RANGE, format!("bytes */{length}"))];
            return (StatusCode::RANGE_NOT_SATISFIABLE, whole).into_response();
        }
    };
    let mut response = body(range.clone()).into_response();
    *response.status_mut() = status;
    let place = format!("bytes {}-{}/{length}", range.start, range.end.saturating_sub(1));
    let own = [
        (header::CONTENT_LENGTH, (range.end - range.start).to_string()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
    ];
    let part = (status == StatusCode::PARTIAL_CONTENT).then_some((header::CONTENT_RANGE, place));
    for (name, value) in headers.into_iter().chain(own).chain(part) {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(range: &str) -> Wanted {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, range.parse().expect("text"));
        wanted(&headers, 100)
    }

    #[test]
    fn ranges_are_those_of_rfc_9110() {
        assert_eq!(wanted(&HeaderMap::new(), 100), Wanted::Whole);
        assert_eq!(of("bytes=0-"), Wanted::Part(0..100));
        assert_eq!(of("bytes=10-19"), Wanted::Part(10..20));
        assert_eq!(of("bytes=90-200"), Wanted::Part(90..100));
        assert_eq!(of("bytes=-5"), Wanted::Part(95..100));
        assert_eq!(of("bytes=-500"), Wanted::Part(0..100));
        assert_eq!(of("bytes=100-"), Wanted::Beyond);
        assert_eq!(of("bytes=-0"), Wanted::Beyond);
        for other in ["bytes=5-1", "bytes=a-b", "bytes=0-1,5-6", "lines=1-2", "bytes=", "bytes=--1"] {
            assert_eq!(of(other), Wanted::Whole, "{other}");
        }
    }
}
