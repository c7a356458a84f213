//! QUIC's TLS 1.3, and what it is worth here: privacy, and keying material that belongs to this one connection. Who is
//! at the other end is known by the proof over that material, not by a certificate, so any certificate will do.

use crate::{Code, GROUPS_MAX, IDLE_MAX, KEEP_ALIVE, MATERIAL_BYTES, ROOM_STREAMS_MAX};
use quinn::{
    ClientConfig, Connection, ServerConfig, TransportConfig, VarInt,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature},
    pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime},
    version::TLS13,
};
use std::sync::Arc;
use unisono_proto_relay::{ALPN, EXPORTER_LABEL};

/// The name in the certificate; nobody checks it.
pub(crate) const SERVER_NAME: &str = "unisono-relay";
/// Bytes of one group that may be under way unread.
const GROUP_WINDOW: u32 = 8 << 20;
/// Of a whole link; likewise what waits at the sender.
const LINK_WINDOW: u32 = 64 << 20;
const SEND_WINDOW: u64 = 16 << 20;
/// Of a link whose other end has proven nothing yet: a greeting.
const GREETING_WINDOW: u32 = 64 << 10;

/// TLS could not be set up; the program's fault, or its crypto library's.
#[derive(Debug, thiserror::Error)]
#[error("TLS of the relay cannot be set up: {0}")]
pub(crate) struct TlsError(String);

fn error(error: impl std::fmt::Display) -> TlsError {
    TlsError(error.to_string())
}

/// For an origin, with a certificate made for this run.
pub(crate) fn server() -> Result<ServerConfig, TlsError> {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed([SERVER_NAME.to_owned()]).map_err(error)?;
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(error)?
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key.into())
        .map_err(error)?;
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let mut config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).map_err(error)?));
    let mut transport = transport();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .receive_window(VarInt::from_u32(GREETING_WINDOW));
    config.transport_config(Arc::new(transport));
    Ok(config)
}

/// The edge at the other end has proven itself: it may say as much as there is to say.
pub(crate) fn trust(connection: &Connection) {
    connection.set_max_concurrent_bi_streams(VarInt::from_u32(1 + ROOM_STREAMS_MAX));
    connection.set_receive_window(VarInt::from_u32(LINK_WINDOW));
}

/// For an edge.
pub(crate) fn client() -> Result<ClientConfig, TlsError> {
    let mut tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(error)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider())))
        .with_no_client_auth();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).map_err(error)?));
    let mut transport = transport();
    transport.max_concurrent_uni_streams(VarInt::from_u32(GROUPS_MAX));
    config.transport_config(Arc::new(transport));
    Ok(config)
}

/// What only the two ends of this connection have; `None` for a connection that is gone.
pub(crate) fn material(connection: &Connection) -> Option<[u8; MATERIAL_BYTES]> {
    let mut material = [0; MATERIAL_BYTES];
    connection.export_keying_material(&mut material, EXPORTER_LABEL, b"").ok()?;
    Some(material)
}

/// Closes with words for the other side's log.
pub(crate) fn close(connection: &Connection, code: Code, words: &str) {
    connection.close(code.into(), words.as_bytes());
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    // An idle time that fits a VarInt of milliseconds: it is a constant of four digits.
    let idle = IDLE_MAX.try_into().ok();
    transport.max_idle_timeout(idle).keep_alive_interval(Some(KEEP_ALIVE));
    transport.stream_receive_window(VarInt::from_u32(GROUP_WINDOW));
    transport.receive_window(VarInt::from_u32(LINK_WINDOW)).send_window(SEND_WINDOW);
    transport.datagram_receive_buffer_size(None);
    transport
}

/// Takes any certificate, but checks that its holder made the handshake: the proof that follows is over that handshake.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("QUIC is TLS 1.3".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
