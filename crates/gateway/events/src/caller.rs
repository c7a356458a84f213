//! Who asks, by the role they must have: extractors, so that a handler begins with somebody who may.

use crate::{
    Context, Vouched, access,
    post::{parse_room, read_body},
    visitor::{self, Claims},
};
use axum::{
    body::Bytes,
    extract::{ConnectInfo, FromRequest, FromRequestParts, Path, Request},
    http::{HeaderMap, request::Parts},
};
use serde::de::DeserializeOwned;
use std::{net::SocketAddr, sync::Arc};
use unisono_api::{Presented, Problem};
use unisono_base::RoomId;
use unisono_room::Visitor;
use unisono_timeline::Role;

/// Somebody who may at least watch what the room in the path is about.
pub(crate) struct AsViewer {
    pub(crate) room: RoomId,
}

/// A moderator of the room in the path, or more.
pub(crate) struct AsModerator {
    pub(crate) room: RoomId,
    pub(crate) visitor: Visitor,
}

/// A host of the room in the path, or the tenant's own system.
pub(crate) struct AsHost {
    pub(crate) room: RoomId,
    pub(crate) visitor: Visitor,
}

/// Whoever has an admin key, or sits at this machine.
pub(crate) struct AsAdmin;

/// A JSON body of at most 8 KiB, taken after whoever sent it was let in.
pub(crate) struct Sent<T>(pub(crate) T);

impl FromRequestParts<Arc<Context>> for AsViewer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, context: &Arc<Context>) -> Result<Self, Problem> {
        let room = room(parts).await?;
        if parts.extensions.get::<Vouched>().is_some() {
            return Ok(Self { room });
        }
        access::view(context, &presented(parts).await, room.stream())?;
        Ok(Self { room })
    }
}

impl FromRequestParts<Arc<Context>> for AsModerator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, context: &Arc<Context>) -> Result<Self, Problem> {
        let (room, visitor) = at_least(Role::Moderator, parts, context).await?;
        Ok(Self { room, visitor })
    }
}

impl FromRequestParts<Arc<Context>> for AsHost {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, context: &Arc<Context>) -> Result<Self, Problem> {
        let (room, visitor) = at_least(Role::Host, parts, context).await?;
        Ok(Self { room, visitor })
    }
}

impl FromRequestParts<Arc<Context>> for AsAdmin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, context: &Arc<Context>) -> Result<Self, Problem> {
        access::admin(context, &presented(parts).await, peer(parts), &parts.headers).map(|_| Self)
    }
}

impl<T: DeserializeOwned> FromRequest<Arc<Context>> for Sent<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, context: &Arc<Context>) -> Result<Self, Problem> {
        let headers: HeaderMap = request.headers().clone();
        read_body(&headers, Bytes::from_request(request, context).await).map(Self)
    }
}

/// The room, and whoever asks if they are of this role at least. A token that counts its uses has counted this one.
async fn at_least(
    role: Role,
    parts: &mut Parts,
    context: &Arc<Context>,
) -> Result<(RoomId, Visitor), Problem> {
    let room = room(parts).await?;
    if let Some(Vouched { visitor, .. }) = parts.extensions.get() {
        let words = || format!("this needs the role {role}; the node that let you in says {}", visitor.role);
        return if visitor.role < role {
            Err(Problem::forbidden(words()))
        } else {
            Ok((room, visitor.clone()))
        };
    }
    let presented = presented(parts).await;
    let here = (peer(parts), &parts.headers);
    let (visitor, pass) = visitor::identify(context, &room, &presented, &Claims::default(), here)?;
    if visitor.role < role {
        let words = format!("this needs the role {role}; a key or a token that grants it helps");
        let is_known = !presented.as_str().is_empty();
        return Err(if is_known { Problem::forbidden(words) } else { Problem::unauthorized(words) });
    }
    access::enter(context, pass)?;
    Ok((room, visitor))
}

async fn room(parts: &mut Parts) -> Result<RoomId, Problem> {
    let path = Path::<String>::from_request_parts(parts, &()).await;
    let Path(room) = path.map_err(|error| Problem::bad_request(error.body_text()))?;
    parse_room(&room)
}

async fn presented(parts: &mut Parts) -> Presented {
    match Presented::from_request_parts(parts, &()).await {
        Ok(presented) => presented,
    }
}

/// As the listener tells it; without it nobody counts as this machine.
fn peer(parts: &Parts) -> Option<SocketAddr> {
    parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer)
}
