//! The routes, and what each request waits for.

use crate::{
    audience::NotServed,
    gateway::{NoPackaging, Node},
    packaging::{NoView, Packaging},
    reply::{self, Fresh},
};
use axum::{
    Router,
    extract::{ConnectInfo, Path, RawQuery, Request as HttpRequest, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::Response,
    routing::get,
};
use bytes::Bytes;
use std::{
    hash::BuildHasher,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use tower_http::{
    compression::CompressionLayer,
    cors::{Any, CorsLayer},
};
use unisono_api::{Presented, Problem};
use unisono_auth::{Action, Pass};
use unisono_base::{StreamId, StreamName};
use unisono_hub::{Entrance, Role, Session};
use unisono_media::Kind;
use unisono_proto_hls::{BadRequest, Decision, File, FileName, Request, View};

/// How long a request is held, in target durations (RFC 8216bis §6.2.5.2); then 503.
const HOLD_TARGETS: u32 = 3;

pub(crate) fn router(node: Arc<Node>) -> Router {
    let playlists = Router::new()
        .route("/{app}/{name}/index.m3u8", get(multivariant))
        .route("/{app}/{name}/hls/{playlist}", get(media_playlist))
        .layer(CompressionLayer::new())
        .layer(middleware::map_response(reply::tag_compressed));
    let files = Router::new().route("/{app}/{name}/hls/{epoch}/{kind}/{file}", get(file));
    playlists.merge(files).layer(middleware::from_fn(remember_client)).layer(cors()).with_state(node)
}

/// Any page may play; there are no credentials to protect (tokens travel in the path).
fn cors() -> CorsLayer {
    let exposed = [header::ETAG, header::RETRY_AFTER, header::DATE];
    CorsLayer::new().allow_origin(Any).allow_methods(Any).allow_headers(Any).expose_headers(exposed)
}

/// Who asks: address and user agent, for the viewers' number, and what was presented to be let in.
#[derive(Clone, Debug)]
struct Client {
    seen: (Option<std::net::IpAddr>, Option<Vec<u8>>),
    presented: Presented,
}

async fn remember_client(presented: Presented, mut request: HttpRequest, next: Next) -> Response {
    let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let agent = request.headers().get(header::USER_AGENT).map(|agent| agent.as_bytes().to_vec());
    request.extensions_mut().insert(Client { seen: (address, agent), presented });
    next.run(request).await
}

type Answer = Result<Response, Problem>;
type Shared = State<Arc<Node>>;
type Who = axum::Extension<Client>;

async fn multivariant(
    State(node): Shared,
    Path((app, name)): Path<(String, String)>,
    client: Who,
    headers: HeaderMap,
) -> Answer {
    node.metrics.request("multivariant");
    let (packaging, player) = find(&node, &app, &name, &client)?;
    let view = first_view(&node, &packaging).await?;
    let target_s = view.video.as_ref().or(view.audio.as_ref()).map_or(1, |p| p.target_s());
    let text = Bytes::from(view.multivariant());
    served(&node, player.as_deref(), text.len() as u64);
    Ok(reply::playlist(text, (target_s, Fresh::Plain), &node.access, &headers))
}

async fn media_playlist(
    State(node): Shared,
    Path((app, name, file)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
    client: Who,
    headers: HeaderMap,
) -> Answer {
    node.metrics.request("playlist");
    let kind = match file.as_str() {
        "video.m3u8" => Kind::Video,
        "audio.m3u8" => Kind::Audio,
        _ => return Err(Problem::not_found("the playlists here are video.m3u8 and audio.m3u8")),
    };
    let request = Request::parse(query.as_deref().unwrap_or_default()).map_err(refused)?;
    let (packaging, player) = find(&node, &app, &name, &client)?;
    let view = first_view(&node, &packaging).await?;
    let Some(playlist) = view.playlist(kind) else {
        return Err(Problem::not_found(format!("stream {app}/{name} has no {}", kind.as_str())));
    };
    let target_s = playlist.target_s();
    let text = |view: &Arc<View>| {
        let playlist = view.playlist(kind)?;
        Some(if request.skip.is_some() { playlist.delta() } else { playlist.full() })
    };
    let decide = |view: &Arc<View>| Some(view.playlist(kind)?.position().decide(&request));
    let view = match playlist.position().decide(&request) {
        Decision::Now => view,
        Decision::Refuse(why) => return Err(refused(why)),
        Decision::Wait => {
            // Once waited for, a part is not too far any more: a segment that ended early answers it.
            let grown = |view: &Arc<View>| (decide(view)? != Decision::Wait).then(|| view.clone());
            held(&node, &packaging, target_s, grown).await?
        }
    };
    let fresh = if request.wait.is_some() { Fresh::Blocking } else { Fresh::Plain };
    let text = text(&view).ok_or_else(|| reply::no_stream(format_args!("{app}/{name}")))?;
    served(&node, player.as_deref(), text.len() as u64);
    Ok(reply::playlist(text, (target_s, fresh), &node.access, &headers))
}

async fn file(
    State(node): Shared,
    Path((app, name, epoch, kind, file)): Path<(String, String, String, String, String)>,
    client: Who,
    headers: HeaderMap,
) -> Answer {
    node.metrics.request("file");
    let unknown =
        || Problem::not_found(format!("{epoch}/{kind}/{file} is not in the playlist of {app}/{name}"));
    let wanted = FileName::parse(&epoch, &kind, &file).ok_or_else(unknown)?;
    let (packaging, player) = find(&node, &app, &name, &client)?;
    let view = first_view(&node, &packaging).await?;
    let found = match view.file(&wanted) {
        File::Bytes(chunks) => Some(chunks),
        File::Unknown => None,
        File::Expected => {
            let target_s = view.playlist(wanted.kind).map_or(1, |p| p.target_s());
            let settled = |view: &Arc<View>| match view.file(&wanted) {
                File::Bytes(chunks) => Some(Some(chunks)),
                File::Unknown => Some(None),
                File::Expected => None,
            };
            held(&node, &packaging, target_s, settled).await?
        }
    };
    // A hint that came to nothing: its segment ended, or its epoch did.
    let chunks = found.ok_or_else(unknown)?;
    served(&node, player.as_deref(), chunks.iter().map(|c| c.len() as u64).sum());
    Ok(reply::file(&wanted, chunks, &node.access, &headers))
}

/// Body bytes, in the figures of the door and of the player.
fn served(node: &Node, player: Option<&Session>, bytes: u64) {
    node.metrics.bytes.inc_by(bytes);
    if let Some(player) = player {
        player.add_bytes(bytes);
    }
}

type Found = (Arc<Packaging>, Option<Arc<Session>>);

fn find(node: &Arc<Node>, app: &str, name: &str, client: &Client) -> Result<Found, Problem> {
    let stream = StreamName::new(app, name).map_err(|e| Problem::not_found(e.to_string()))?;
    let id = StreamId::local(stream.clone());
    let pass = let_in(node, client, &id)?;
    let packaging = node.packaging(&id).map_err(|why| match why {
        NoPackaging::NoStream => reply::no_stream(&stream),
        NoPackaging::Full => {
            node.metrics.dropped("packagers_max", 1);
            let max = node.config.packagers_max;
            Problem::unavailable(format!("the server packages {max} streams already, its limit"))
                .retry_after(5)
        }
    })?;
    let now = Instant::now();
    let enter = || {
        node.hub.enter(Entrance {
            role: Role::Viewer,
            protocol: "hls",
            stream: id.clone(),
            address: client.seen.0,
            who: pass.id(),
            token: pass.token().map(str::to_owned),
            since: now,
        })
    };
    let player = packaging.audience.saw(&client.seen, now, enter).map_err(|why| match why {
        NotServed::Refused(refused) => Problem::unavailable(refused.to_string()).retry_after(10),
        NotServed::SentAway(words) => Problem::forbidden(words),
    })?;
    Ok((packaging, player))
}

/// Each request is asked: a token that expires or is revoked ends playback at the next part.
fn let_in(node: &Node, client: &Client, stream: &StreamId) -> Result<Pass, Problem> {
    let now = node.clock.at(Instant::now()).unix_seconds();
    // Who polls is told apart as in the viewers' number: by address and player.
    let identity = node.identities.hash_one(&client.seen);
    let allowed = node.access.allow_polling(client.presented.as_str(), Action::View, stream, identity, now);
    allowed.map_err(|denied| {
        if denied.is_passing() {
            return Problem::unavailable(denied.to_string()).retry_after(5);
        }
        let status =
            if denied.is_unauthenticated() { StatusCode::UNAUTHORIZED } else { StatusCode::FORBIDDEN };
        let problem = Problem::new(status, denied.to_string());
        if denied.is_genuine() { problem.genuine() } else { problem }
    })
}

/// The newest view; for a packager that has just begun, the first one.
async fn first_view(node: &Arc<Node>, packaging: &Packaging) -> Result<Arc<View>, Problem> {
    if let Some(view) = packaging.view() {
        return Ok(view);
    }
    let within = node.config.start_within;
    let starting = "the stream has just begun: the first segment ends with the second keyframe group";
    wait(node, packaging, within, starting, |view| Some(view.clone())).await
}

async fn held<T>(
    node: &Arc<Node>,
    packaging: &Packaging,
    target_s: u32,
    wanted: impl Fn(&Arc<View>) -> Option<T>,
) -> Result<T, Problem> {
    let within = Duration::from_secs((target_s * HOLD_TARGETS).into());
    wait(node, packaging, within, "nothing new came within three target durations", wanted).await
}

/// Holds a request, one of a bounded number.
async fn wait<T>(
    node: &Arc<Node>,
    packaging: &Packaging,
    within: Duration,
    late: &str,
    wanted: impl Fn(&Arc<View>) -> Option<T>,
) -> Result<T, Problem> {
    let Ok(_place) = node.waiters.try_acquire() else {
        node.metrics.dropped("waiters_max", 1);
        let max = node.config.waiters_max;
        return Err(Problem::unavailable(format!("{max} requests wait already, the limit")).retry_after(1));
    };
    let _counted = Counted::new(node);
    packaging.wait(within, wanted).await.map_err(|why| {
        let words = match why {
            NoView::TimedOut => late,
            NoView::Stopped => "the packager has stopped",
        };
        Problem::unavailable(words).retry_after(1)
    })
}

/// One held request in the figures; taken out when its future is dropped, for whatever reason.
struct Counted<'a>(&'a Node);

impl<'a> Counted<'a> {
    fn new(node: &'a Node) -> Self {
        node.metrics.waiters.inc();
        Self(node)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.metrics.waiters.dec();
    }
}

fn refused(why: BadRequest) -> Problem {
    Problem::bad_request(why.to_string())
}
