//! `GET /api/v1/rooms/{room}` and the choice of how its feed is carried.

use crate::{
    Context, access,
    commands::explain,
    post::parse_room,
    sse,
    visitor::{self, Claims},
    websocket::{self, Guest},
};
use axum::{
    Extension, Json,
    extract::{
        ConnectInfo, Path, Query, State,
        rejection::QueryRejection,
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, sync::Arc, time::Instant};
use unisono_api::{Presented, Problem, RoomView};
use unisono_auth::is_token;
use unisono_base::RoomId;
use unisono_hub::{Entrance, Role};
use unisono_room::{Feed, Start, Visitor};
use unisono_timeline::{self as timeline, Person};

/// Query of a feed.
#[derive(Debug, Deserialize)]
pub(crate) struct From {
    /// The first `seq` wanted; without it the feed starts with the room as it stands.
    from_seq: Option<u64>,
    /// So many of the last events, as history.
    #[serde(default)]
    tail: u32,
    /// See [`Claims::guest`].
    guest: Option<String>,
    /// See [`Claims::name`].
    name: Option<String>,
}

/// What a feed says beside its events.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Notice<'a> {
    /// First message.
    Hello {
        /// The room.
        room: &'a str,
        /// Its last event; 0 before the first.
        seq: u64,
        /// The node's timeline clock, microseconds.
        t: i64,
        /// Who the reader is here.
        #[serde(skip_serializing_if = "Option::is_none")]
        person: Option<&'a Person>,
        /// What they may do.
        #[serde(skip_serializing_if = "Option::is_none")]
        role: Option<timeline::Role>,
        /// The connection's number.
        #[serde(skip_serializing_if = "Option::is_none")]
        session: Option<u64>,
    },
    /// Answer to a round of the clock exchange (timeline spec 11), microseconds.
    Clock {
        /// The client's own word.
        t0: i64,
        /// When it came in.
        t1: i64,
        /// When this went out.
        t2: i64,
    },
    /// Something the client said was not understood.
    Error {
        /// What, in words.
        words: &'a str,
    },
    /// The client was too slow; events from `from_seq` on follow, `lost` before it are gone.
    Lagged {
        /// `seq` of the next event.
        from_seq: u64,
        /// Events that are kept nowhere any more.
        lost: u64,
    },
}

impl Notice<'_> {
    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// A room at a glance.
pub(crate) async fn room(
    State(context): State<Arc<Context>>,
    Path(room): Path<String>,
    presented: Presented,
) -> Result<Json<RoomView>, Problem> {
    let room = parse_room(&room)?;
    access::view(&context, &presented, room.stream())?;
    let name = room.to_string();
    let look = context.rooms.look(room).await.map_err(|error| explain(&error))?;
    Ok(Json(RoomView { room: name, seq: look.seq, subscribers: look.feeds, members: look.members }))
}

/// The feed, as a WebSocket or as server-sent events.
pub(crate) async fn get(
    State(context): State<Arc<Context>>,
    Path(room): Path<String>,
    query: Result<Query<From>, QueryRejection>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    presented: Presented,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let room = parse_room(&room)?;
    let Query(From { from_seq, tail, guest, name }) = query.map_err(|_| {
        Problem::bad_request(
            "from_seq and tail must be whole numbers: the first seq wanted, and how many to begin with",
        )
    })?;
    let address = peer.map(|Extension(ConnectInfo(peer))| peer);
    let claims = Claims { guest, name };
    let (visitor, pass) = visitor::identify(&context, &room, &presented, &claims, (address, &headers))?;
    if is_token(presented.as_str()) {
        // What a token lets its owner say does not let them listen.
        access::view(&context, &presented, room.stream())?;
    }
    let enter = |protocol| {
        let entrance = Entrance {
            role: Role::Reader,
            protocol,
            stream: room.stream().clone(),
            address: address.map(|peer| peer.ip()),
            who: pass.id(),
            token: pass.token().map(str::to_owned),
            since: Instant::now(),
        };
        context
            .hub
            .enter(entrance)
            .map_err(|refused| Problem::unavailable(refused.to_string()).retry_after(10))
    };
    if let Ok(upgrade) = upgrade {
        let ticket = enter("websocket")?;
        let pass = access::enter(&context, pass)?;
        let feed = open(&context, room.clone(), start(from_seq, tail), Some(&visitor)).await?;
        return Ok(websocket::answer(context, upgrade, room, Guest { visitor, pass, ticket }, feed));
    }
    let accepts_sse = headers
        .get_all(header::ACCEPT)
        .iter()
        .any(|value| value.to_str().is_ok_and(|accept| accept.contains("text/event-stream")));
    if !accepts_sse {
        let words = "open this as a WebSocket, or ask for server-sent events with Accept: text/event-stream";
        let mut response = Problem::new(StatusCode::UPGRADE_REQUIRED, words).into_response();
        response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        return Ok(response);
    }
    // A browser that lost its connection says what it had last; that counts more than how it began.
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse::<u64>().ok());
    let from_seq = last.map(|last| last.saturating_add(1)).or(from_seq);
    let ticket = enter("sse")?;
    let pass = access::enter(&context, pass)?;
    let feed = open(&context, room.clone(), start(from_seq, tail), Some(&visitor)).await?;
    Ok(sse::answer(context, &room, Guest { visitor, pass, ticket }, feed))
}

fn start(from_seq: Option<u64>, tail: u32) -> Start {
    from_seq.map_or(Start::Standing { tail }, Start::From)
}

async fn open(
    context: &Context,
    room: RoomId,
    start: Start,
    visitor: Option<&Visitor>,
) -> Result<Feed, Problem> {
    context.rooms.subscribe(room, start, visitor).await.map_err(|error| explain(&error))
}
