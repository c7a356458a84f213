//! The gateways of a node, each opened with what it needs and refused in words.

use crate::{config::Config, doors, keys::Keys};
use anyhow::Context;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use unisono_base::NodeClock;
use unisono_gateway_events as events;
use unisono_gateway_hls as hls;
use unisono_gateway_rtmp as rtmp;
use unisono_gateway_webrtc as webrtc;
use unisono_hub::Hub;
use unisono_net::Patience;
use unisono_room::Rooms;
use unisono_store::MemoryLog;

/// What every gateway is built on.
pub(crate) struct Ground {
    pub(crate) clock: NodeClock,
    pub(crate) hub: Arc<Hub>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) rooms: Arc<Rooms>,
    /// With those who present wrong keys, at whatever door.
    pub(crate) patience: Patience,
    pub(crate) stop: CancellationToken,
}

impl Ground {
    /// Rooms keep their logs in memory: they end with the process.
    pub(crate) fn new(clock: NodeClock, hub: Arc<Hub>, keys: Arc<Keys>, patience: Patience) -> Self {
        let rooms = Rooms::new(hub.clone(), Arc::new(MemoryLog::default()), clock.clone());
        Self { clock, hub, keys, rooms, patience, stop: CancellationToken::new() }
    }
}

/// The open gateways; `None` where the configuration closes the door.
pub(crate) struct Gateways {
    pub(crate) rtmp: Option<rtmp::Gateway>,
    pub(crate) webrtc: Option<webrtc::Gateway>,
    pub(crate) hls: hls::Gateway,
    pub(crate) events: events::Gateway,
}

impl Gateways {
    /// Opens every door that the configuration names.
    pub(crate) async fn open(
        config: &Config,
        ground: &Ground,
        registry: &mut Registry,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            rtmp: rtmp_gateway(config, ground, registry).await?,
            webrtc: webrtc_gateway(config, ground, registry)?,
            hls: hls_gateway(ground, registry),
            events: events_gateway(ground, registry),
        })
    }
}

async fn rtmp_gateway(
    config: &Config,
    ground: &Ground,
    registry: &mut Registry,
) -> anyhow::Result<Option<rtmp::Gateway>> {
    let Some(address) = config.rtmp.listen.address() else { return Ok(None) };
    let context = rtmp::Context {
        hub: ground.hub.clone(),
        access: ground.keys.access().clone(),
        clock: ground.clock.clone(),
        metrics: rtmp::Metrics::register(registry),
        patience: ground.patience.clone(),
    };
    let settings = rtmp::Config {
        connections_max: config.rtmp.connections_max,
        connections_per_address_max: config.rtmp.connections_per_address_max,
        exempt: config.limits.exempt(),
        ..rtmp::Config::new(address)
    };
    let bound = rtmp::Gateway::bind(settings, context).await;
    bound.map(Some).map_err(|error| doors::refused("RTMP", "rtmp", address, &error))
}

fn webrtc_gateway(
    config: &Config,
    ground: &Ground,
    registry: &mut Registry,
) -> anyhow::Result<Option<webrtc::Gateway>> {
    let Some(address) = config.webrtc.listen.address() else { return Ok(None) };
    let bounds = webrtc::Limits {
        unconnected_max: config.limits.unconnected_max,
        unconnected_per_address_max: config.limits.unconnected_per_address_max,
        ..webrtc::Limits::default()
    };
    let settings = webrtc::Config {
        limits: bounds,
        exempt: config.limits.exempt(),
        advertise: config.webrtc.advertise.clone(),
        workers: (config.webrtc.workers > 0).then_some(config.webrtc.workers),
        ..webrtc::Config::new(address)
    };
    let metrics = webrtc::Metrics::register(registry);
    let (hub, access, clock) = (ground.hub.clone(), ground.keys.access().clone(), ground.clock.clone());
    let started = webrtc::Gateway::start(settings, hub, access, clock, metrics);
    started.map(Some).with_context(|| format!("WebRTC media on {address} (--webrtc moves it)"))
}

fn hls_gateway(ground: &Ground, registry: &mut Registry) -> hls::Gateway {
    let metrics = hls::Metrics::register(registry);
    let (hub, access, clock) = (ground.hub.clone(), ground.keys.access().clone(), ground.clock.clone());
    hls::Gateway::new(hls::Config::default(), hub, access, clock, metrics)
}

fn events_gateway(ground: &Ground, registry: &mut Registry) -> events::Gateway {
    events::Gateway::new(events::Context {
        rooms: ground.rooms.clone(),
        hub: ground.hub.clone(),
        access: ground.keys.access().clone(),
        metrics: events::Metrics::register(registry),
        stop: ground.stop.clone(),
    })
}
