//! What a client presents to be let in, wherever it stands in the request.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use std::{convert::Infallible, fmt};

/// The cookie that may carry a token.
const COOKIE: &str = "unisono_token";

/// A token that stood in the path, `/t/{token}/…`; the HTTP door takes it out before routing and leaves it here, so
/// that caches and relative URLs never see it in two forms.
#[derive(Clone)]
pub struct PathToken(pub String);

impl fmt::Debug for PathToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PathToken(…)")
    }
}

/// A key or token: `Authorization: Bearer`, else in the path, else the cookie. Empty when there is none.
#[derive(Clone, Default)]
pub struct Presented(String);

impl Presented {
    /// The key or token, to be verified.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same, or what `other` has where nothing was presented.
    pub fn or(self, other: Option<&str>) -> Self {
        if self.0.is_empty() { Self(other.unwrap_or_default().to_owned()) } else { self }
    }
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "Presented(nothing)" } else { "Presented(…)" })
    }
}

impl<S: Sync> FromRequestParts<S> for Presented {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let found = bearer(&parts.headers)
            .map(str::to_owned)
            .or_else(|| parts.extensions.get::<PathToken>().map(|token| token.0.clone()))
            .or_else(|| cookie(&parts.headers).map(str::to_owned));
        Ok(Self(found.unwrap_or_default()))
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, rest) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(rest.trim())
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = pairs.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    async fn presented(headers: &[(&str, &str)], path: Option<&str>) -> String {
        let mut request = Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = path {
            request = request.extension(PathToken(token.to_owned()));
        }
        let (mut parts, ()) = request.body(()).expect("valid").into_parts();
        let Ok(found) = Presented::from_request_parts(&mut parts, &()).await;
        found.as_str().to_owned()
    }

    #[test]
    fn a_header_counts_before_the_path_and_the_path_before_a_cookie() {
        let cookie = ("cookie", "a=b; unisono_token=c");
        let bearer = ("authorization", "bearer h");
        futures_executor(async {
            assert_eq!(presented(&[bearer, cookie], Some("p")).await, "h");
            assert_eq!(presented(&[cookie], Some("p")).await, "p");
            assert_eq!(presented(&[cookie], None).await, "c");
            assert_eq!(presented(&[("authorization", "Basic x")], None).await, "");
        });
    }

    /// The extractor never waits.
    fn futures_executor(future: impl Future<Output = ()>) {
        let mut future = std::pin::pin!(future);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(future.as_mut().poll(&mut context).is_ready());
    }
}
