//! The operator's own services: told what happens, asked who may watch.

use crate::{
    config::{Config, Hidden},
    relay::Wanted,
};
use anyhow::Context;
use axum::{
    Router,
    extract::{Request, State},
    http::Method,
    middleware::{self, Next},
    response::Response,
};
use percent_encoding::percent_decode_str;
use std::{borrow::Cow, sync::Arc};
use unisono_api::Presented;
use unisono_auth::{Access, PresentedKey};
use unisono_base::{NodeClock, RoomId, StreamId, StreamName, Tenant};
use unisono_hub::Hub;
use unisono_store::{Kv, SqliteKv};
use unisono_webhook::{Client, Endpoint, GateConfig, Metrics, Secret, Sender, ViewGate};

/// Receivers at once.
const ENDPOINTS_MAX: usize = 16;

/// Nothing where nothing is configured.
#[derive(Default)]
pub(crate) struct Webhooks {
    sender: Option<Arc<Sender>>,
    gate: Option<ViewGate>,
}

impl Webhooks {
    /// Before any door opens: from then on things happen, and viewers come.
    pub(crate) fn start(
        config: &Config,
        store: &SqliteKv,
        access: &Access,
        hub: &Hub,
        clock: NodeClock,
        metrics: Arc<Metrics>,
    ) -> anyhow::Result<Self> {
        if config.webhook.is_empty() && config.access.webhook.is_none() {
            return Ok(Self::default());
        }
        let client = Client::new()?;
        let endpoints = endpoints(config)?;
        let gate = gate(config)?.map(|config| ViewGate::new(config, client.clone(), metrics.clone()));
        if let Some(gate) = &gate {
            access.set_gate(Arc::new(gate.clone()));
        }
        let store: Arc<dyn Kv> = Arc::new(store.clone());
        let sender =
            (!endpoints.is_empty()).then(|| Sender::start(endpoints, &store, &client, clock, metrics));
        if let Some(sender) = &sender {
            hub.watch(sender.clone());
        }
        Ok(Self { sender, gate })
    }

    /// The question to the operator's service, for doors whose paths do not say which stream they are about.
    pub(crate) fn gate(&self) -> Option<ViewGate> {
        self.gate.clone()
    }

    /// The router, behind the question to the operator's service.
    pub(crate) fn guard(&self, router: Router) -> Router {
        match &self.gate {
            Some(gate) => router.layer(middleware::from_fn_with_state(gate.clone(), ask_first)),
            None => router,
        }
    }

    /// Once nothing happens any more and before the store is closed.
    pub(crate) async fn close(&self) {
        if let Some(sender) = &self.sender {
            sender.close().await;
        }
    }
}

fn endpoints(config: &Config) -> anyhow::Result<Vec<Endpoint>> {
    if config.webhook.len() > ENDPOINTS_MAX {
        anyhow::bail!("{} webhooks are configured; {ENDPOINTS_MAX} are possible", config.webhook.len());
    }
    let endpoint = |(number, hook): (usize, &crate::config::Webhook)| {
        let place = || format!("[[webhook]] number {}", number + 1);
        let secrets = secrets(&hook.secrets).with_context(place)?;
        Endpoint::new(&hook.url.0, secrets, hook.events.clone(), hook.streams.clone()).with_context(place)
    };
    config.webhook.iter().enumerate().map(endpoint).collect()
}

fn gate(config: &Config) -> anyhow::Result<Option<GateConfig>> {
    let rules = &config.access;
    let Some(url) = &rules.webhook else { return Ok(None) };
    let secrets = secrets(&rules.webhook_secrets).context("access.webhook_secrets")?;
    GateConfig::new(&url.0, secrets, rules.webhook_unanswered.into()).context("access.webhook").map(Some)
}

fn secrets(texts: &[Hidden]) -> anyhow::Result<Vec<Secret>> {
    texts.iter().map(|text| Ok(Secret::parse(&text.0)?)).collect()
}

/// Waits for the service's word where a request is about to need it, so that the door finds it in memory.
async fn ask_first(
    State(gate): State<ViewGate>,
    presented: Presented,
    request: Request,
    next: Next,
) -> Response {
    let token = presented.as_str();
    // A key of this node is for this node alone.
    if PresentedKey::parse(token).is_none()
        && *request.method() != Method::OPTIONS
        && let Some(Wanted::Media(stream) | Wanted::Room(stream)) = wanted(request.uri().path())
    {
        gate.prepare(token, &stream).await;
    }
    next.run(request).await
}

/// The stream that whoever asks for this path would watch.
pub(crate) fn wanted(path: &str) -> Option<Wanted> {
    let mut parts = path.trim_start_matches('/').split('/');
    let (first, second, third) = (parts.next()?, parts.next()?, parts.next()?);
    match (first, second, third) {
        ("api", "v1", "rooms") => {
            let room = RoomId::parse(Tenant::default(), &unescaped(parts.next()?)).ok()?;
            Some(Wanted::Room(room.stream().clone()))
        }
        ("api", "v1", "streams") => named(parts.next()?, parts.next()?).map(Wanted::Media),
        (app, name, "whep" | "index.m3u8" | "hls") => named(app, name).map(Wanted::Media),
        _ => None,
    }
}

fn named(app: &str, name: &str) -> Option<StreamId> {
    StreamName::new(&unescaped(app), &unescaped(name)).ok().map(StreamId::local)
}

/// As the handlers will read it.
fn unescaped(segment: &str) -> Cow<'_, str> {
    percent_decode_str(segment).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_doors_to_a_stream_are_known_by_their_paths() {
        let stream = |path: &str| match wanted(path)? {
            Wanted::Media(id) | Wanted::Room(id) => Some(id.to_string()),
        };
        for path in [
            "/live/a/whep",
            "/live/a/whep/1",
            "/live/a/index.m3u8",
            "/live/a/hls/1/video/2.m4s",
            "/api/v1/streams/live/a",
            "/api/v1/rooms/live:a/events",
            // What handlers read the same they are the same here.
            "/api/v1/rooms/live%3Aa/events",
            "/l%69ve/%61/whep",
        ] {
            assert_eq!(stream(path).as_deref(), Some("live/a"), "{path}");
        }
        for path in ["/", "/live/a", "/live/a/whip", "/live/a/publish", "/api/v1/streams", "/assets/x/hls"] {
            assert_eq!(stream(path), None, "{path}");
        }
    }
}
