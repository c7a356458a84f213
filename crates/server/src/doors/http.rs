//! The HTTP accept loop: HTTP/1.1 and HTTP/2 on one port, with TLS or without, bounded in connections and in patience.

use axum::{Router, extract::ConnectInfo, extract::Request, http::Uri};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};
use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;
use unisono_api::PathToken;
use unisono_base::Shown;
use unisono_gateway_webrtc::IceTcp;
use unisono_net::Admission;

/// A peer that has not sent a whole request head by then is let go; so is one that is idle between two requests.
const HEADER_PATIENCE: Duration = Duration::from_secs(30);
/// HTTP/2 peers are asked for a sign of life this often.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Requests in flight on one HTTP/2 connection; a blocking playlist reload holds one.
const STREAMS_MAX: u32 = 100;
/// A TLS handshake that takes longer is given up.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);
/// After an accept error (out of file descriptors, mostly) the loop rests, so that it does not spin.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// What the door counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct HttpMetrics {
    connections: Gauge,
    refused: Counter,
}

impl HttpMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "unisono_http_connections",
            "HTTP connections open now",
            metrics.connections.clone(),
        );
        let help = "HTTP connections closed at once because a limit of connections was reached";
        registry.register("unisono_http_connections_refused", help, metrics.refused.clone());
        metrics
    }
}

/// An HTTP listener with its bound.
pub(crate) struct HttpDoor {
    pub(crate) listener: TcpListener,
    /// A connection that finds no place is closed as soon as it is accepted, and counted. Shared by all HTTP doors.
    pub(crate) admission: Admission,
    pub(crate) metrics: HttpMetrics,
    /// Speaks TLS where it is set.
    pub(crate) tls: Option<TlsAcceptor>,
    /// Takes WebRTC media too, where it is set: what the first byte of a connection tells apart.
    pub(crate) ice: Option<IceTcp>,
}

impl HttpDoor {
    /// Serves `router` until `stop`; then connections finish their requests, which the owner bounds in time.
    pub(crate) async fn serve(self, router: Router, stop: CancellationToken) -> std::io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        let connections = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "an HTTP connection could not be accepted");
                    tokio::time::sleep(ACCEPT_REST).await;
                    continue;
                }
            };
            let place = match self.admission.admit(peer.ip()) {
                Ok(place) => place,
                Err(full) => {
                    self.metrics.refused.inc();
                    tracing::debug!(peer = %Shown::from(peer), "HTTP connection closed: {full}");
                    continue;
                }
            };
            let (router, stop, open) = (router.clone(), stop.clone(), self.metrics.connections.clone());
            let (tls, ice) = (self.tls.clone(), self.ice.clone());
            connections.spawn(async move {
                open.inc();
                // Parts and playlists are answered whole: waiting for more bytes to fill a packet only adds latency.
                let _ = stream.set_nodelay(true);
                if let Some(ice) = ice
                    && !speaks_tls(&stream).await
                {
                    ice.serve(stream).await;
                    open.dec();
                    return drop(place);
                }
                match tls {
                    None => connection(stream, peer, router, stop).await,
                    Some(tls) => match timeout(HANDSHAKE_PATIENCE, tls.accept(stream)).await {
                        Ok(Ok(stream)) => connection(stream, peer, router, stop).await,
                        Ok(Err(error)) => {
                            tracing::debug!(peer = %Shown::from(peer), %error, "TLS handshake failed")
                        }
                        Err(_) => tracing::debug!(peer = %Shown::from(peer), "TLS handshake took too long"),
                    },
                }
                open.dec();
                drop(place);
            });
        }
        connections.close();
        connections.wait().await;
        Ok(())
    }
}

/// Whether a connection begins with a TLS record (22, RFC 8446 §5.1). The length of an ICE-TCP frame, its first two bytes,
/// stays far below that; whatever is neither is the ICE-TCP side's to close.
async fn speaks_tls(stream: &tokio::net::TcpStream) -> bool {
    const HANDSHAKE_RECORD: u8 = 22;
    let mut first = [0];
    let peeked = timeout(HANDSHAKE_PATIENCE, stream.peek(&mut first)).await;
    matches!(peeked, Ok(Ok(1))) && first[0] == HANDSHAKE_RECORD
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    router: Router,
    stop: CancellationToken,
) {
    let service = router.map_request(move |mut request: Request<_>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        take_path_token(&mut request);
        request
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_PATIENCE);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE)
        .max_concurrent_streams(STREAMS_MAX)
        .enable_connect_protocol();
    let io = TokioIo::new(stream);
    let served = builder.serve_connection_with_upgrades(io, TowerToHyperService::new(service));
    let mut served = std::pin::pin!(served);
    let result = tokio::select! {
        result = served.as_mut() => result,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(peer = %Shown::from(peer), error, "HTTP connection ended");
    }
}

/// `/t/{token}/app/name/…` is `/app/name/…` with a token: relative URLs in playlists inherit it, for players that cannot
/// set headers. What is not of that form is left to the router, which knows no `/t/`.
fn take_path_token<B>(request: &mut Request<B>) {
    let Some((token, rest)) = request.uri().path().strip_prefix("/t/").and_then(|path| path.split_once('/'))
    else {
        return;
    };
    let is_token =
        !token.is_empty() && token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let (Ok(path), true) = (format!("/{rest}{query}").parse::<axum::http::uri::PathAndQuery>(), is_token)
    else {
        return;
    };
    let token = PathToken(token.to_owned());
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = Some(path);
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
        request.extensions_mut().insert(token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routed(uri: &str) -> (String, Option<String>) {
        let mut request = axum::http::Request::builder().uri(uri).body(()).expect("valid");
        take_path_token(&mut request);
        let token = request.extensions().get::<PathToken>().map(|token| token.0.clone());
        (request.uri().to_string(), token)
    }

    #[test]
    fn a_token_in_the_path_is_taken_out_before_routing() {
        let with = |path: &str, token: &str| (path.to_owned(), Some(token.to_owned()));
        assert_eq!(
            routed("/t/a.b-c_d.e/live/x/index.m3u8?_HLS_msn=1"),
            with("/live/x/index.m3u8?_HLS_msn=1", "a.b-c_d.e")
        );
        assert_eq!(routed("http://host:1/t/a/live/x"), with("http://host:1/live/x", "a"));
        for other in ["/live/x/index.m3u8", "/t/", "/t/a", "/t//live/x", "/t/a%2e/live/x", "/tv/a/live"] {
            assert_eq!(routed(other), (other.to_owned(), None), "{other}");
        }
    }
}
