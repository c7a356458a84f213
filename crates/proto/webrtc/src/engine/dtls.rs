//! DTLS 1.2 by `dimpl`: from the first flight to the SRTP keys, then the road of SCTP.

use super::sdp::{Fingerprint, Hash};
use crate::{CloseReason, Identity};
use aws_lc_rs::digest;
use dimpl::{KeyingMaterial, Output, SrtpProfile};
use std::time::Instant;

/// What an output is copied into. Records of ours and what a peer sends inside are shorter.
const BUFFER: usize = 2_048;
/// The same until the certificate has come, which `dimpl` hands over whole or not at all: it holds 30 datagrams of a peer
/// at most. It is also the longest output asked for.
const BUFFER_MAX: usize = 128 * 1024;
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
        let mut large = if self.expected.is_some() { vec![0; BUFFER_MAX] } else { Vec::new() };
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

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests need one real instant to start virtual time from")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{sync::OnceLock, time::Duration};

    fn identity() -> &'static Identity {
        static IDENTITY: OnceLock<Identity> = OnceLock::new();
        IDENTITY.get_or_init(|| Identity::generate().expect("an identity"))
    }

    fn fingerprint(of: &Identity) -> Fingerprint {
        let bytes = digest::digest(&digest::SHA256, &of.certificate.certificate).as_ref().to_vec();
        Fingerprint { hash: Hash::Sha256, bytes }
    }

    /// What client and server ended with: whether connected, why closed, how many bytes of keys.
    type End = (bool, Option<CloseReason>, usize);

    /// Exchanges records, each of which `mangle` may lose, until nothing is left to say.
    fn shake(
        client: &mut Dtls,
        server: &mut Dtls,
        mut now: Instant,
        mut loses: impl FnMut() -> bool,
    ) -> [End; 2] {
        let mut ends = [(false, None, 0), (false, None, 0)];
        let mut waiting = [client.handle_timeout(now), server.handle_timeout(now)];
        for _ in 0..200 {
            for from in 0..2 {
                let outcome = std::mem::take(&mut waiting[from]);
                let end = &mut ends[from];
                end.0 |= outcome.is_connected;
                end.1 = end.1.take().or(outcome.closed);
                end.2 += outcome.keys.map_or(0, |(keys, _)| keys.len());
                for record in outcome.records.into_iter().filter(|_| !loses()) {
                    let to = if from == 0 { &mut *server } else { &mut *client };
                    let answer = to.handle_packet(now, &record);
                    merge(&mut waiting[1 - from], answer);
                }
            }
            if ends.iter().all(|end| end.0) || ends.iter().any(|end| end.1.is_some()) {
                break;
            }
            now += Duration::from_millis(100);
            let (ours, theirs) = (client.handle_timeout(now), server.handle_timeout(now));
            merge(&mut waiting[0], ours);
            merge(&mut waiting[1], theirs);
        }
        ends
    }

    fn merge(into: &mut Outcome, other: Outcome) {
        into.records.extend(other.records);
        into.data.extend(other.data);
        into.keys = into.keys.take().or(other.keys);
        into.is_connected |= other.is_connected;
        into.closed = into.closed.take().or(other.closed);
    }

    fn pair(expected: Fingerprint, now: Instant) -> (Dtls, Dtls) {
        let client = Dtls::new(identity(), fingerprint(identity()), true, now).expect("configured");
        let server = Dtls::new(identity(), expected, false, now).expect("configured");
        (client, server)
    }

    #[test]
    fn both_sides_get_keys_and_the_server_stays_small() {
        let now = Instant::now();
        let (mut client, mut server) = pair(fingerprint(identity()), now);
        let ends = shake(&mut client, &mut server, now, || false);
        // AES-256-GCM: two keys of 32 bytes, two salts of 12.
        assert_eq!(ends, [(true, None, 88), (true, None, 88)]);
        let freed = allocation_counter::measure(|| drop(server));
        println!("{} bytes of DTLS", -freed.bytes_current);
        assert!(-freed.bytes_current < 16 * 1024, "{}", -freed.bytes_current);
    }

    #[test]
    fn another_certificate_than_that_of_the_offer_ends_it() {
        let now = Instant::now();
        let (mut client, mut server) = pair(fingerprint(&Identity::generate().expect("another")), now);
        let [_, (is_connected, closed, _)] = shake(&mut client, &mut server, now, || false);
        assert!(!is_connected);
        assert!(matches!(closed, Some(CloseReason::Protocol(words)) if words.contains("certificate")));
    }

    #[test]
    fn every_third_record_lost_is_repeated() {
        let now = Instant::now();
        let (mut client, mut server) = pair(fingerprint(identity()), now);
        let mut count = 0;
        let ends = shake(&mut client, &mut server, now, || {
            count += 1;
            count % 3 == 0
        });
        assert!(ends.iter().all(|(is_connected, closed, _)| *is_connected && closed.is_none()), "{ends:?}");
    }

    proptest! {
        #[test]
        fn garbage_never_panics(records in prop::collection::vec((20_u8..64, prop::collection::vec(any::<u8>(), 0..120)), 0..20)) {
            let now = Instant::now();
            let (_, mut server) = pair(fingerprint(identity()), now);
            for (kind, body) in records {
                let mut record = vec![kind, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1];
                record.extend((body.len() as u16).to_be_bytes());
                record.extend(body);
                let _ = server.handle_packet(now, &record);
            }
        }
    }
}
