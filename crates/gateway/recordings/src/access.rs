//! Who asks, and what they may.

use crate::gateway::Node;
use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, header, request::Parts},
};
use std::{
    convert::Infallible,
    hash::BuildHasher,
    net::{IpAddr, SocketAddr},
    time::Instant,
};
use unisono_api::{Presented, Problem, is_this_machine};
use unisono_auth::{Action, Denied};
use unisono_base::StreamId;

/// Address, headers and what was presented.
pub(crate) struct Caller {
    presented: Presented,
    peer: Option<SocketAddr>,
    pub(crate) headers: HeaderMap,
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let Ok(presented) = Presented::from_request_parts(parts, state).await;
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer);
        Ok(Self { presented, peer, headers: parts.headers.clone() })
    }
}

impl Caller {
    /// May watch the stream, by the same rules as live. Asked with every request.
    pub(crate) async fn view(&self, node: &Node, stream: &StreamId) -> Result<(), Problem> {
        let token = self.presented.as_str();
        if let Some(prepare) = &node.context.prepare {
            prepare.prepare(token, stream).await;
        }
        // As HLS players are told apart.
        let agent = self.headers.get(header::USER_AGENT).map(|agent| agent.as_bytes().to_vec());
        let client: (Option<IpAddr>, Option<Vec<u8>>) = (self.peer.map(|peer| peer.ip()), agent);
        let identity = node.identities.hash_one(client);
        let allowed =
            node.context.access.allow_polling(token, Action::View, stream, identity, self.now(node));
        match allowed {
            Ok(_) => Ok(()),
            // Whoever may take it away may look at it.
            Err(_) if self.admin(node).is_ok() => Ok(()),
            Err(denied) => Err(refuse(&denied)),
        }
    }

    /// Has an admin key, or sits at this machine.
    pub(crate) fn admin(&self, node: &Node) -> Result<(), Problem> {
        let is_anonymous =
            self.presented.as_str().is_empty() && !self.headers.contains_key(header::AUTHORIZATION);
        if is_anonymous && is_this_machine(self.peer, &self.headers) {
            return Ok(());
        }
        if self.presented.as_str().is_empty() {
            return Err(Problem::unauthorized("an admin key is needed: Authorization: Bearer ak_…"));
        }
        node.context.access.admin(self.presented.as_str()).map(drop).map_err(|denied| refuse(&denied))
    }

    /// Is a host of the stream's room, or an admin.
    pub(crate) fn host(&self, node: &Node, stream: &StreamId) -> Result<(), Problem> {
        if self.presented.as_str().is_empty() {
            return self.admin(node);
        }
        let access = &node.context.access;
        let pass = access.allow(self.presented.as_str(), Action::Host, stream, self.now(node));
        let entered = pass.and_then(|pass| access.enter(pass, self.now(node)));
        entered.map(drop).map_err(|denied| refuse(&denied))
    }

    fn now(&self, node: &Node) -> u64 {
        node.context.clock.at(Instant::now()).unix_seconds()
    }
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
