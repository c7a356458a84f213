//! Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01): which packets came, and when.
//!
//! ```text
//! 8f | cd | length | our SSRC | media SSRC | first number | count | reference time, 64 ms | # | statuses ... | deltas, 250 us ...
//! ```

use super::rtcp::put_head;

/// Packets in one message at most: it stays one datagram.
const PACKETS_MAX: usize = 400;
const REFERENCE_US: i64 = 64_000;
const TICK_US: i64 = 250;

/// How one packet stands in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Missing = 0,
    Small = 1,
    Large = 2,
}

/// Arrivals since the last message.
#[derive(Debug, Default)]
pub(super) struct Feedback {
    /// Extended number and arrival in microseconds.
    arrivals: Vec<(u64, i64)>,
    highest: Option<u64>,
    /// First number that no message has spoken of.
    next: Option<u64>,
    messages: u8,
}

impl Feedback {
    /// A packet with this number arrived. Beyond the bound of a message the oldest are forgotten: they count as missing.
    pub(super) fn record(&mut self, sequence: u16, arrived_us: u64) {
        let extended = super::track::extend(self.highest, sequence);
        self.highest = self.highest.max(Some(extended));
        if self.arrivals.len() == PACKETS_MAX {
            self.arrivals.remove(0);
        }
        self.arrivals.push((extended, arrived_us as i64));
    }

    /// Appends a message about what arrived since the last one; nothing if nothing did.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, sender: u32, media: u32) {
        self.arrivals.sort_unstable();
        self.arrivals.dedup_by_key(|(number, _)| *number);
        let Some(&(first, earliest)) = self.arrivals.first() else { return };
        // A number from before what was told comes again where it was reordered.
        let base = self.next.map_or(first, |next| next.min(first)).max(first.saturating_sub(200));
        let reference = earliest.div_euclid(REFERENCE_US);
        let (statuses, deltas) = statuses(base, &self.arrivals, reference * REFERENCE_US);
        let count = statuses.len();
        self.next = Some(self.next.unwrap_or(0).max(base + count as u64));
        let start = out.len();
        put_head(out, 15, 205, 0);
        for word in [sender, media, u32::from(base as u16) << 16 | count as u32] {
            out.extend_from_slice(&word.to_be_bytes());
        }
        out.extend_from_slice(&((reference as u32) << 8 | u32::from(self.messages)).to_be_bytes());
        put_chunks(out, &statuses);
        out.extend_from_slice(&deltas);
        out.resize(out.len().next_multiple_of(4), 0);
        let words = (out.len() - start) / 4 - 1;
        out[start + 2..start + 4].copy_from_slice(&(words as u16).to_be_bytes());
        self.messages = self.messages.wrapping_add(1);
        self.arrivals.clear();
    }
}

/// The status of each number from `base` to the last arrival that fits, and the deltas of those that came.
fn statuses(base: u64, arrivals: &[(u64, i64)], reference_us: i64) -> (Vec<Status>, Vec<u8>) {
    let (mut statuses, mut deltas) = (Vec::new(), Vec::new());
    let mut before = reference_us;
    for &(number, arrived) in arrivals {
        let gap = (number - base) as usize - statuses.len();
        let ticks = (arrived - before).div_euclid(TICK_US);
        let Ok(large) = i16::try_from(ticks) else { break };
        if statuses.len() + gap >= 2 * PACKETS_MAX {
            break;
        }
        statuses.resize(statuses.len() + gap, Status::Missing);
        match u8::try_from(ticks) {
            Ok(small) => {
                statuses.push(Status::Small);
                deltas.push(small);
            }
            Err(_) => {
                statuses.push(Status::Large);
                deltas.extend_from_slice(&large.to_be_bytes());
            }
        }
        before += ticks * TICK_US;
    }
    (statuses, deltas)
}

/// Run lengths where they pay, else vectors of one or two bits.
fn put_chunks(out: &mut Vec<u8>, mut statuses: &[Status]) {
    while let Some(&first) = statuses.first() {
        let run = statuses.iter().take_while(|status| **status == first).count().min(0x1fff);
        let one_bit = &statuses[..statuses.len().min(14)];
        let (chunk, taken) = if run >= 14 || run == statuses.len() {
            ((first as u16) << 13 | run as u16, run)
        } else if one_bit.iter().all(|status| *status != Status::Large) {
            let bits = one_bit.iter().enumerate();
            (0x8000 | bits.fold(0, |bits, (n, status)| bits | (*status as u16) << (13 - n)), one_bit.len())
        } else {
            let two_bits = &statuses[..statuses.len().min(7)];
            let bits = two_bits.iter().enumerate();
            let bits = bits.fold(0, |bits, (n, status)| bits | (*status as u16) << (12 - 2 * n));
            (0xc000 | bits, two_bits.len())
        };
        out.extend_from_slice(&chunk.to_be_bytes());
        statuses = &statuses[taken..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use str0m::rtp::rtcp::Rtcp;

    /// Base number, status symbols and received count by the server's parser.
    fn read(bytes: &[u8]) -> (u16, u16, usize) {
        let Rtcp::Twcc(message) = Rtcp::try_from(bytes).expect("the server's parser takes it") else {
            panic!("feedback")
        };
        assert_eq!((*message.sender_ssrc, *message.ssrc), (1, 7));
        (message.base_seq, message.status_count, message.delta.len())
    }

    fn message(feedback: &mut Feedback) -> Vec<u8> {
        let mut out = Vec::new();
        feedback.write(&mut out, 1, 7);
        out
    }

    #[test]
    fn the_servers_parser_finds_what_came_and_what_did_not() {
        let mut feedback = Feedback::default();
        for number in [65_533u16, 65_534, 1, 2] {
            feedback.record(number, 1_000_000_000 + u64::from(number) * 10);
        }
        assert_eq!(read(&message(&mut feedback)), (65_533, 6, 4));
        assert!(message(&mut feedback).is_empty(), "nothing new");
        feedback.record(5, 1_000_900_000);
        assert_eq!(read(&message(&mut feedback)), (3, 3, 1), "3 and 4 are told as missing");
    }

    #[test]
    fn long_runs_and_long_waits_are_read_too() {
        let mut feedback = Feedback::default();
        for number in 0..300u64 {
            feedback.record(number as u16, 5_000_000 + number * 500 + if number > 150 { 200_000 } else { 0 });
        }
        assert_eq!(read(&message(&mut feedback)), (0, 300, 300));
        let mut reordered = Feedback::default();
        for (number, at) in [(9u16, 2_000_000u64), (8, 2_004_000), (10, 2_000_100)] {
            reordered.record(number, at);
        }
        assert_eq!(read(&message(&mut reordered)), (8, 3, 3));
    }

    #[test]
    fn a_flood_is_bounded() {
        let mut feedback = Feedback::default();
        (0..5_000u32).for_each(|number| feedback.record(number as u16, u64::from(number) * 100));
        let bytes = message(&mut feedback);
        assert!(bytes.len() < 1_200, "{} bytes", bytes.len());
        read(&bytes);
    }
}
