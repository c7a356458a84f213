//! Which SRTP profile a session gets (decisions 18): AEAD wherever the peer knows it.
//!
//! AES-CM-SHA1 alone is what GStreamer 1.22 offers; `independent.rs` has a client that offers each profile alone, and
//! `tests/python/whep_gstreamer.py` covers it end to end.

use crate::world::{World, config};
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use str0m::{
    config::{CryptoProvider, DtlsCert, DtlsVersion},
    crypto::{
        CryptoError,
        dtls::{DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, ProtocolVersion, SrtpProfile},
    },
};
use unisono_proto_webrtc::{Egress, Session, Viewer};

/// What the handshakes of the client ended with; a provider must live for ever, so this does.
static CHOSEN: Mutex<Vec<SrtpProfile>> = Mutex::new(Vec::new());
static WATCHED: Watched = Watched;

#[test]
fn aead_is_negotiated_over_dtls_1_2() {
    fn check<S: Session>(mut world: World<S>) {
        CHOSEN.lock().expect("unpoisoned").clear();
        world.run(Duration::from_secs(3));
        assert!(world.client.is_connected());
        assert_eq!(world.client.direct_api().dtls_protocol_version(), Some(ProtocolVersion::DTLS1_2));
        let chosen = CHOSEN.lock().expect("unpoisoned").clone();
        assert!(
            matches!(chosen[..], [SrtpProfile::AEAD_AES_128_GCM | SrtpProfile::AEAD_AES_256_GCM]),
            "{chosen:?}"
        );
    }
    check(World::publisher(watched(), |offer| offer).0);
    check(World::<Egress>::viewer(watched()));
    check(World::<Viewer>::viewer(watched()));
}

/// A client that would speak 1.3 if we did.
fn watched() -> str0m::RtcConfig {
    let mut provider: CryptoProvider = str0m::crypto::from_feature_flags();
    provider.dtls_provider = &WATCHED;
    config().set_crypto_provider(Arc::new(provider)).set_dtls_version(DtlsVersion::Auto)
}

#[derive(Debug)]
struct Watched;

impl DtlsProvider for Watched {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        str0m::crypto::from_feature_flags().dtls_provider.generate_certificate()
    }

    fn new_dtls(
        &self,
        certificate: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let provider = str0m::crypto::from_feature_flags().dtls_provider;
        Ok(Box::new(Instance(provider.new_dtls(certificate, now, version, mtu)?)))
    }
}

#[derive(Debug)]
struct Instance(Box<dyn DtlsInstance>);

impl DtlsInstance for Instance {
    fn set_active(&mut self, active: bool) {
        self.0.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.0.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buffer: &'a mut [u8]) -> DtlsOutput<'a> {
        let output = self.0.poll_output(buffer);
        if let DtlsOutput::KeyingMaterial(_, profile) = &output {
            CHOSEN.lock().expect("unpoisoned").push(*profile);
        }
        output
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.0.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.0.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.0.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.0.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.0.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.0.close()
    }
}
