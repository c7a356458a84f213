//! DTLS 1.2 by `dimpl`: from the first flight to the SRTP keys, then the road of SCTP.

use super::sdp::{Fingerprint, Hash};
use crate::{CloseReason, Identity};
use aws_lc_rs::digest;
use dimpl::{KeyingMaterial, Output, SrtpProfile};
use std::time::Instant;

/// What an output is copied into first. Records of ours are shorter; a peer's certificate may be longer.
const BUFFER: usize = 2_048;
/// The longest output asked for: a certificate message has 16 MiB at most by its length field, and nobody needs that.
const BUFFER_MAX: usize = 64 * 1024;
/// Outputs drained after one input; a session that has more is broken.
const OUTPUTS_MAX: usize = 4_096;

/// What came out of one input.
#[derive(Default)]
pub(super) struct Outcome {
    /// Records to send, each a datagram.
    pub(super) records: Vec<Vec<u8>>,
    /// What the peer sent inside.
    pub(super) data: Vec<Vec<u8>>,
    pub(super) keys: Option<(KeyingMaterial, SrtpProfile)>,
    /// The handshake is done, and the certificate is the one of the offer.
    pub(super) is_connected: bool,
    /// It is over: the peer said goodbye, or broke the protocol.
    pub(super) closed: Option<CloseReason>,
}

/// One session.
pub(super) struct Dtls {
    inner: dimpl::Dtls,
    /// What the certificate must hash to; `None` once it has.
    expected: Option<Fingerprint>,
    deadline: Option<Instant>,
}

impl std::fmt::Debug for Dtls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dtls").field("is_client", &self.inner.is_active()).finish_non_exhaustive()
    }
}

impl Dtls {
    /// `None` when the identity has no configuration, which no identity lacks.
    pub(super) fn new(
        identity: &Identity,
        expected: Fingerprint,
        is_client: bool,
        now: Instant,
    ) -> Option<Self> {
        let mut inner = identity.dtls(now)?;
        inner.set_active(is_client);
        Some(Self { inner, expected: Some(expected), deadline: Some(now) })
    }

    /// A datagram of the peer.
    pub(super) fn handle_packet(&mut self, now: Instant, bytes: &[u8]) -> Outcome {
        // The clock goes first: retransmissions are counted from it.
        let done = self.inner.handle_timeout(now).and_then(|()| self.inner.handle_packet(bytes));
        self.drain(done)
    }

    /// Time has reached `now`.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Outcome {
        let done = self.inner.handle_timeout(now);
        self.drain(done)
    }

    /// A message inside.
    pub(super) fn send(&mut self, data: &[u8]) -> Outcome {
        let done = self.inner.send_application_data(data).map(drop);
        self.drain(done)
    }

    /// Says goodbye.
    pub(super) fn close(&mut self) -> Outcome {
        let done = self.inner.close();
        self.drain(done)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    /// `done`: every error of `dimpl` is final. What it had to say before is still said.
    fn drain(&mut self, done: Result<(), dimpl::Error>) -> Outcome {
        let mut outcome = Outcome::default();
        if let Err(error) = done {
            let reason = match error {
                dimpl::Error::ConnectionClosed => CloseReason::ByPeer,
                error => CloseReason::Protocol(format!("DTLS: {error}")),
            };
            self.deadline = None;
            outcome.closed = Some(reason);
            return outcome;
        }
        let mut buffer = [0; BUFFER];
        let mut large = Vec::new();
        for _ in 0..OUTPUTS_MAX {
            let room = if large.is_empty() { &mut buffer[..] } else { &mut large[..] };
            match self.inner.poll_output(room) {
                Output::Timeout(at) => {
                    self.deadline = outcome.closed.is_none().then_some(at);
                    return outcome;
                }
                Output::BufferTooSmall { needed } if needed <= BUFFER_MAX => large.resize(needed, 0),
                Output::BufferTooSmall { needed } => {
                    let words = format!("DTLS: a message of {needed} bytes; at most {BUFFER_MAX} are read");
                    outcome.closed = Some(CloseReason::Protocol(words));
                    return outcome;
                }
                Output::Packet(record) => outcome.records.push(record.to_vec()),
                Output::ApplicationData(data) => outcome.data.push(data.to_vec()),
                Output::PeerCert(certificate) => {
                    if self.expected.as_ref().is_some_and(|expected| !expected.is_of(certificate)) {
                        let words =
                            "DTLS: the certificate is not the one of the offer (RFC 8122 section 6.2)";
                        outcome.closed = Some(CloseReason::Protocol(words.to_owned()));
                        return outcome;
                    }
                    self.expected = None;
                }
                Output::KeyingMaterial(keys, profile) => outcome.keys = Some((keys, profile)),
                // Without a certificate nobody proved who that is; dimpl asks for one and would have ended before.
                Output::Connected => outcome.is_connected = self.expected.is_none(),
                Output::CloseNotify => outcome.closed = Some(CloseReason::ByPeer),
                _ => {}
            }
        }
        outcome.closed = Some(CloseReason::Protocol("DTLS: no end of output".to_owned()));
        outcome
    }
}

impl Fingerprint {
    fn is_of(&self, certificate: &[u8]) -> bool {
        let algorithm = match self.hash {
            Hash::Sha256 => &digest::SHA256,
            Hash::Sha384 => &digest::SHA384,
            Hash::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, certificate).as_ref() == self.bytes
    }
}
