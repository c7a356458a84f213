//! Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).
//!
//! ```text
//! |      base sequence number     |      packet status count      |
//! |                 reference time                | fb pkt. count |
//! |          packet chunk         |         packet chunk          |
//! |  recv delta   |  recv delta ...                zero padding   |
//! ```

/// Packets that one message may speak of. Browsers send one every 50 to 100 ms; more than this is nonsense or an attack.
const COUNT_MAX: u16 = 4_096;
/// A step of reference time (64 ms) in ticks of 250 us.
const REFERENCE_TICKS: i64 = 256;

/// Which of our packets arrived, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransportFeedback<'a> {
    base: u16,
    count: u16,
    /// Signed, 24 bits, steps of 64 ms.
    reference: i32,
    number: u8,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

/// One packet of ours, as the peer saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Transport-wide number.
    pub sequence: u16,
    /// When it arrived, in ticks of 250 us of the peer's clock, which wraps after 2^32 ticks; `None` where it did not.
    pub at: Option<i64>,
}

/// See [`TransportFeedback::arrivals`].
#[derive(Clone, Debug)]
pub struct Arrivals<'a> {
    sequence: u16,
    left: u16,
    at: i64,
    chunks: Chunks<'a>,
    deltas: &'a [u8],
}

impl<'a> TransportFeedback<'a> {
    /// From the body behind the two SSRCs. `None` where it is cut short or says too much.
    pub(super) fn parse(body: &'a [u8]) -> Option<Self> {
        let (&[b0, b1, c0, c1, r0, r1, r2, number], rest) = body.split_first_chunk()?;
        let count = u16::from_be_bytes([c0, c1]);
        if count == 0 || count > COUNT_MAX {
            return None;
        }
        let mut chunks = Chunks::new(rest);
        let (mut deltas, mut left) = (0, count);
        while left > 0 {
            deltas += usize::from(chunks.next()?.bytes());
            left -= 1;
        }
        let (chunks, rest) = rest.split_at_checked(chunks.consumed)?;
        Some(Self {
            base: u16::from_be_bytes([b0, b1]),
            count,
            reference: i32::from_be_bytes([r0, r1, r2, 0]) >> 8,
            number,
            chunks,
            deltas: rest.get(..deltas)?,
        })
    }

    /// The peer's count of these messages, 8 bits: a gap is a lost one.
    pub const fn number(&self) -> u8 {
        self.number
    }

    /// Packets it speaks of, 1 to 4,096.
    pub const fn count(&self) -> u16 {
        self.count
    }

    /// One for each packet from the first on, in order of sending.
    pub fn arrivals(&self) -> Arrivals<'a> {
        Arrivals {
            sequence: self.base,
            left: self.count,
            at: i64::from(self.reference) * REFERENCE_TICKS,
            chunks: Chunks::new(self.chunks),
            deltas: self.deltas,
        }
    }
}

impl Iterator for Arrivals<'_> {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        self.left = self.left.checked_sub(1)?;
        let status = self.chunks.next()?;
        let (delta, rest) = self.deltas.split_at_checked(usize::from(status.bytes()))?;
        self.deltas = rest;
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        let delta = match *delta {
            [] => return Some(Arrival { sequence, at: None }),
            [small] => i64::from(small),
            [high, low, ..] => i64::from(i16::from_be_bytes([high, low])),
        };
        self.at += delta;
        Some(Arrival { sequence, at: Some(self.at) })
    }
}

/// What the feedback says about a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Missing,
    Small,
    Large,
}

impl Status {
    /// 3 is reserved; nothing is known of its delta, so it counts as missing.
    const fn new(symbol: u16) -> Self {
        match symbol & 3 {
            1 => Self::Small,
            2 => Self::Large,
            _ => Self::Missing,
        }
    }

    /// Of its delta.
    const fn bytes(self) -> u8 {
        match self {
            Self::Missing => 0,
            Self::Small => 1,
            Self::Large => 2,
        }
    }
}

/// Statuses out of packet chunks (§3.1.3, §3.1.4). Ends with the bytes, not with the count.
#[derive(Clone, Debug)]
struct Chunks<'a> {
    rest: &'a [u8],
    consumed: usize,
    chunk: u16,
    /// Statuses left in `chunk`.
    left: u16,
}

impl<'a> Chunks<'a> {
    const fn new(rest: &'a [u8]) -> Self {
        Self { rest, consumed: 0, chunk: 0, left: 0 }
    }
}

impl Iterator for Chunks<'_> {
    type Item = Status;

    fn next(&mut self) -> Option<Status> {
        while self.left == 0 {
            let (chunk, rest) = self.rest.split_first_chunk()?;
            self.rest = rest;
            self.consumed += 2;
            self.chunk = u16::from_be_bytes(*chunk);
            self.left = match self.chunk >> 14 {
                0 | 1 => self.chunk & 0x1fff,
                2 => 14,
                _ => 7,
            };
        }
        self.left -= 1;
        Some(match self.chunk >> 14 {
            0 | 1 => Status::new(self.chunk >> 13),
            // One bit each, the first one highest.
            2 => Status::new(self.chunk >> self.left & 1),
            _ => Status::new(self.chunk >> (2 * self.left)),
        })
    }
}
