//! Compound packets from outside.

use super::{ReceiverReference, ReportBlock, TransportFeedback};

/// Pairs of a NACK that are read, of up to 17 numbers each: who lost more is better off with a keyframe, and must not cost
/// more than that.
const NACK_PAIRS_MAX: usize = 64;

/// One thing that a peer told us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message<'a> {
    /// How it receives one of our streams, from a receiver report or a sender report of its own.
    Report(ReportBlock),
    /// Generic NACK (RFC 4585 §6.2.1).
    Nack {
        /// The stream.
        media: u32,
        /// Sequence numbers it lacks, 1,088 at most.
        lost: Lost<'a>,
    },
    /// Picture loss indication (RFC 4585 §6.3.1).
    PictureLoss {
        /// The stream.
        media: u32,
    },
    /// Full intra request (RFC 5104 §4.3.1).
    FullIntra(Targets<'a>),
    /// Which packets arrived when.
    TransportFeedback(TransportFeedback<'a>),
    /// Its clock (RFC 3611 §4.4).
    Reference(ReceiverReference),
    /// It leaves (RFC 3550 §6.6); the sources, one word each.
    Goodbye(&'a [[u8; 4]]),
}

/// Sequence numbers out of a NACK, in the order given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost<'a> {
    pairs: &'a [[u8; 4]],
    sequence: u16,
    /// Bit n: `sequence + 1 + n` is missing too. What is left of the pair in work.
    mask: u16,
    is_first: bool,
}

/// Streams out of a full intra request, with the request's number, which repeats when a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Targets<'a>(&'a [[u8; 8]]);

/// See [`read`].
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    rest: &'a [u8],
    inner: Inner<'a>,
}

/// What is left of the packet in work.
#[derive(Clone, Debug)]
enum Inner<'a> {
    Nothing,
    Reports(&'a [[u8; 24]]),
    Extended { sender: u32, blocks: &'a [u8] },
}

/// Takes a compound packet apart, already opened. Ends at the first packet that does not fit; unknown ones are left out.
pub fn read(compound: &[u8]) -> Messages<'_> {
    Messages { rest: compound, inner: Inner::Nothing }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        loop {
            match &mut self.inner {
                Inner::Nothing => {}
                Inner::Reports(blocks) => {
                    if let Some((block, rest)) = blocks.split_first() {
                        *blocks = rest;
                        return Some(Message::Report(report_block(block)));
                    }
                }
                Inner::Extended { sender, blocks } => {
                    if let Some(reference) = next_reference(*sender, blocks) {
                        return Some(Message::Reference(reference));
                    }
                }
            }
            self.inner = Inner::Nothing;
            if let Some(message) = self.packet()? {
                return Some(message);
            }
        }
    }
}

impl<'a> Messages<'a> {
    /// Takes the next packet off. The outer `None` ends it all; the inner one: look into `inner`, or go on.
    fn packet(&mut self) -> Option<Option<Message<'a>>> {
        const SENDER_REPORT: u8 = 200;
        const RECEIVER_REPORT: u8 = 201;
        const GOODBYE: u8 = 203;
        const TRANSPORT: u8 = 205;
        const PAYLOAD: u8 = 206;
        const EXTENDED: u8 = 207;
        let (&[first, kind, high, low], _) = self.rest.split_first_chunk()?;
        let length = 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
        let (packet, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        if first >> 6 != 2 {
            return None;
        }
        let Some(body) = without_padding(first, &packet[4..]) else { return Some(None) };
        let count = first & 0x1f;
        Some(match (kind, count) {
            (SENDER_REPORT, _) => self.reports(body, 24, count),
            (RECEIVER_REPORT, _) => self.reports(body, 4, count),
            (GOODBYE, _) => body.as_chunks().0.get(..count.into()).map(Message::Goodbye),
            (TRANSPORT, 1) => media(body).map(|(media, rest)| Message::Nack { media, lost: Lost::new(rest) }),
            (TRANSPORT, 15) => media(body)
                .and_then(|(_, rest)| TransportFeedback::parse(rest))
                .map(Message::TransportFeedback),
            (PAYLOAD, 1) => media(body).map(|(media, _)| Message::PictureLoss { media }),
            (PAYLOAD, 4) => media(body).map(|(_, rest)| Message::FullIntra(Targets(rest.as_chunks().0))),
            (EXTENDED, _) => {
                if let Some((sender, blocks)) = body.split_first_chunk() {
                    self.inner = Inner::Extended { sender: u32::from_be_bytes(*sender), blocks };
                }
                None
            }
            _ => None,
        })
    }

    fn reports(&mut self, body: &'a [u8], before: usize, count: u8) -> Option<Message<'a>> {
        let (blocks, _) = body.get(before..)?.as_chunks();
        self.inner = Inner::Reports(blocks.get(..count.into()).unwrap_or(blocks));
        None
    }
}

/// The last byte of a padded packet counts the padding (RFC 3550 §6.4.1). `None` where that is more than there is.
fn without_padding(first: u8, body: &[u8]) -> Option<&[u8]> {
    if first & 1 << 5 == 0 {
        return Some(body);
    }
    let padding = usize::from(*body.last()?);
    body.get(..body.len().checked_sub(padding)?)
}

/// Cuts the SSRCs of sender and media off a feedback message (RFC 4585 §6.1).
fn media(body: &[u8]) -> Option<(u32, &[u8])> {
    let ([_, _, _, _, media @ ..], rest) = body.split_first_chunk::<8>()?;
    Some((u32::from_be_bytes(*media), rest))
}

fn report_block(block: &[u8; 24]) -> ReportBlock {
    let [ssrc, lost, highest_sequence, jitter, last_report, delay] =
        std::array::from_fn(|word| u32::from_be_bytes(std::array::from_fn(|byte| block[4 * word + byte])));
    ReportBlock {
        ssrc,
        fraction_lost: (lost >> 24) as u8,
        cumulative_lost: (lost << 8) as i32 >> 8,
        highest_sequence,
        jitter,
        last_report,
        delay,
    }
}

/// The next receiver reference time among extended report blocks (RFC 3611 §3), which are taken off.
fn next_reference(sender: u32, blocks: &mut &[u8]) -> Option<ReceiverReference> {
    const RECEIVER_REFERENCE_TIME: u8 = 4;
    loop {
        let (&[kind, _, high, low], rest) = blocks.split_first_chunk()?;
        let length = 4 * usize::from(u16::from_be_bytes([high, low]));
        let (block, rest) = rest.split_at_checked(length)?;
        *blocks = rest;
        if let (RECEIVER_REFERENCE_TIME, &[_, _, a, b, c, d, _, _]) = (kind, block) {
            return Some(ReceiverReference { ssrc: sender, ntp_middle: u32::from_be_bytes([a, b, c, d]) });
        }
    }
}

impl<'a> Lost<'a> {
    fn new(pairs: &'a [u8]) -> Self {
        let (pairs, _) = pairs.as_chunks();
        let pairs = &pairs[..pairs.len().min(NACK_PAIRS_MAX)];
        Self { pairs, sequence: 0, mask: 0, is_first: false }
    }
}

impl Iterator for Lost<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        if self.mask == 0 && !self.is_first {
            let (&[s0, s1, m0, m1], rest) = self.pairs.split_first()?;
            self.pairs = rest;
            self.sequence = u16::from_be_bytes([s0, s1]);
            self.mask = u16::from_be_bytes([m0, m1]);
            self.is_first = true;
        }
        if std::mem::replace(&mut self.is_first, false) {
            return Some(self.sequence);
        }
        let bit = self.mask.trailing_zeros();
        self.mask &= self.mask - 1;
        Some(self.sequence.wrapping_add(1 + bit as u16))
    }
}

impl Iterator for Targets<'_> {
    type Item = (u32, u8);

    fn next(&mut self) -> Option<(u32, u8)> {
        let (&[a, b, c, d, number, ..], rest) = self.0.split_first()?;
        self.0 = rest;
        Some((u32::from_be_bytes([a, b, c, d]), number))
    }
}
