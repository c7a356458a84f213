//! Writes an answer: one transport for all sections, we are the lite side of ICE, everything we send is one media stream.

use super::{choice::Choice, offer::Setup};
use crate::{HostCandidate, Transport};
use std::fmt::Write;

/// Media stream and CNAME of everything we send to one peer (RFC 8830, RFC 7022): a browser keeps sound and picture of
/// the same stream in step, and no others.
pub(crate) const STREAM_ID: &str = "unisono";
/// Longest message taken on a data channel, in bytes (RFC 8841 §6).
pub(crate) const MESSAGE_MAX: u32 = 16 * 1024;

/// Our side of the transport.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Local<'a> {
    pub(crate) ufrag: &'a str,
    pub(crate) password: &'a str,
    /// `sha-256 AB:CD:..`.
    pub(crate) fingerprint: &'a str,
    pub(crate) candidates: &'a [HostCandidate],
    /// What the offer said; we do the opposite.
    pub(crate) setup: Setup,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    /// Random, the same for all answers of a session (RFC 8866 §5.2).
    pub(crate) session: u64,
    /// One more with each.
    pub(crate) version: u32,
    pub(crate) local: Local<'a>,
    /// As many as the offer has, in its order.
    pub(crate) sections: Vec<AnswerSection<'a>>,
}

/// One section of it.
#[derive(Debug)]
pub(crate) enum AnswerSection<'a> {
    /// Port 0: nothing of it will be used.
    Rejected { media: &'a str, protocol: &'a str, numbers: &'a str, mid: Option<&'a str> },
    /// Sound or picture, perhaps silent.
    Media(MediaAnswer<'a>),
    /// The data channel.
    Channel(ChannelAnswer<'a>),
}

/// Sound or picture.
#[derive(Debug)]
pub(crate) struct MediaAnswer<'a> {
    pub(crate) media: &'a str,
    pub(crate) protocol: &'a str,
    pub(crate) mid: Option<&'a str>,
    pub(crate) choice: &'a Choice,
    /// Those that both sides know, with the offer's ids.
    pub(crate) extensions: Vec<(u8, &'a str)>,
    pub(crate) is_reduced_size: bool,
    pub(crate) reports_rtt: bool,
    /// Our SSRC, that of retransmissions, and the track's name; `None`: nothing is sent here.
    pub(crate) sends: Option<(u32, Option<u32>, String)>,
}

/// The data channel.
#[derive(Debug)]
pub(crate) struct ChannelAnswer<'a> {
    pub(crate) protocol: &'a str,
    pub(crate) mid: Option<&'a str>,
}

impl Answer<'_> {
    /// As it goes to the peer, lines ended by CR LF.
    pub(crate) fn encode(&self) -> String {
        let mut out = String::with_capacity(2_048);
        let Self { session, version, .. } = self;
        line(&mut out, format_args!("v=0\r\no=unisono {session} {version} IN IP4 0.0.0.0\r\ns=-\r\nt=0 0"));
        let mids: Vec<_> = self.sections.iter().filter_map(AnswerSection::bundled).collect();
        if !mids.is_empty() {
            line(&mut out, format_args!("a=group:BUNDLE {}", mids.join(" ")));
        }
        line(&mut out, format_args!("a=ice-lite\r\na=msid-semantic: WMS {STREAM_ID}"));
        let mut is_first = true;
        for section in &self.sections {
            section.encode(&mut out, &self.local, is_first);
            is_first &= matches!(section, AnswerSection::Rejected { .. });
        }
        out
    }
}

impl<'a> AnswerSection<'a> {
    fn bundled(&self) -> Option<&'a str> {
        match self {
            Self::Rejected { .. } => None,
            Self::Media(media) => media.mid,
            Self::Channel(channel) => channel.mid,
        }
    }

    /// `is_first`: the transport's candidates stand in the first section that is not rejected.
    fn encode(&self, out: &mut String, local: &Local<'_>, is_first: bool) {
        match self {
            Self::Rejected { media, protocol, numbers, mid } => {
                line(out, format_args!("m={media} 0 {protocol} {numbers}\r\nc=IN IP4 0.0.0.0"));
                mid.iter().for_each(|mid| line(out, format_args!("a=mid:{mid}")));
                line(out, format_args!("a=inactive"));
            }
            Self::Media(section) => {
                let Choice { payload_type, rtx, .. } = section.choice;
                let MediaAnswer { media, protocol, .. } = section;
                let rtx = rtx.map(|rtx| format!(" {rtx}")).unwrap_or_default();
                line(out, format_args!("m={media} 9 {protocol} {payload_type}{rtx}"));
                local.encode(out, section.mid, is_first);
                section.encode(out);
            }
            Self::Channel(ChannelAnswer { protocol, mid }) => {
                line(out, format_args!("m=application 9 {protocol} webrtc-datachannel"));
                local.encode(out, *mid, is_first);
                line(out, format_args!("a=sctp-port:5000\r\na=max-message-size:{MESSAGE_MAX}"));
            }
        }
    }
}

impl MediaAnswer<'_> {
    fn encode(&self, out: &mut String) {
        line(out, format_args!("a={}", if self.sends.is_some() { "sendonly" } else { "inactive" }));
        line(out, format_args!("a=rtcp:9 IN IP4 0.0.0.0\r\na=rtcp-mux"));
        if self.is_reduced_size {
            line(out, format_args!("a=rtcp-rsize"));
        }
        if self.reports_rtt {
            line(out, format_args!("a=rtcp-xr:rcvr-rtt=all"));
        }
        self.extensions.iter().for_each(|(id, uri)| line(out, format_args!("a=extmap:{id} {uri}")));
        let Choice { payload_type, codec, parameters, rtx, rate, feedback } = self.choice;
        line(out, format_args!("a=rtpmap:{payload_type} {codec}"));
        let feedback = [
            (feedback.transport_cc, "transport-cc"),
            (feedback.fir, "ccm fir"),
            (feedback.nack, "nack"),
            (feedback.pli, "nack pli"),
        ];
        for (_, words) in feedback.iter().filter(|(is_offered, _)| *is_offered) {
            line(out, format_args!("a=rtcp-fb:{payload_type} {words}"));
        }
        if !parameters.is_empty() {
            line(out, format_args!("a=fmtp:{payload_type} {parameters}"));
        }
        if let Some(rtx) = rtx {
            line(out, format_args!("a=rtpmap:{rtx} rtx/{rate}\r\na=fmtp:{rtx} apt={payload_type}"));
        }
        let Some((ssrc, resends, track)) = &self.sends else { return };
        line(out, format_args!("a=msid:{STREAM_ID} {track}"));
        if let Some(resends) = resends {
            line(out, format_args!("a=ssrc-group:FID {ssrc} {resends}"));
        }
        for ssrc in [Some(*ssrc), *resends].into_iter().flatten() {
            line(
                out,
                format_args!("a=ssrc:{ssrc} cname:{STREAM_ID}\r\na=ssrc:{ssrc} msid:{STREAM_ID} {track}"),
            );
        }
    }
}

impl Local<'_> {
    fn encode(&self, out: &mut String, mid: Option<&str>, is_first: bool) {
        let Self { ufrag, password, fingerprint, .. } = self;
        line(out, format_args!("c=IN IP4 0.0.0.0"));
        if is_first {
            out.push_str(&candidate_lines(self.candidates));
            line(out, format_args!("a=end-of-candidates"));
        }
        line(out, format_args!("a=ice-ufrag:{ufrag}\r\na=ice-pwd:{password}\r\na=fingerprint:{fingerprint}"));
        let setup = if self.setup == Setup::Passive { "active" } else { "passive" };
        line(out, format_args!("a=setup:{setup}"));
        mid.iter().for_each(|mid| line(out, format_args!("a=mid:{mid}")));
    }
}

/// Host candidates as SDP lines (RFC 8839 §5.1).
pub(crate) fn candidate_lines(candidates: &[HostCandidate]) -> String {
    // Type preference 126, for TCP 90; then local preference, unique for each; component 1 (RFC 8445 §5.1.2.1).
    let one = |(index, HostCandidate { transport, address }): (usize, &HostCandidate)| {
        let (name, preference, kind) = match transport {
            Transport::Udp => ("udp", 126_u32, ""),
            Transport::Tcp => ("tcp", 90, " tcptype passive"),
        };
        let priority = (preference << 24) + ((65_535 - (index as u32 & 0xffff)) << 8) + 255;
        let (ip, port) = (address.ip(), address.port());
        format!("a=candidate:{} 1 {name} {priority} {ip} {port} typ host{kind}\r\n", index + 1)
    };
    candidates.iter().enumerate().map(one).collect()
}

fn line(out: &mut String, words: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = out.write_fmt(words);
    out.push_str("\r\n");
}
