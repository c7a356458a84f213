//! Errors over HTTP: RFC 9457 problem documents, in words that say what to do next.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// `application/problem+json` (RFC 9457 §3): `{status, title, detail}`; `type` is `about:blank`, so left out.
///
/// `title` says what kind of thing went wrong, the same each time; `detail` says what it was this time and what
/// helps. Neither ever holds a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// HTTP status code, repeated in the body.
    pub status: u16,
    /// Short and constant.
    pub title: String,
    /// This occurrence.
    pub detail: String,
    /// Sent as `Retry-After`, in seconds.
    #[serde(skip)]
    pub retry_after: Option<u32>,
    /// See [`Genuine`].
    #[serde(skip)]
    pub is_genuine: bool,
}

/// Beside a 401: what was presented was a real key or token once (expired, revoked), so nobody is guessing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Genuine;

impl Problem {
    /// A problem of `status`; the title is the status code's own phrase.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Problem").to_owned();
        Self { status: status.as_u16(), title, detail: detail.into(), retry_after: None, is_genuine: false }
    }

    /// With a title of its own.
    pub fn titled(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Tells the client when to try again.
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Marks a 401 as [`Genuine`].
    pub fn genuine(mut self) -> Self {
        self.is_genuine = true;
        self
    }

    /// 400: the request cannot be understood.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 401: a key is needed, or this one is not known.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail)
    }

    /// 403: a good key, for something else.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// 404.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// 503: not now.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    /// The status code.
    pub fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status, self.title, self.detail)
    }
}

impl std::error::Error for Problem {}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status_code();
        let mut response = (status, axum::Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.is_genuine {
            response.extensions_mut().insert(Genuine);
        }
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_a_problem_document() {
        let response = Problem::not_found("stream live/bob is not here").retry_after(1).into_response();
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        let json = serde_json::to_value(Problem::bad_request("x")).expect("plain data");
        assert_eq!(json, serde_json::json!({"status": 400, "title": "Bad Request", "detail": "x"}));
    }

    #[test]
    fn a_401_says_how_to_authenticate() {
        let response = Problem::unauthorized("a key is needed").into_response();
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
    }
}
