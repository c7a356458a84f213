//! Who may post: an admin key, a token that grants `host`, or somebody at this machine (decisions 5). Who may read: the
//! node's view policy says.

use crate::Context;
use axum::http::{HeaderMap, Uri, header};
use std::net::{IpAddr, SocketAddr};
use unisono_api::{Presented, Problem};
use unisono_auth::{Action, Denied, Pass, is_token};
use unisono_base::{MediaTime, RoomId, StreamId};

/// Headers by which a proxy says that the client is somebody else than the peer.
const FORWARDED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

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
    match (denied.is_unauthenticated(), denied.is_genuine()) {
        (true, true) => Problem::unauthorized(words).genuine(),
        (true, false) => Problem::unauthorized(words),
        (false, _) => Problem::forbidden(words),
    }
}

/// True when the request was made on this machine by somebody who meant this server: the peer is the loopback
/// address, nobody forwarded it, it names this machine as its host, and no page of another origin is behind it.
/// Without the last three a proxy would let everybody in, and so would a browser here that visits a foreign page
/// (cross-site requests; a foreign name that resolves to the loopback address).
pub fn is_this_machine(peer: Option<SocketAddr>, headers: &HeaderMap) -> bool {
    if !peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback()) {
        return false;
    }
    if FORWARDED.iter().any(|name| headers.contains_key(*name)) {
        return false;
    }
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return false };
    if !names_this_machine(host) {
        return false;
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
    origin.is_some_and(|origin| origin.authority().is_some_and(|authority| authority.as_str() == host))
}

/// `localhost` or a loopback address, with or without a port.
fn names_this_machine(host: &str) -> bool {
    let Ok(authority) = host.parse::<axum::http::uri::Authority>() else { return false };
    let name = authority.host();
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn here(peer: &str, headers: &[(&'static str, &'static str)]) -> bool {
        let peer = peer.parse().expect("an address");
        let headers = headers
            .iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), HeaderValue::from_static(value)));
        is_this_machine(Some(peer), &headers.collect())
    }

    #[test]
    fn this_machine_is_the_loopback_address_under_its_own_name() {
        let host = ("host", "localhost:8080");
        assert!(here("127.0.0.1:5", &[host]) && here("[::1]:5", &[("host", "[::1]:8080")]));
        assert!(here("[::ffff:127.0.0.1]:5", &[("host", "127.0.0.1")]), "a dual-stack socket");
        assert!(here("127.0.0.1:5", &[host, ("origin", "http://localhost:8080")]), "our own page");
        assert!(!here("10.0.0.1:5", &[host]));
        assert!(!here("127.0.0.1:5", &[]));
    }

    #[test]
    fn neither_a_proxy_nor_a_foreign_page_is_this_machine() {
        let host = ("host", "localhost:8080");
        for name in FORWARDED {
            assert!(!here("127.0.0.1:5", &[host, (name, "10.0.0.1")]), "{name}");
        }
        assert!(!here("127.0.0.1:5", &[host, ("origin", "https://evil.example")]));
        assert!(!here("127.0.0.1:5", &[host, ("origin", "http://localhost:9999")]), "another server here");
        assert!(!here("127.0.0.1:5", &[host, ("origin", "null")]));
        assert!(!here("127.0.0.1:5", &[("host", "evil.example:8080")]), "a name that resolves here");
        assert!(!here("127.0.0.1:5", &[("host", "127.0.0.1.evil.example")]));
    }
}
