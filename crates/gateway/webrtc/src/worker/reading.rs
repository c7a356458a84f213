//! When a worker wakes up to read its socket.
//!
//! Viewers report some ten times a second each, so that a worker with a few hundred of them would wake up for every second
//! report. Nothing of that is urgent to a few milliseconds, as little as to a network card, which tells the processor of
//! packets in groups for the same reason. Whatever else wakes the worker, a frame to begin with, makes it read at once.

use std::time::{Duration, Instant};

/// From one read to the next while only viewers report. A packet asked for again leaves later by so much at most, which is
/// little beside the round trip that the viewer has waited.
const ROUTINE_EVERY: Duration = Duration::from_millis(4);

/// After a packet of a publisher, of a handshake or of a stranger the next one is read as it comes, for so long. Frames are
/// less than that apart.
const PROMPT_FOR: Duration = Duration::from_millis(200);

/// What a datagram asks of the one who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Haste {
    /// From a viewer that plays: reports, and whether it is still there.
    Routine,
    /// All else.
    Prompt,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Reading {
    prompt_until: Option<Instant>,
    put_off_to: Option<Instant>,
}

impl Reading {
    /// Before a read, whose datagrams are [noted](Self::note).
    pub(super) fn begin(&mut self) {
        self.put_off_to = None;
    }

    /// A datagram was read.
    pub(super) fn note(&mut self, now: Instant, haste: Haste) {
        if haste == Haste::Prompt {
            self.prompt_until = Some(now + PROMPT_FOR);
        }
        let is_prompt = self.prompt_until.is_some_and(|until| now < until);
        self.put_off_to = (!is_prompt).then(|| now + ROUTINE_EVERY);
    }

    /// When to look at the socket again, if nothing else wakes the worker; `None` for as soon as there is something.
    pub(super) fn put_off_to(&self) -> Option<Instant> {
        self.put_off_to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_read_in_groups_and_all_else_as_it_comes() {
        let (start, ms) = (Instant::now(), Duration::from_millis);
        let mut reading = Reading::default();
        assert_eq!(reading.put_off_to(), None, "the first one at once");
        reading.note(start, Haste::Routine);
        assert_eq!(reading.put_off_to(), Some(start + ROUTINE_EVERY));

        reading.begin();
        assert_eq!(reading.put_off_to(), None, "a turn that read nothing waits for what comes next");

        reading.note(start + ms(10), Haste::Prompt);
        reading.note(start + ms(10), Haste::Routine);
        assert_eq!(reading.put_off_to(), None, "a publisher sends");
        reading.note(start + ms(209), Haste::Routine);
        assert_eq!(reading.put_off_to(), None);
        reading.note(start + ms(210), Haste::Routine);
        assert_eq!(reading.put_off_to(), Some(start + ms(214)), "it has stopped");
    }
}
