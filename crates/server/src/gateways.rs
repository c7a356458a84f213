//! The gateways of a node, each opened with what it needs and refused in words.

use crate::{
    config::Config,
    doors,
    keys::Keys,
    rooms::{self, InForce, RoomsOnDisk},
};
use anyhow::Context;
use prometheus_client::registry::Registry;
use rustls::ServerConfig;
use std::{net::SocketAddr, sync::Arc};
use tokio_util::sync::CancellationToken;
use unisono_base::NodeClock;
use unisono_gateway_events as events;
use unisono_gateway_hls as hls;
use unisono_gateway_rtmp as rtmp;
use unisono_gateway_webrtc as webrtc;
use unisono_hub::Hub;
use unisono_net::Patience;

/// What every gateway is built on.
pub(crate) struct Ground {
    pub(crate) clock: NodeClock,
    pub(crate) hub: Arc<Hub>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) rooms: RoomsOnDisk,
    pub(crate) room_rules: Arc<InForce>,
    /// With those who present wrong keys, at whatever door.
    pub(crate) patience: Patience,
    pub(crate) stop: CancellationToken,
}

impl Ground {
    /// Opens the rooms; nothing else is asked of anybody yet.
    pub(crate) async fn new(
        config: &Config,
        clock: NodeClock,
        hub: Arc<Hub>,
        keys: Arc<Keys>,
        patience: Patience,
        webhooks: &Arc<unisono_webhook::Metrics>,
    ) -> anyhow::Result<Self> {
        let prepared = rooms::prepare(&config.rooms)?;
        let rooms = rooms::open(&config.data_dir, hub.clone(), &keys, clock.clone()).await?;
        let room_rules = Arc::new(InForce::new(rooms.rooms.clone(), prepared, webhooks)?);
        Ok(Self { clock, hub, keys, rooms, room_rules, patience, stop: CancellationToken::new() })
    }
}

/// What the doors opened before the gateways mean for them.
#[derive(Default)]
pub(crate) struct Surroundings {
    /// What peers are told, names resolved.
    pub(crate) advertise: Vec<webrtc::Advertised>,
    /// The port that carries HTTPS and hands WebRTC media over.
    pub(crate) one_port: Option<SocketAddr>,
    /// The node that has the rooms which are not here.
    pub(crate) elsewhere: Option<Arc<dyn events::Elsewhere>>,
    /// For RTMPS.
    pub(crate) tls: Option<Arc<ServerConfig>>,
}

/// The open gateways; `None` where the configuration closes the door.
pub(crate) struct Gateways {
    pub(crate) rtmp: Option<rtmp::Gateway>,
    pub(crate) rtmps: Option<rtmp::Gateway>,
    pub(crate) webrtc: Option<webrtc::Gateway>,
    pub(crate) hls: hls::Gateway,
    pub(crate) events: events::Gateway,
}

impl Gateways {
    /// Opens every door that the configuration names.
    pub(crate) async fn open(
        config: &Config,
        ground: &Ground,
        around: Surroundings,
        registry: &mut Registry,
    ) -> anyhow::Result<Self> {
        let [rtmp, rtmps] = rtmp_gateways(config, ground, around.tls.clone(), registry).await?;
        let events = events_gateway(ground, around.elsewhere.clone(), registry);
        Ok(Self {
            rtmp,
            rtmps,
            webrtc: webrtc_gateway(config, ground, around, registry)?,
            hls: hls_gateway(ground, registry),
            events,
        })
    }
}

/// The plain door and the one over TLS; both count into the same metrics.
async fn rtmp_gateways(
    config: &Config,
    ground: &Ground,
    tls: Option<Arc<ServerConfig>>,
    registry: &mut Registry,
) -> anyhow::Result<[Option<rtmp::Gateway>; 2]> {
    let context = rtmp::Context {
        hub: ground.hub.clone(),
        access: ground.keys.access().clone(),
        clock: ground.clock.clone(),
        metrics: rtmp::Metrics::register(registry),
        patience: ground.patience.clone(),
    };
    let settings = |address, tls| rtmp::Config {
        connections_max: config.rtmp.connections_max,
        connections_per_address_max: config.rtmp.connections_per_address_max,
        tls,
        exempt: config.limits.exempt(),
        ..rtmp::Config::new(address)
    };
    let mut doors = [None, None];
    if let Some(address) = config.rtmp.listen.address() {
        let bound = rtmp::Gateway::bind(settings(address, None), context.clone()).await;
        doors[0] = Some(bound.map_err(|error| doors::refused("RTMP", "rtmp", address, &error))?);
    }
    if let Some(address) = config.rtmps.listen.address() {
        let tls = tls.context("RTMPS has no certificate")?;
        let bound = rtmp::Gateway::bind(settings(address, Some(tls)), context).await;
        doors[1] = Some(bound.map_err(|error| doors::refused("RTMPS", "rtmps", address, &error))?);
    }
    Ok(doors)
}

fn webrtc_gateway(
    config: &Config,
    ground: &Ground,
    around: Surroundings,
    registry: &mut Registry,
) -> anyhow::Result<Option<webrtc::Gateway>> {
    let Some(address) = config.webrtc.listen.address() else { return Ok(None) };
    let bounds = webrtc::Limits {
        unconnected_max: config.limits.unconnected_max,
        unconnected_per_address_max: config.limits.unconnected_per_address_max,
        ..webrtc::Limits::default()
    };
    let settings = webrtc::Config {
        tcp: config.webrtc.tcp.then_some(address),
        one_port: around.one_port,
        advertise: around.advertise,
        limits: bounds,
        exempt: config.limits.exempt(),
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

fn events_gateway(
    ground: &Ground,
    elsewhere: Option<Arc<dyn events::Elsewhere>>,
    registry: &mut Registry,
) -> events::Gateway {
    events::Gateway::new(events::Context {
        rooms: ground.rooms.rooms.clone(),
        hub: ground.hub.clone(),
        access: ground.keys.access().clone(),
        rules: ground.room_rules.rules.clone(),
        metrics: events::Metrics::register(registry),
        elsewhere,
        stop: ground.stop.clone(),
    })
}
