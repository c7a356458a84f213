//! Reads an offer.

use crate::{OfferError, offer::check};
use std::collections::HashSet;

/// Formats read of one media section; Chromium lists about 50.
const FORMATS_MAX: usize = 128;
/// A mid travels in a one-byte header extension, which holds 16 bytes (RFC 8285 §4.2, RFC 8843 §15).
const MID_MAX: usize = 16;
/// ICE credentials have 4 to 256 (user fragment) and 22 to 256 (password) characters (RFC 8839 §5.4).
const CREDENTIAL_MAX: usize = 256;

/// What an offer says, borrowed from its text.
#[derive(Debug)]
pub(crate) struct Offer<'a> {
    pub(crate) ufrag: &'a str,
    pub(crate) password: &'a str,
    /// The strongest of those we can check.
    pub(crate) fingerprint: Fingerprint,
    pub(crate) setup: Setup,
    /// Mids of the bundle group; `None` without one.
    pub(crate) bundle: Option<Vec<&'a str>>,
    pub(crate) sections: Vec<OfferedSection<'a>>,
}

/// Who begins the DTLS handshake, as the offerer sees it (RFC 5763 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setup {
    /// The offerer, or whoever the answer says; we wait.
    Active,
    /// The offerer waits.
    Passive,
}

/// Hash of the certificate that the peer will show (RFC 8122 §5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    pub(crate) hash: Hash,
    pub(crate) bytes: Vec<u8>,
}

/// The hash functions we take, weakest first. SHA-1 and older ones prove nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// What a section is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SectionKind {
    Audio,
    Video,
    /// SCTP over DTLS (RFC 8841).
    Channel,
    /// Something we do not take.
    Other,
}

/// One `m=` line and what follows it.
#[derive(Debug)]
pub(crate) struct OfferedSection<'a> {
    /// First, third and further words of the `m=` line, to be repeated where it is rejected.
    pub(crate) media: &'a str,
    pub(crate) protocol: &'a str,
    pub(crate) numbers: &'a str,
    pub(crate) kind: SectionKind,
    /// The offerer has stopped using it (port 0, not `bundle-only`).
    pub(crate) is_rejected: bool,
    pub(crate) mid: Option<&'a str>,
    /// The offerer would receive what we send.
    pub(crate) receives: bool,
    pub(crate) formats: Vec<OfferedFormat<'a>>,
    /// Header extensions in the one-byte form: id from 1 to 14, URI.
    pub(crate) extensions: Vec<(u8, &'a str)>,
    /// RTCP may come without a report in front (RFC 5506).
    pub(crate) is_reduced_size: bool,
    /// The receiver wants to learn its round trip (RFC 3611 §5.1).
    pub(crate) reports_rtt: bool,
    pub(crate) sctp_port: Option<u16>,
    pub(crate) message_max: Option<u32>,
}

/// One payload type.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OfferedFormat<'a> {
    pub(crate) payload_type: u8,
    pub(crate) name: &'a str,
    pub(crate) rate: u32,
    pub(crate) parameters: &'a str,
    pub(crate) feedback: Feedback,
}

/// RTCP feedback of a payload type, as far as we act on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "four independent lines of SDP")]
pub(crate) struct Feedback {
    pub(crate) nack: bool,
    pub(crate) pli: bool,
    pub(crate) fir: bool,
    pub(crate) transport_cc: bool,
}

impl<'a> OfferedFormat<'a> {
    /// A parameter of `a=fmtp`; names are case-insensitive in what browsers send.
    pub(crate) fn parameter(&self, name: &str) -> Option<&'a str> {
        let mut pairs = self.parameters.split(';').filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// The same as a number, `default` where it is not said.
    pub(crate) fn number(&self, name: &str, default: u32) -> Option<u32> {
        self.parameter(name).map_or(Some(default), |value| value.parse().ok())
    }
}

/// What stands at the session and in every section.
#[derive(Clone, Copy, Debug, Default)]
struct Transport<'a> {
    ufrag: Option<&'a str>,
    password: Option<&'a str>,
    setup: Option<&'a str>,
}

impl<'a> Offer<'a> {
    /// Reads an offer of at most 64 KiB and 32 sections.
    pub(crate) fn parse(text: &'a str) -> Result<Self, OfferError> {
        check(text)?;
        // A bare one would end a line of our answer that repeats what is offered.
        if text.split("\r\n").any(|line| line.contains('\r')) {
            return Err(malformed("a line has a carriage return in it (RFC 8866 section 5)"));
        }
        if text.lines().any(|line| !line.trim_end().is_empty() && line.as_bytes().get(1) != Some(&b'=')) {
            return Err(malformed("a line does not begin with a letter and = (RFC 8866 section 5)"));
        }
        let mut lines = text.lines().map(str::trim_end).peekable();
        let (mut transport, mut prints) = (Transport::default(), Vec::new());
        let (mut bundle, mut direction) = (None, None);
        while let Some(line) = lines.next_if(|line| !line.starts_with("m=")) {
            transport.learn(line)?;
            learn_fingerprint(&mut prints, line)?;
            direction = receives(line).or(direction);
            if let Some(times) = line.strip_prefix("t=") {
                check_times(times)?;
            }
            if let Some(mids) = line.strip_prefix("a=group:BUNDLE") {
                bundle.get_or_insert_with(|| mids.split_whitespace().collect::<Vec<_>>());
            }
        }
        let mut sections = Vec::new();
        while let Some(line) = lines.next() {
            let mut section = OfferedSection::of(line)?;
            section.receives = direction.unwrap_or(true);
            let body: Vec<_> = std::iter::from_fn(|| lines.next_if(|line| !line.starts_with("m="))).collect();
            // Firefox says what it wants of a payload type before it says which one that is.
            for value in body.iter().filter_map(|line| line.strip_prefix("a=rtpmap:")) {
                section.mapping(value)?;
            }
            for line in body {
                transport.learn(line)?;
                learn_fingerprint(&mut prints, line)?;
                section.learn(line)?;
            }
            section.keep_listed();
            sections.push(section);
        }
        check_mids(&sections, bundle.as_deref())?;
        let (ufrag, password) = transport.credentials()?;
        let fingerprint = prints.into_iter().max_by_key(|print: &Fingerprint| print.hash);
        let fingerprint = fingerprint.ok_or_else(|| {
            malformed("it has no a=fingerprint of SHA-256 or stronger (RFC 8122 section 5)")
        })?;
        Ok(Self { ufrag, password, fingerprint, setup: transport.setup()?, bundle, sections })
    }

    /// True when the section shares the one transport we have.
    pub(crate) fn is_bundled(&self, index: usize) -> bool {
        let (Some(section), Some(bundle)) = (self.sections.get(index), &self.bundle) else { return true };
        section.mid.is_some_and(|mid| bundle.contains(&mid))
    }
}

impl<'a> Transport<'a> {
    /// The first of each counts: bundled sections repeat them.
    fn learn(&mut self, line: &'a str) -> Result<(), OfferError> {
        let credential = |value: &'a str, min: usize| {
            let is_good =
                (min..=CREDENTIAL_MAX).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_graphic());
            is_good
                .then_some(value)
                .ok_or_else(|| malformed("its ICE credentials are not as in RFC 8839 section 5.4"))
        };
        if let Some(value) = line.strip_prefix("a=ice-ufrag:") {
            self.ufrag.get_or_insert(credential(value, 4)?);
        } else if let Some(value) = line.strip_prefix("a=ice-pwd:") {
            self.password.get_or_insert(credential(value, 22)?);
        } else if let Some(value) = line.strip_prefix("a=setup:") {
            self.setup.get_or_insert(value.trim());
        }
        Ok(())
    }

    fn credentials(&self) -> Result<(&'a str, &'a str), OfferError> {
        let missing = || malformed("it has no a=ice-ufrag and a=ice-pwd (RFC 8839 section 5.4)");
        self.ufrag.zip(self.password).ok_or_else(missing)
    }

    fn setup(&self) -> Result<Setup, OfferError> {
        match self.setup {
            None | Some("actpass" | "active") => Ok(Setup::Active),
            Some("passive") => Ok(Setup::Passive),
            Some(_) => Err(malformed("its a=setup is none of actpass, active, passive (RFC 5763 section 5)")),
        }
    }
}

impl<'a> OfferedSection<'a> {
    fn of(line: &'a str) -> Result<Self, OfferError> {
        let unreadable = || malformed("an m= line is not as in RFC 8866 section 5.14");
        let rest = line.strip_prefix("m=").ok_or_else(unreadable)?;
        let (media, rest) = rest.split_once(' ').ok_or_else(unreadable)?;
        let (port, rest) = rest.trim_start().split_once(' ').ok_or_else(unreadable)?;
        let (protocol, numbers) = rest.trim_start().split_once(' ').ok_or_else(unreadable)?;
        let port: u16 = port.split('/').next().and_then(|port| port.parse().ok()).ok_or_else(unreadable)?;
        let words = [media, protocol, numbers.trim()];
        if words.iter().any(|word| word.is_empty() || !word.bytes().all(|b| (0x20..0x7f).contains(&b))) {
            return Err(unreadable());
        }
        let is_rtp = matches!(protocol, "UDP/TLS/RTP/SAVPF" | "UDP/TLS/RTP/SAVP" | "RTP/SAVPF" | "RTP/SAVP");
        let is_rtp = is_rtp || protocol == "TCP/TLS/RTP/SAVPF";
        let is_sctp = protocol.ends_with("DTLS/SCTP") && numbers.trim() == "webrtc-datachannel";
        let kind = match media {
            "audio" if is_rtp => SectionKind::Audio,
            "video" if is_rtp => SectionKind::Video,
            "application" if is_sctp => SectionKind::Channel,
            _ => SectionKind::Other,
        };
        Ok(Self {
            media,
            protocol,
            numbers: numbers.trim(),
            kind,
            is_rejected: port == 0,
            mid: None,
            receives: true,
            formats: Vec::new(),
            extensions: Vec::new(),
            is_reduced_size: false,
            reports_rtt: false,
            sctp_port: None,
            message_max: None,
        })
    }

    fn learn(&mut self, line: &'a str) -> Result<(), OfferError> {
        let Some(attribute) = line.strip_prefix("a=") else { return Ok(()) };
        let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
        let number = |words: &'static str| value.trim().parse::<u32>().map_err(|_| malformed(words));
        match name {
            "mid" => self.mid = Some(mid(value)?),
            "fmtp" => {
                let (format, parameters) = self.about(value)?;
                format.into_iter().for_each(|format| format.parameters = parameters);
            }
            "rtcp-fb" => self.feedback(value)?,
            "extmap" => self.extension(value)?,
            "rtcp-rsize" => self.is_reduced_size = true,
            "rtcp-xr" => self.reports_rtt |= value.contains("rcvr-rtt"),
            "bundle-only" => self.is_rejected = false,
            "sctp-port" => {
                let port = number("its a=sctp-port is no number (RFC 8841 section 5)")?;
                self.sctp_port = u16::try_from(port).ok().filter(|port| *port != 0);
            }
            "max-message-size" => {
                self.message_max = Some(number("its a=max-message-size is no number (RFC 8841 section 6)")?);
            }
            _ => self.receives = receives(line).unwrap_or(self.receives),
        }
        Ok(())
    }

    fn mapping(&mut self, value: &'a str) -> Result<(), OfferError> {
        let unreadable = || malformed("an a=rtpmap is not as in RFC 8866 section 6.6");
        let (number, codec) = value.split_once(' ').ok_or_else(unreadable)?;
        let payload_type: u8 = number.parse().ok().filter(|pt| *pt < 128).ok_or_else(unreadable)?;
        let mut parts = codec.trim().split('/');
        let name = parts.next().filter(|name| !name.is_empty()).ok_or_else(unreadable)?;
        let rate = parts.next().and_then(|rate| rate.parse().ok()).ok_or_else(unreadable)?;
        let is_new = self.formats.iter().all(|format| format.payload_type != payload_type);
        if is_new && self.formats.len() < FORMATS_MAX {
            let feedback = Feedback::default();
            self.formats.push(OfferedFormat { payload_type, name, rate, parameters: "", feedback });
        }
        Ok(())
    }

    /// The format a line is about, if it is one of ours, and what the line says of it.
    fn about(&mut self, value: &'a str) -> Result<(Option<&mut OfferedFormat<'a>>, &'a str), OfferError> {
        let unreadable = || malformed("an a=fmtp or a=rtcp-fb has no payload type (RFC 8866 section 6.15)");
        let (number, rest) = value.split_once(' ').ok_or_else(unreadable)?;
        let payload_type: u8 = number.parse().map_err(|_| unreadable())?;
        let rest = rest.trim();
        Ok((self.formats.iter_mut().find(|format| format.payload_type == payload_type), rest))
    }

    fn feedback(&mut self, value: &'a str) -> Result<(), OfferError> {
        if let Some(all) = value.strip_prefix("* ") {
            self.formats.iter_mut().for_each(|format| format.feedback.learn(all.trim()));
            return Ok(());
        }
        let (format, words) = self.about(value)?;
        format.into_iter().for_each(|format| format.feedback.learn(words));
        Ok(())
    }

    fn extension(&mut self, value: &'a str) -> Result<(), OfferError> {
        let unreadable = || malformed("an a=extmap is not as in RFC 8285 section 8");
        let mut words = value.split_whitespace();
        let (id, uri) = words.next().zip(words.next()).ok_or_else(unreadable)?;
        let (id, direction) = id.split_once('/').unwrap_or((id, "sendrecv"));
        let id: u16 = id.parse().map_err(|_| unreadable())?;
        // 15 and up need the two-byte form, which nothing of ours does.
        let is_taken = self.extensions.iter().any(|(known, _)| u16::from(*known) == id);
        if (1..15).contains(&id) && !is_taken && matches!(direction, "sendrecv" | "recvonly") {
            self.extensions.push((id as u8, uri));
        }
        Ok(())
    }

    /// Only what the `m=` line lists is offered; an `a=rtpmap` beyond it is left over (RFC 8866 §6.6).
    fn keep_listed(&mut self) {
        let listed: HashSet<u8> =
            self.numbers.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        self.formats.retain(|format| listed.contains(&format.payload_type));
        // In the order of the m= line, which is that of preference.
        let order: Vec<u8> =
            self.numbers.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        self.formats.sort_by_key(|format| order.iter().position(|pt| *pt == format.payload_type));
    }
}

impl Feedback {
    fn learn(&mut self, words: &str) {
        match words {
            "nack" => self.nack = true,
            "nack pli" => self.pli = true,
            "ccm fir" => self.fir = true,
            "transport-cc" => self.transport_cc = true,
            _ => {}
        }
    }
}

/// Whether a direction line has the offerer receive (RFC 8866 §6.7); `None` for every other line.
fn receives(line: &str) -> Option<bool> {
    match line {
        "a=recvonly" | "a=sendrecv" => Some(true),
        "a=sendonly" | "a=inactive" => Some(false),
        _ => None,
    }
}

fn mid(value: &str) -> Result<&str, OfferError> {
    let value = value.trim();
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~".contains(&b);
    let is_good = (1..=MID_MAX).contains(&value.len()) && value.bytes().all(is_token);
    is_good
        .then_some(value)
        .ok_or_else(|| malformed("an a=mid is no token of 1 to 16 characters (RFC 5888 section 4)"))
}

fn check_mids(sections: &[OfferedSection<'_>], bundle: Option<&[&str]>) -> Result<(), OfferError> {
    let mut seen = HashSet::new();
    if !sections.iter().filter_map(|section| section.mid).all(|mid| seen.insert(mid)) {
        return Err(malformed("two sections have the same a=mid (RFC 5888 section 4)"));
    }
    if bundle.is_some_and(|bundle| !bundle.iter().all(|mid| seen.contains(mid))) {
        return Err(malformed("a=group:BUNDLE names a section that is not there (RFC 8843 section 7.2)"));
    }
    if sections.len() > 1 && sections.iter().any(|section| section.mid.is_none()) {
        return Err(malformed("a section has no a=mid (RFC 8843 section 7.1)"));
    }
    Ok(())
}

fn check_times(times: &str) -> Result<(), OfferError> {
    let mut words = times.split_whitespace();
    let mut number = || words.next().is_some_and(|word| word.parse::<u64>().is_ok());
    let is_good = number() && number();
    is_good.then_some(()).ok_or_else(|| malformed("its t= line has no two numbers (RFC 8866 section 5.9)"))
}

fn learn_fingerprint(prints: &mut Vec<Fingerprint>, line: &str) -> Result<(), OfferError> {
    let Some(value) = line.strip_prefix("a=fingerprint:") else { return Ok(()) };
    let unreadable = || malformed("an a=fingerprint is not as in RFC 8122 section 5");
    let (name, hex) = value.trim().split_once(' ').ok_or_else(unreadable)?;
    let (hash, length) = match name.to_ascii_lowercase().as_str() {
        "sha-256" => (Hash::Sha256, 32),
        "sha-384" => (Hash::Sha384, 48),
        "sha-512" => (Hash::Sha512, 64),
        _ => return Ok(()),
    };
    let byte = |pair: &str| (pair.len() == 2).then(|| u8::from_str_radix(pair, 16).ok()).flatten();
    let bytes: Option<Vec<u8>> = hex.trim().split(':').map(byte).collect();
    let bytes = bytes.filter(|bytes| bytes.len() == length).ok_or_else(unreadable)?;
    let print = Fingerprint { hash, bytes };
    match prints.iter().find(|known| known.hash == hash) {
        // Bundled sections have one certificate, so one fingerprint of a kind (RFC 8843 §7.1.3).
        Some(known) if *known != print => {
            Err(malformed("its sections have different fingerprints (RFC 8843 section 7.1.3)"))
        }
        Some(_) => Ok(()),
        None => {
            prints.push(print);
            Ok(())
        }
    }
}

fn malformed(words: &str) -> OfferError {
    OfferError::Malformed(words.to_owned())
}
