//! When a worker wakes up to read its socket.
//!
//! Viewers report some ten times a second each, so that a worker with a few hundred of them would wake up for every second
//! report. Nothing of that is urgent to a few milliseconds, as little as to a network card, which tells the processor of
//! packets in groups for the same reason. Whatever else wakes the worker, a frame to begin with, makes it read at once.

use std::time::{Duration, Instant};

/// From one read to the next while only viewers report. A packet asked for again leaves later by so much at most, which is
/// little beside the round trip that the viewer has waited.
const ROUTINE_EVERY: Duration = Duration::from_millis(10);

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

/// When to read next, if nothing else wakes the worker before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Next {
    /// Something is left.
    AtOnce,
    /// As soon as there is something.
    #[default]
    AsItComes,
    /// Not before.
    At(Instant),
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Reading {
    prompt_until: Option<Instant>,
    next: Next,
}

impl Reading {
    /// Before a read, whose datagrams are [noted](Self::note). One that finds nothing changes nothing before its time.
    pub(super) fn begin(&mut self, now: Instant) {
        if !matches!(self.next, Next::At(at) if now < at) {
            self.next = Next::AsItComes;
        }
    }

    /// A datagram was read.
    pub(super) fn note(&mut self, now: Instant, haste: Haste) {
        if haste == Haste::Prompt {
            self.prompt_until = Some(now + PROMPT_FOR);
        }
        let is_prompt = self.prompt_until.is_some_and(|until| now < until);
        self.next = if is_prompt { Next::AsItComes } else { Next::At(now + ROUTINE_EVERY) };
    }

    /// Not all was read.
    pub(super) fn rest(&mut self) {
        self.next = Next::AtOnce;
    }

    /// See [`Next`].
    pub(super) fn next(&self) -> Next {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_read_in_groups_and_all_else_as_it_comes() {
        let (start, ms) = (Instant::now(), Duration::from_millis);
        let mut reading = Reading::default();
        assert_eq!(reading.next(), Next::AsItComes, "the first one at once");
        reading.note(start, Haste::Routine);
        assert_eq!(reading.next(), Next::At(start + ROUTINE_EVERY));

        reading.begin(start + ms(5));
        assert_eq!(
            reading.next(),
            Next::At(start + ROUTINE_EVERY),
            "a frame woke the worker, and there was nothing to read"
        );
        reading.begin(start + ROUTINE_EVERY);
        assert_eq!(reading.next(), Next::AsItComes, "a read at its time that found nothing");

        reading.rest();
        assert_eq!(reading.next(), Next::AtOnce);
        reading.begin(start + ms(20));
        reading.note(start + ms(20), Haste::Prompt);
        reading.note(start + ms(20), Haste::Routine);
        assert_eq!(reading.next(), Next::AsItComes, "a publisher sends");
        reading.note(start + ms(219), Haste::Routine);
        assert_eq!(reading.next(), Next::AsItComes);
        reading.note(start + ms(220), Haste::Routine);
        assert_eq!(reading.next(), Next::At(start + ms(230)), "it has stopped");
    }
}
