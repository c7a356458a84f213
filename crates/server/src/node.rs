//! A running node: everything assembled in the order of dependence, and taken down in the reverse one.

use crate::{
    admin::{self, Admin},
    advertise,
    cli::Options,
    clock::{self, realtime},
    config::{Config, Door},
    data_dir::Serving,
    doors::{self, HttpDoor, HttpMetrics, SecureDoors},
    drain::{self, Drain},
    embedding,
    endpoints::{self, Endpoints},
    gateways::{Gateways, Ground, Surroundings},
    keys::{FirstKeys, Keys, REFRESH_EVERY},
    limits::Gate,
    logging,
    observe::{self, NodeMetrics, Observed},
    pages,
    recording::Recording,
    relay::{Realtime, Relay},
    reload::{Reached, Reload},
    rooms::{self, RoomsOnDisk},
    webhooks::Webhooks,
};
use axum::{
    Router,
    http::{HeaderValue, header},
    middleware,
    response::Response,
};
use prometheus_client::registry::Registry;
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use unisono_base::{NodeClock, Span};
use unisono_gateway_hls as hls;
use unisono_gateway_webrtc as webrtc;
use unisono_hub::{Hub, Limits};
use unisono_net::{Admission, Patience};
use unisono_room::Rooms;

/// From the signal to the exit: what has not ended by then is dropped.
const DRAIN: Duration = Duration::from_secs(5);
/// How often the clock is compared with the system's, and streams and rooms are swept.
const TICK: Duration = Duration::from_secs(1);
/// A gap to the system's clock that deserves a word: it takes minutes to slew away.
const CLOCK_GAP: Span = Span::from_millis(100);

/// Where the node listens, with the ports it got.
#[derive(Clone, Debug)]
pub(crate) struct Doors {
    pub(crate) http: Option<SocketAddr>,
    pub(crate) https: Option<SocketAddr>,
    /// HTTPS and WebRTC media.
    pub(crate) one_port: Option<SocketAddr>,
    /// Its certificate is the node's own: browsers warn.
    pub(crate) signs_itself: bool,
    pub(crate) rtmp: Option<SocketAddr>,
    pub(crate) rtmps: Option<SocketAddr>,
    pub(crate) webrtc: Option<SocketAddr>,
    /// Where edges ask for streams.
    pub(crate) relay: Option<SocketAddr>,
    /// Addresses by which other machines reach this one.
    pub(crate) reachable: Vec<IpAddr>,
}

/// See the module.
pub(crate) struct Node {
    pub(crate) hub: Arc<Hub>,
    pub(crate) clock: NodeClock,
    pub(crate) doors: Doors,
    /// The keys, if this was the first start.
    pub(crate) first_keys: Option<FirstKeys>,
    keys: Arc<Keys>,
    rooms: RoomsOnDisk,
    webhooks: Webhooks,
    relay: Relay,
    drain: Arc<Drain>,
    recording: Recording,
    hls: hls::Gateway,
    webrtc: Option<webrtc::Gateway>,
    stop: CancellationToken,
    tasks: TaskTracker,
    _serving: Serving,
}

impl Node {
    /// Opens the store, then every door; nothing is served before all of them are open.
    pub(crate) async fn start(
        config: &Config,
        options: Options,
        log: logging::Switch,
    ) -> anyhow::Result<Self> {
        if let Some(words) = clock::complaint() {
            tracing::warn!("{words}");
        }
        let serving = Serving::from(&config.data_dir)?;
        let clock = NodeClock::new(Instant::now(), realtime());
        let keys = Arc::new(Keys::open(&config.data_dir, &config.access).await?);
        let hub = Hub::new(Limits::default());
        keys.govern(hub.clone());
        let mut registry = Registry::default();
        let node = NodeMetrics::register(&mut registry);

        let metrics = HttpMetrics::register(&mut registry);
        let admission = Admission::new(config.http.connections_max, config.http.connections_per_address_max)
            .exempting(config.limits.exempt());
        let patience = Patience::new(config.limits.exempt());
        let gate =
            Gate::new(&config.limits, keys.access().keyring().clone(), patience.clone(), &mut registry);
        let advertise = advertise::resolve(&config.webrtc.advertise).await?;
        let reachable = reachable(config, &advertise);
        let http = http_door(config, admission.clone(), metrics.clone())?;
        let mut secure = SecureDoors::open(config, &admission, &metrics, &reachable)?;
        let told = unisono_webhook::Metrics::register(&mut registry);
        // Before anything is stamped: the upstream's clock may set this one.
        let mut relay = Relay::open(config, &hub, &clock, &mut registry).await?;
        let endpoints = Endpoints::new(config, &relay, hub.clone());
        let drain = Drain::new(hub.clone(), endpoints.clone(), &mut registry);
        let ground = Ground::new(config, clock.clone(), hub.clone(), keys.clone(), patience, &told).await?;
        let webhooks = Webhooks::start(config, keys.store(), keys.access(), &hub, clock.clone(), told)?;
        let one_port = secure.one_port.as_ref().map(|door| door.listener.local_addr()).transpose()?;
        let around =
            Surroundings { advertise, one_port, elsewhere: relay.elsewhere(), tls: secure.rtmps.take() };
        let gateways = Gateways::open(config, &ground, around, &mut registry).await?;
        let recording =
            Recording::open(config, &ground, &gateways.hls, webhooks.gate(), &mut registry).await?;
        let doors =
            Doors { relay: relay.local_addr()?, ..doors_of(http.as_ref(), &secure, &gateways, reachable)? };
        // Last, so that a start that fails shows no keys that a later one would not repeat.
        let first_keys = keys.make_first().await?;

        let Ground { rooms, room_rules, stop, .. } = ground;
        let Gateways { rtmp, rtmps, webrtc, hls, events } = gateways;
        relay.join_rooms(&rooms, events.router()).await?;
        let reached = Reached {
            keys: keys.clone(),
            http: admission,
            rtmp: rtmp.as_ref().map(|rtmp| rtmp.admission().clone()),
            certificate: secure.certificate.clone(),
            room_rules,
            log,
        };
        let reload = Reload::new(options, config.clone(), reached);
        let observed = Observed {
            registry,
            node,
            hub: hub.clone(),
            keys: keys.clone(),
            clock: clock.clone(),
            since: Instant::now(),
            drain: drain.clone(),
            rtmp_ports: [doors.rtmp, doors.rtmps].map(|door| door.map(|address| address.port())),
        };
        let mut router = observe::router(Arc::new(observed))
            .merge(admin::router(Arc::new(Admin {
                keys: keys.clone(),
                clock: clock.clone(),
                hub: hub.clone(),
                reload: reload.clone(),
                drain: drain.clone(),
            })))
            .merge(pages::router())
            .merge(endpoints::router(endpoints))
            .merge(events.router())
            .merge(hls.router())
            .merge(recording.router());
        if let Some(certificate) = &secure.certificate {
            router = router.merge(certificate.challenges().router());
        }
        let upkeep = secure.upkeep(config, &keys, stop.clone());
        if let Some(webrtc) = &webrtc {
            router = router.merge(webrtc.router());
            secure.one_port.iter_mut().for_each(|door| door.ice = Some(webrtc.ice_tcp()));
        }
        let tasks = TaskTracker::new();
        let router = drain::guard(drain.clone(), relay.guard(router, keys.access(), &clock));
        let router = guarded(gate.before(webhooks.guard(router)));
        for door in [http, secure.https, secure.one_port].into_iter().flatten() {
            let served = door.serve(router.clone(), stop.clone());
            tasks.spawn(async move {
                if let Err(error) = served.await {
                    tracing::error!(%error, "the HTTP door does not open");
                }
            });
        }
        if let Some(upkeep) = upkeep {
            tasks.spawn(upkeep);
        }
        for rtmp in [rtmp, rtmps].into_iter().flatten() {
            tasks.spawn(rtmp.run(stop.clone()));
        }
        relay.serve(&tasks, stop.clone());
        recording.run(&tasks);
        tasks.spawn(reload.follow(stop.clone()));
        tasks.spawn(follow_store(keys.clone(), clock.clone(), stop.clone()));
        for set in keys.key_sets() {
            tasks.spawn(set.follow(stop.clone()));
        }
        tasks.spawn(rooms::trim(rooms.rooms.clone(), stop.clone()));
        tasks.spawn(tick(clock.clone(), relay.realtime(), hub.clone(), rooms.rooms.clone(), stop.clone()));
        tracing::info!(
            http = ?doors.http, https = ?doors.https, one_port = ?doors.one_port, rtmp = ?doors.rtmp, rtmps = ?doors.rtmps,
            webrtc = ?doors.webrtc, relay = ?doors.relay, "open"
        );
        Ok(Self {
            hub,
            clock,
            doors,
            first_keys,
            keys,
            rooms,
            webhooks,
            relay,
            drain,
            recording,
            hls,
            webrtc,
            stop,
            tasks,
            _serving: serving,
        })
    }

    /// Sends viewers to other nodes, and waits until they are gone; that time at most.
    pub(crate) async fn send_away(&self, patience: Duration) {
        // What is left behind it is for those who take a moment to be up elsewhere.
        self.drain.begin(patience.mul_f64(0.7));
        if tokio::time::timeout(patience, self.drain.emptied()).await.is_err() {
            tracing::warn!(left = ?self.drain.view(), "some viewers did not move within {} s", patience.as_secs());
        }
    }

    /// Closes the doors, ends every session with a word to its peer, and waits for them, 5 s at most.
    pub(crate) async fn drain(self) {
        tracing::info!("closing");
        self.stop.cancel();
        self.tasks.close();
        let ended = async {
            if let Some(webrtc) = &self.webrtc {
                webrtc.shutdown().await;
            }
            self.recording.close().await;
            self.hls.shutdown().await;
            self.relay.close().await;
            self.tasks.wait().await;
            self.rooms.close().await;
            self.webhooks.close().await;
            self.keys.close().await;
        };
        if tokio::time::timeout(DRAIN, ended).await.is_err() {
            tracing::warn!("some connections did not end within {} s and were dropped", DRAIN.as_secs());
        }
    }
}

fn http_door(
    config: &Config,
    admission: Admission,
    metrics: HttpMetrics,
) -> anyhow::Result<Option<HttpDoor>> {
    let Some(address) = config.http.listen.address() else { return Ok(None) };
    let listener = doors::bind_tcp("HTTP", "http", address)?;
    Ok(Some(HttpDoor { listener, admission, metrics, tls: None, ice: None }))
}

fn doors_of(
    http: Option<&HttpDoor>,
    secure: &SecureDoors,
    gateways: &Gateways,
    reachable: Vec<IpAddr>,
) -> anyhow::Result<Doors> {
    let listens = |door: Option<&HttpDoor>| door.map(|door| door.listener.local_addr()).transpose();
    Ok(Doors {
        http: listens(http)?,
        https: listens(secure.https.as_ref())?,
        one_port: listens(secure.one_port.as_ref())?,
        signs_itself: secure.signs_itself(),
        rtmp: gateways.rtmp.as_ref().map(|rtmp| rtmp.local_addr()).transpose()?,
        rtmps: gateways.rtmps.as_ref().map(|rtmps| rtmps.local_addr()).transpose()?,
        webrtc: gateways.webrtc.as_ref().map(webrtc::Gateway::local_addr),
        relay: None,
        reachable,
    })
}

/// Addresses by which other machines reach this one.
fn reachable(config: &Config, advertise: &[webrtc::Advertised]) -> Vec<IpAddr> {
    let on_all = |door: Door| door.address().map(|address| address.ip()).filter(|ip| ip.is_unspecified());
    let all = [config.http.listen, config.https.listen, config.one_port.listen].map(on_all);
    let mut named: Vec<_> = advertise.iter().map(|one| one.ip).collect();
    named.dedup();
    if !named.is_empty() {
        return named;
    }
    let Some(_) = all.iter().flatten().next() else { return Vec::new() };
    let has_v6 = all.iter().flatten().any(|ip| ip.is_ipv6());
    let local = unisono_net::local_addresses();
    local.into_iter().filter(|ip| !ip.is_loopback() && (has_v6 || ip.is_ipv4())).collect()
}

/// What every response carries: a browser must not guess types from bytes that came from somebody else.
fn guarded(router: Router) -> Router {
    router.layer(middleware::from_fn(embedding::share)).layer(middleware::map_response(
        |mut response: Response| async move {
            let headers = response.headers_mut();
            headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
            response
        },
    ))
}

/// Once a second: the timeline clock against the system's, streams whose publisher stays away, rooms nobody uses.
async fn tick(
    clock: NodeClock,
    realtime: Realtime,
    hub: Arc<Hub>,
    rooms: Arc<Rooms>,
    stop: CancellationToken,
) {
    let mut ticks = tokio::time::interval(TICK);
    let mut has_warned = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let now = Instant::now();
        let gap = clock.discipline(now, realtime.at(now));
        let is_stepped = gap.abs() > CLOCK_GAP;
        if is_stepped && !has_warned {
            tracing::warn!(%gap, "the system's clock was stepped; the timeline follows at 500 ppm");
        }
        has_warned = is_stepped;
        hub.measure(now);
        hub.sweep(now);
        hub.release(clock.at(now));
        rooms.sweep(now);
    }
}

/// Keys and revocations that another process wrote into the store.
async fn follow_store(keys: Arc<Keys>, clock: NodeClock, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(REFRESH_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let kept = keys.keep_exhausted().await;
        if let Err(error) = &kept {
            tracing::error!(
                error = format!("{error:#}"),
                "used tokens cannot be written down; a restart forgets them"
            );
        }
        if let Err(error) = keys.refresh(clock.at(Instant::now()).unix_seconds()).await {
            tracing::error!(
                error = format!("{error:#}"),
                "the keys cannot be read from the store; those known stay"
            );
        }
    }
}
