//! Recording among the rest of the node: the packagers of the HLS door, the rooms' logs, the operator's service.

use crate::{config::Config, gateways::Ground};
use anyhow::Context;
use axum::Router;
use bytes::{Bytes, BytesMut};
use prometheus_client::registry::Registry;
use std::{future::Future, pin::Pin, sync::Arc};
use tokio_util::task::TaskTracker;
use unisono_base::{MediaTime, StreamId};
use unisono_gateway_hls as hls;
use unisono_gateway_recordings::{Context as Around, Gateway, Prepare};
use unisono_record::{Logs, Metrics, Packagers, Recordings, Views};
use unisono_room::Rooms;
use unisono_store::{BoxFuture, Kv};
use unisono_webhook::ViewGate;

/// Longest log that is laid beside a recording; the room keeps its own.
const LOG_MAX: usize = 64 << 20;

/// All that records.
pub(crate) struct Recording {
    recordings: Arc<Recordings>,
    gateway: Gateway,
}

impl Recording {
    /// Opens the place where recordings are kept.
    pub(crate) async fn open(
        config: &Config,
        ground: &Ground,
        hls: &hls::Gateway,
        gate: Option<ViewGate>,
        registry: &mut Registry,
    ) -> anyhow::Result<Self> {
        let settings = config.recording.settings(&config.data_dir)?;
        let kv: Arc<dyn Kv> = Arc::new(ground.keys.store().clone());
        let rooms = ground.rooms.rooms.clone();
        let around: (Arc<dyn Packagers>, Arc<dyn Logs>) =
            (Arc::new(Packaged(hls.clone())), Arc::new(Logged(rooms.clone())));
        let metrics = Metrics::register(registry);
        let (hub, clock) = (ground.hub.clone(), ground.clock.clone());
        let recordings = Recordings::open(settings, (hub, kv), clock.clone(), around, metrics).await;
        let recordings = recordings.context("the recordings")?;
        let prepare = gate.map(|gate| Arc::new(Service(gate)) as Arc<dyn Prepare>);
        let access = ground.keys.access().clone();
        let gateway = Gateway::new(Around { recordings: recordings.clone(), rooms, access, clock, prepare });
        Ok(Self { recordings, gateway })
    }

    /// The routes.
    pub(crate) fn router(&self) -> Router {
        self.gateway.router()
    }

    /// Records from now on.
    pub(crate) fn run(&self, tasks: &TaskTracker) {
        tasks.spawn(self.recordings.clone().run());
    }

    /// Ends what runs. Before the packagers and the rooms end.
    pub(crate) async fn close(&self) {
        self.recordings.close().await;
    }
}

struct Packaged(hls::Gateway);

impl Packagers for Packaged {
    fn views(&self, stream: &StreamId) -> Result<Views, String> {
        let held = self.0.hold(stream)?;
        Ok(Views { receiver: held.views(), held: Box::new(held) })
    }
}

struct Logged(Arc<Rooms>);

impl Logs for Logged {
    fn lines<'a>(&'a self, stream: &'a StreamId, from: MediaTime) -> BoxFuture<'a, Option<Bytes>> {
        Box::pin(async move {
            let room = stream.room();
            let export = self.0.export_from(&room, from).await;
            let mut export = match export {
                Ok(export) => export?,
                Err(error) => {
                    tracing::warn!(%room, "the room's log cannot be laid beside its recording: {error}");
                    return None;
                }
            };
            let mut text = BytesMut::new();
            while let Some(lines) = export.next().await {
                match lines {
                    Ok(lines) if text.len() + lines.len() <= LOG_MAX => {
                        text.extend_from_slice(lines.as_bytes())
                    }
                    Ok(_) => {
                        tracing::warn!(%room, "the room's log is too long to be laid beside its recording");
                        return None;
                    }
                    Err(error) => {
                        tracing::warn!(%room, "the room's log cannot be read: {error}");
                        return None;
                    }
                }
            }
            Some(text.freeze())
        })
    }
}

struct Service(ViewGate);

impl Prepare for Service {
    fn prepare<'a>(
        &'a self,
        token: &'a str,
        stream: &'a StreamId,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            // A key of this node is for this node alone.
            if unisono_auth::PresentedKey::parse(token).is_none() {
                self.0.prepare(token, stream).await;
            }
        })
    }
}
