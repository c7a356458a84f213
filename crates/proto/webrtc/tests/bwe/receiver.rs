//! A receiver that writes transport-wide feedback as browsers do.

use std::time::Duration;

/// A tick of the wire.
const TICK: Duration = Duration::from_micros(250);
/// Ticks of a step of reference time.
const REFERENCE: i64 = 256;

/// Arrivals since the last feedback.
#[derive(Default)]
pub(crate) struct Receiver {
    /// Extended numbers, and when they came, in ticks.
    arrived: Vec<(u64, i64)>,
    /// First number that no feedback has spoken of.
    next: u64,
    count: u8,
}

impl Receiver {
    pub(crate) fn arrive(&mut self, number: u64, since_start: Duration) {
        let ticks = (since_start.as_micros() / TICK.as_micros()) as i64;
        self.arrived.push((number, ticks));
    }

    /// RTCP with all that came since the last one, and what did not; `None` where nothing came. What comes after it was
    /// called missing begins the next one.
    pub(crate) fn feedback(&mut self) -> Option<Vec<u8>> {
        self.arrived.sort_unstable();
        let (first, last) = (self.arrived.first()?.0, self.arrived.last()?.0);
        let base = first.min(self.next);
        self.next = last + 1;
        let at = |number| self.arrived.iter().find(|(of, _)| *of == number).map(|(_, at)| *at);
        let reference = self.arrived[0].1.div_euclid(REFERENCE);
        let (mut chunks, mut deltas, mut ticks) = (Vec::new(), Vec::new(), reference * REFERENCE);
        for from in (base..=last).step_by(7) {
            let mut chunk = 0xc000u16;
            for (place, number) in (from..=last).take(7).enumerate() {
                let Some(at) = at(number) else { continue };
                let delta = at - std::mem::replace(&mut ticks, at);
                let symbol = if (0..256).contains(&delta) { 1 } else { 2 };
                chunk |= symbol << (12 - 2 * place);
                match symbol {
                    1 => deltas.push(delta as u8),
                    _ => deltas.extend((delta as i16).to_be_bytes()),
                }
            }
            chunks.extend(chunk.to_be_bytes());
        }
        self.arrived.clear();
        let count = (last - base + 1) as u16;
        let mut body = [&[0; 8][..], &(base as u16).to_be_bytes(), &count.to_be_bytes()].concat();
        body.extend(&(reference as u32).to_be_bytes()[1..]);
        body.push(self.count);
        self.count = self.count.wrapping_add(1);
        body.extend(chunks);
        body.extend(deltas);
        body.resize(body.len().next_multiple_of(4), 0);
        let words = (body.len() / 4) as u16;
        Some([&[0x8f, 205][..], &words.to_be_bytes(), &body].concat())
    }
}
