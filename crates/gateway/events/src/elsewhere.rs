//! Requests about a room that is at another node: whoever asks is let in here, by this node's keys, and the other node
//! answers. Feeds and commands need none of this: [`unisono_room`] mirrors the room for them.

use crate::{
    Context,
    caller::{AsHost, AsModerator, AsViewer},
    post::{BODY_MAX, parse_room},
};
use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{FromRequestParts, RawPathParams, Request, State},
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use std::{pin::Pin, sync::Arc};
use unisono_api::Problem;
use unisono_base::RoomId;
use unisono_room::Visitor;
use unisono_timeline::{Person, Role};

/// Whoever is behind a request was let in by another node, which proved that it belongs to this one: they are who it says,
/// and no more. An extension of the request; nobody can put it there from outside.
#[derive(Clone, Debug)]
pub struct Vouched {
    /// Who.
    pub visitor: Visitor,
    /// The nodes that the request came by.
    pub path: Vec<u64>,
}

/// A request for another node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forwarded {
    /// GET, POST, PUT or DELETE.
    pub method: String,
    /// Path and query, without anything that was presented in them.
    pub uri: String,
    /// Of the body; empty where there is none.
    pub content_type: String,
    /// Id and name of whoever asks.
    pub person: Person,
    /// What they may do there.
    pub role: Role,
}

/// The other node's answer.
pub type Answered<'a> = Pin<Box<dyn Future<Output = Response> + Send + 'a>>;

/// The node that has the rooms which are not here.
pub trait Elsewhere: Send + Sync + 'static {
    /// Has it answer; a response in any case, in words where it does not.
    fn answer<'a>(&'a self, request: Forwarded, body: Bytes, path: Vec<u64>) -> Answered<'a>;
}

/// In front of the routes that only the room's own node can answer.
pub(crate) async fn forward(
    State(context): State<Arc<Context>>,
    names: RawPathParams,
    request: Request,
    next: Next,
) -> Response {
    let Some(elsewhere) = context.elsewhere.clone() else { return next.run(request).await };
    // As the handlers read it: clients may escape its colon.
    let room = names.iter().find(|(name, _)| *name == "room").map(|(_, room)| parse_room(room));
    match room {
        Some(Ok(room)) if context.rooms.is_elsewhere(&room) => {
            let answered = ask(&context, &*elsewhere, &room, request).await;
            answered.unwrap_or_else(IntoResponse::into_response)
        }
        Some(_) | None => next.run(request).await,
    }
}

async fn ask(
    context: &Arc<Context>,
    elsewhere: &dyn Elsewhere,
    room: &RoomId,
    request: Request,
) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let verb = parts.uri.path().rsplit('/').next().unwrap_or_default().to_owned();
    let visitor = let_in(context, &mut parts, &verb).await?;
    let body = read(body).await?;
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let uri = match from_n(&parts) {
        Some(from_n) => format!("/api/v1/rooms/{room}/{verb}?from_n={from_n}"),
        None => format!("/api/v1/rooms/{room}/{verb}"),
    };
    let forwarded = Forwarded {
        method: parts.method.as_str().to_owned(),
        uri,
        content_type: content_type.unwrap_or_default().to_owned(),
        person: visitor.person,
        role: visitor.role,
    };
    let path = parts.extensions.get::<Vouched>().map(|vouched| vouched.path.clone()).unwrap_or_default();
    Ok(elsewhere.answer(forwarded, body, path).await)
}

/// By the same rules as where the room is here.
async fn let_in(context: &Arc<Context>, parts: &mut Parts, verb: &str) -> Result<Visitor, Problem> {
    match verb {
        "windows" | "checkpoints" => {
            AsViewer::from_request_parts(parts, context).await?;
            Ok(Visitor { person: Person { id: "viewer".into(), name: None }, role: Role::Guest })
        }
        "moderation" => Ok(AsModerator::from_request_parts(parts, context).await?.visitor),
        _ => Ok(AsHost::from_request_parts(parts, context).await?.visitor),
    }
}

async fn read(body: Body) -> Result<Bytes, Problem> {
    let words = || format!("the body here is at most {BODY_MAX} bytes");
    to_bytes(body, BODY_MAX).await.map_err(|_| Problem::new(StatusCode::PAYLOAD_TOO_LARGE, words()))
}

/// The one parameter that any of these routes has.
fn from_n(parts: &Parts) -> Option<u64> {
    let pairs = parts.uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(key, _)| *key == "from_n").find_map(|(_, value)| value.parse().ok())
}

impl Forwarded {
    /// As this node's own routes take it. `None` for what no node of this version sends.
    pub fn request(self, body: Bytes, path: Vec<u64>) -> Option<Request> {
        let method = [Method::GET, Method::POST, Method::PUT, Method::DELETE]
            .into_iter()
            .find(|method| method.as_str() == self.method)?;
        let visitor = Visitor { person: self.person, role: self.role };
        let mut request = Request::builder().method(method).uri(self.uri);
        if !self.content_type.is_empty() {
            request = request.header(header::CONTENT_TYPE, HeaderValue::try_from(self.content_type).ok()?);
        }
        request.extension(Vouched { visitor, path }).body(Body::from(body)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forwarded_request_is_the_request_with_who_is_behind_it() {
        let forwarded = Forwarded {
            method: "POST".to_owned(),
            uri: "/api/v1/rooms/live:a/erase".to_owned(),
            content_type: "application/json".to_owned(),
            person: Person { id: "~ann".into(), name: None },
            role: Role::Host,
        };
        let request = forwarded.clone().request(Bytes::from_static(b"{}"), vec![7]).expect("valid");
        assert_eq!((request.method(), request.uri().path()), (&Method::POST, "/api/v1/rooms/live:a/erase"));
        let vouched = request.extensions().get::<Vouched>().expect("there");
        assert_eq!(
            (&vouched.visitor.person.id[..], vouched.visitor.role, &vouched.path[..]),
            ("~ann", Role::Host, &[7][..])
        );
        let other = Forwarded { method: "CONNECT".to_owned(), ..forwarded.clone() };
        assert!(other.request(Bytes::new(), Vec::new()).is_none());
        let broken = Forwarded { content_type: "a\nb".to_owned(), ..forwarded };
        assert!(broken.request(Bytes::new(), Vec::new()).is_none());
    }
}
