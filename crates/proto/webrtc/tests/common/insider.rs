//! A viewer that has the keys and no manners: it finds its way by ICE, shakes hands by DTLS as the client, and then sends
//! whatever it is told to inside DTLS and as SRTCP.

use aws_lc_rs::{digest, hmac};
use dimpl::{Config, Dtls, DtlsCertificate, Output};
use is::stun::{StunMessage, TransId};
use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};
use unisono_proto_webrtc::engine::srtp::{Keys, Opener, Profile, RtpOpener, Sealer, Side};

/// DTLS and SRTP by their first byte (RFC 7983 §7).
const DTLS: std::ops::RangeInclusive<u8> = 20..=63;
const SRTP: std::ops::RangeInclusive<u8> = 128..=191;
/// RTCP by its second one (RFC 5761 §4).
const RTCP: std::ops::RangeInclusive<u8> = 192..=223;
/// What the peer sends is shorter.
const PACKET_MAX: usize = 2_048;

/// What a packet of the server was.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A check of ours was answered.
    CheckAnswered,
    /// A check of theirs; so do we answer it.
    Check(Vec<u8>),
    /// DTLS; records in answer, and what was inside.
    Dtls(Vec<Vec<u8>>, Vec<Vec<u8>>),
    /// In the clear.
    Rtp(Vec<u8>),
    /// In the clear.
    Rtcp(Vec<u8>),
}

/// See the module.
pub(crate) struct Insider {
    dtls: Dtls,
    fingerprint: String,
    own: (String, String),
    theirs: (String, String),
    keys: Option<Keyed>,
    pub(crate) is_connected: bool,
}

struct Keyed {
    sealer: Sealer,
    rtp: RtpOpener,
    rtcp: Opener,
}

/// One for all, since making one tests the crypto library; the certificate is everybody's, too.
fn shared() -> &'static (Arc<Config>, DtlsCertificate) {
    static SHARED: OnceLock<(Arc<Config>, DtlsCertificate)> = OnceLock::new();
    SHARED.get_or_init(|| {
        let config = Config::builder().build().expect("a configuration");
        let certificate = dimpl::certificate::generate_self_signed_certificate().expect("a certificate");
        (Arc::new(config), certificate)
    })
}

impl Insider {
    /// With the offer that it makes of another one.
    pub(crate) fn new(offer: &str, now: Instant) -> (Self, String) {
        let (config, certificate) = shared();
        let mut dtls = Dtls::new_12(Arc::clone(config), certificate.clone(), now);
        dtls.set_active(true);
        let hash = digest::digest(&digest::SHA256, &certificate.certificate);
        let pairs: Vec<_> = hash.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        let fingerprint = format!("a=fingerprint:sha-256 {}", pairs.join(":"));
        let (own, theirs) = (credentials(offer), (String::new(), String::new()));
        let insider = Self { dtls, fingerprint, own, theirs, keys: None, is_connected: false };
        let name = |line: &str| {
            let is_print = line.starts_with("a=fingerprint:");
            (if is_print { insider.fingerprint.clone() } else { line.to_owned() }) + "\r\n"
        };
        let offer = offer.lines().map(name).collect();
        (insider, offer)
    }

    /// Reads the answer.
    pub(crate) fn agree(&mut self, answer: &str) {
        self.theirs = credentials(answer);
    }

    /// A check that nominates where `priority` is given.
    pub(crate) fn check(&self, priority: Option<u32>) -> Vec<u8> {
        let username = format!("{}:{}", self.theirs.0, self.own.0);
        let is_nominating = priority.is_some();
        let priority = priority.unwrap_or(1);
        let request =
            StunMessage::binding_request(&username, TransId::new(), true, 7, priority, is_nominating);
        stun(&request, &self.theirs.1)
    }

    /// The first flight, and later what has to be said again.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Vec<Vec<u8>> {
        self.dtls.handle_timeout(now).expect("a client that goes on");
        self.drain().0
    }

    /// A packet of the server. `None`: of no use to us.
    pub(crate) fn handle_packet(&mut self, bytes: &[u8]) -> Option<Heard> {
        match bytes {
            [0..=3, ..] => self.handle_stun(bytes),
            [first, ..] if DTLS.contains(first) => {
                self.dtls.handle_packet(bytes).ok()?;
                let (records, inside) = self.drain();
                Some(Heard::Dtls(records, inside))
            }
            [first, kind, ..] if SRTP.contains(first) => {
                let keys = self.keys.as_mut()?;
                let mut plain = [0; PACKET_MAX];
                if RTCP.contains(kind) {
                    return Some(Heard::Rtcp(keys.rtcp.open_rtcp(bytes, &mut plain).ok()?.to_vec()));
                }
                Some(Heard::Rtp(keys.rtp.open_rtp(bytes, &mut plain).ok()?.1.to_vec()))
            }
            _ => None,
        }
    }

    fn handle_stun(&self, bytes: &[u8]) -> Option<Heard> {
        let message = StunMessage::parse(bytes).ok()?;
        if !message.is_binding_request() {
            let is_genuine = message.verify(self.theirs.1.as_bytes(), hmac_sha1);
            return is_genuine.then_some(Heard::CheckAnswered);
        }
        let reply = StunMessage::binding_reply(message.trans_id(), ([192, 0, 2, 1], 8189).into());
        message.verify(self.own.1.as_bytes(), hmac_sha1).then(|| Heard::Check(stun(&reply, &self.own.1)))
    }

    /// Records around these bytes; empty for more than DTLS takes.
    pub(crate) fn wrap(&mut self, inside: &[u8]) -> Vec<Vec<u8>> {
        let is_taken = self.dtls.send_application_data(inside).is_ok();
        if is_taken { self.drain().0 } else { Vec::new() }
    }

    /// A genuine SRTCP packet of these bytes, of which there are eight at least.
    pub(crate) fn seal(&mut self, compound: &[u8]) -> Option<Vec<u8>> {
        let mut packet = compound.to_vec();
        let is_sealed = self.keys.as_mut()?.sealer.seal_rtcp(&mut packet);
        is_sealed.then_some(packet)
    }

    fn drain(&mut self) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let (mut records, mut inside) = (Vec::new(), Vec::new());
        let mut buffer = vec![0; 20_000];
        loop {
            match self.dtls.poll_output(&mut buffer) {
                Output::Packet(record) => records.push(record.to_vec()),
                Output::ApplicationData(data) => inside.push(data.to_vec()),
                Output::KeyingMaterial(material, profile) => {
                    let profile = Profile::from_dtls(profile).expect("a profile of ours");
                    let keys = Keys::from_dtls(profile, &material, Side::Client).expect("keys");
                    self.keys = Some(Keyed {
                        sealer: keys.sealer().expect("a key"),
                        rtp: keys.rtp_opener().expect("a key"),
                        rtcp: keys.opener().expect("a key"),
                    });
                }
                Output::Connected => self.is_connected = true,
                Output::Timeout(_) => return (records, inside),
                _ => {}
            }
        }
    }
}

/// User fragment and password of a description.
fn credentials(sdp: &str) -> (String, String) {
    let value = |name: &str| {
        sdp.lines().find_map(|line| line.strip_prefix(name)).expect("a credential").trim().to_owned()
    };
    (value("a=ice-ufrag:"), value("a=ice-pwd:"))
}

fn stun(message: &StunMessage<'_>, password: &str) -> Vec<u8> {
    let mut bytes = vec![0; 400];
    let length = message.to_bytes(Some(password.as_bytes()), &mut bytes, hmac_sha1).expect("fits");
    bytes.truncate(length);
    bytes
}

fn hmac_sha1(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    let mut context = hmac::Context::with_key(&key);
    parts.iter().for_each(|part| context.update(part));
    context.sign().as_ref().try_into().expect("20 bytes")
}
