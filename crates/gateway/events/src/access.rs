//! Who may post: an admin key, a token that grants `host`, or somebody at this machine (decisions 5). Who may read: the
//! node's view policy says.

use crate::Context;
use axum::http::{HeaderMap, header};
use std::net::SocketAddr;
use unisono_api::{Presented, Problem, is_this_machine};
use unisono_auth::{Action, Denied, Pass, is_token};
use unisono_base::{MediaTime, RoomId, StreamId};

/// The actor's name for an event: a key's id, a token's `~subject`, or `local`. A token's pass has to [`enter`].
pub(crate) fn post(
    context: &Context,
    room: &RoomId,
    presented: &Presented,
    peer: Option<SocketAddr>,
    headers: &HeaderMap,
) -> Result<(String, Pass), Problem> {
    if is_token(presented.as_str()) {
        let pass = allow(context, presented, Action::Host, room.stream())?;
        return Ok((pass.id().as_str().to_owned(), pass));
    }
    Ok((admin(context, presented, peer, headers)?, Pass::anyone()))
}

/// The last word before it comes to anything: a token that counts its uses counts this one.
pub(crate) fn enter(context: &Context, pass: Pass) -> Result<Pass, Problem> {
    context.access.enter(pass, now(context)).map_err(|denied| refuse(&denied))
}

/// An admin key's id, or `local`.
pub(crate) fn admin(
    context: &Context,
    presented: &Presented,
    peer: Option<SocketAddr>,
    headers: &HeaderMap,
) -> Result<String, Problem> {
    let is_anonymous = presented.as_str().is_empty() && !headers.contains_key(header::AUTHORIZATION);
    if is_anonymous && is_this_machine(peer, headers) {
        return Ok("local".to_owned());
    }
    if presented.as_str().is_empty() {
        return Err(Problem::unauthorized("an admin key is needed: Authorization: Bearer ak_…"));
    }
    context
        .access
        .admin(presented.as_str())
        .map(|id| id.as_str().to_owned())
        .map_err(|denied| refuse(&denied))
}

/// What lets a reader in.
pub(crate) fn view(context: &Context, presented: &Presented, stream: &StreamId) -> Result<Pass, Problem> {
    allow(context, presented, Action::View, stream)
}

pub(crate) fn allow(
    context: &Context,
    presented: &Presented,
    action: Action,
    stream: &StreamId,
) -> Result<Pass, Problem> {
    context.access.allow(presented.as_str(), action, stream, now(context)).map_err(|denied| refuse(&denied))
}

/// Does it let its reader stay?
pub(crate) fn holds(context: &Context, pass: &Pass) -> bool {
    context.access.recheck(pass, now(context)).is_ok()
}

/// Seconds since the Unix epoch by the node's clock.
fn now(context: &Context) -> u64 {
    MediaTime::from_micros(context.rooms.clock_micros()).unix_seconds()
}

fn refuse(denied: &Denied) -> Problem {
    let words = denied.to_string();
    if denied.is_passing() {
        return Problem::unavailable(words).retry_after(5);
    }
    match (denied.is_unauthenticated(), denied.is_genuine()) {
        (true, true) => Problem::unauthorized(words).genuine(),
        (true, false) => Problem::unauthorized(words),
        (false, _) => Problem::forbidden(words),
    }
}
