//! DTLS of a counted viewer: the client's handshake, and nothing afterwards. Configuration and certificate are shared.

use super::srtp::Keys;
use anyhow::{Context, bail};
use aws_lc_rs::digest;
use dimpl::{Dtls, DtlsCertificate, Output};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// The first repetition of a flight, as in Chromium: a server that has not heard back from this address yet may have to hold its own
/// flight back, and dimpl's usual second would be most of what a join takes.
const REPEAT_AFTER: Duration = Duration::from_millis(50);
/// Doubling, they last for longer than a join's patience.
const REPEATS: usize = 8;

/// SHA-256 of a certificate (RFC 8122).
pub(super) type Fingerprint = [u8; 32];

/// What all viewers of a run share.
#[derive(Clone)]
pub(super) struct Identity {
    config: Arc<dimpl::Config>,
    certificate: DtlsCertificate,
}

impl Identity {
    pub(super) fn generate() -> anyhow::Result<Self> {
        let config = dimpl::Config::builder()
            .flight_start_rto(REPEAT_AFTER)
            .flight_retries(REPEATS)
            .build()
            .context("DTLS configuration")?;
        let certificate = dimpl::certificate::generate_self_signed_certificate().context("no certificate")?;
        Ok(Self { config: Arc::new(config), certificate })
    }

    /// As it stands in SDP: `AB:CD:...`.
    pub(super) fn fingerprint(&self) -> String {
        let pairs: Vec<_> =
            hash(&self.certificate.certificate).iter().map(|byte| format!("{byte:02X}")).collect();
        pairs.join(":")
    }
}

/// `a=fingerprint:sha-256 AB:CD:...` of an SDP.
pub(super) fn fingerprint(sdp: &str) -> Option<Fingerprint> {
    let line = sdp.lines().find_map(|line| line.trim().strip_prefix("a=fingerprint:"))?;
    let (kind, text) = line.split_once(' ')?;
    let mut bytes = text.trim().split(':').map(|pair| u8::from_str_radix(pair, 16));
    let mut fingerprint = [0; 32];
    for byte in &mut fingerprint {
        *byte = bytes.next()?.ok()?;
    }
    (kind.eq_ignore_ascii_case("sha-256") && bytes.next().is_none()).then_some(fingerprint)
}

fn hash(certificate: &[u8]) -> Fingerprint {
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(digest::digest(&digest::SHA256, certificate).as_ref());
    fingerprint
}

/// A handshake under way.
pub(super) struct Handshake {
    dtls: Dtls,
    expected: Fingerprint,
    is_genuine: bool,
    keys: Option<Keys>,
}

impl Handshake {
    /// A client that will take the certificate with the fingerprint `expected` only.
    pub(super) fn start(identity: &Identity, now: Instant, expected: Fingerprint) -> anyhow::Result<Self> {
        let mut dtls = Dtls::new_12(identity.config.clone(), identity.certificate.clone(), now);
        dtls.set_active(true);
        dtls.handle_timeout(now).context("DTLS")?;
        Ok(Self { dtls, expected, is_genuine: false, keys: None })
    }

    pub(super) fn handle_packet(&mut self, now: Instant, packet: &[u8]) -> anyhow::Result<()> {
        self.dtls.handle_timeout(now).context("DTLS")?;
        // One datagram that is not understood ends nothing; the timer repeats ours.
        if let Err(error) = self.dtls.handle_packet(packet) {
            tracing::debug!(%error, "a viewer's DTLS refused a datagram");
        }
        Ok(())
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> anyhow::Result<()> {
        self.dtls.handle_timeout(now).context("DTLS handshake")
    }

    /// Sends what the handshake has to say; the keys once it is done.
    pub(super) fn drain(&mut self, mut send: impl FnMut(&[u8])) -> anyhow::Result<Option<Keys>> {
        let mut buffer = [0; 2_048];
        loop {
            match self.dtls.poll_output(&mut buffer) {
                Output::Packet(packet) => send(packet),
                Output::PeerCert(certificate) => self.is_genuine = hash(certificate) == self.expected,
                Output::KeyingMaterial(material, profile) => {
                    if !self.is_genuine {
                        bail!("the server's certificate is not the one of its answer");
                    }
                    self.keys = Some(Keys::derive(profile, &material)?);
                }
                Output::CloseNotify => bail!("the server ended the session"),
                // Nothing follows the keys but this: the client has the last word of the handshake before the server's.
                Output::Timeout(_) => return Ok(self.keys.take()),
                Output::BufferTooSmall { needed } => bail!("a DTLS record of {needed} bytes"),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_as_it_is_written() {
        let identity = Identity::generate().expect("generated");
        let sdp = format!("v=0\r\na=fingerprint:SHA-256 {}\r\n", identity.fingerprint());
        assert_eq!(fingerprint(&sdp), Some(hash(&identity.certificate.certificate)));
        assert_eq!(fingerprint("a=fingerprint:sha-1 AB:CD\r\n"), None);
        assert_eq!(fingerprint("v=0\r\n"), None);
    }
}
