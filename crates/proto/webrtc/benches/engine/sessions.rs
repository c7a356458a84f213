//! Connected sessions of both egresses.

use crate::peer::{Peer, SERVER};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use unisono_media::CodecConfig;
use unisono_proto_webrtc::{
    Egress, EgressEvent, Engine, EngineEvent, HostCandidate, Identity, Session, ViewerSession, Wanted,
};

const PATIENCE: Duration = Duration::from_secs(5);

/// As many engines that can send.
pub(crate) fn engines(count: usize, identity: &Identity, config: &CodecConfig) -> Vec<Engine> {
    let connect = |_| {
        let (mut peer, offer) = Peer::new(Instant::now(), false);
        let wanted = Wanted { video: Some(config), audio: true };
        let (mut engine, answer) =
            Engine::accept(identity, &offer, &[SocketAddr::from(SERVER)], wanted, peer.now)
                .expect("accepted");
        peer.accept(&answer);
        until_connected(&mut peer, &mut engine, |engine| engine.poll_event() == Some(EngineEvent::Connected));
        engine
    };
    (0..count).map(connect).collect()
}

/// The same of str0m's, all since `now`.
pub(crate) fn oracles(count: usize, identity: &Identity, config: &CodecConfig, now: Instant) -> Vec<Egress> {
    let connect = |_| {
        let (mut peer, offer) = Peer::new(now, false);
        let wanted = Wanted { video: Some(config), audio: true };
        let candidates = [HostCandidate::from(SocketAddr::from(SERVER))];
        let (mut egress, answer) =
            Egress::accept_viewer(identity, &offer, &candidates, wanted, peer.now).expect("accepted");
        peer.accept(&answer);
        until_connected(&mut peer, &mut egress, |egress| {
            matches!(egress.poll_event(), Some(EgressEvent::Connected))
        });
        egress
    };
    (0..count).map(connect).collect()
}

fn until_connected<S: Session>(
    peer: &mut Peer,
    session: &mut S,
    mut is_connected: impl FnMut(&mut S) -> bool,
) {
    let end = peer.now + PATIENCE;
    while !is_connected(session) {
        assert!(peer.now < end, "a handshake in memory takes no time");
        peer.step(session);
    }
    // The last flight.
    peer.run(session, Duration::from_millis(100));
}
