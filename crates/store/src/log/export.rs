//! A room's log as lines, page by page: never all of it at once.

use super::{LogError, RoomLog};
use std::sync::Arc;
use unisono_base::{MediaTime, RoomId};
use unisono_timeline::audit::{
    Base, Checkpoint, FORMAT, Header, Line, Mark, Sealed, Signer, Undecided, Withheld,
};

/// Entries read at once; at some 2 KiB a line one chunk is about 1 MiB at most.
const PAGE: usize = 256;

/// See the module. Entries appended while it runs are not part of it: it ends where the log ended when it began.
pub struct Export {
    log: Arc<dyn RoomLog>,
    room: RoomId,
    signer: Arc<Signer>,
    now: MediaTime,
    undecided: Undecided,
    base: Base,
    end_n: u64,
    stage: Stage,
}

enum Stage {
    Start,
    Entries(At),
    Done,
}

/// How far it is.
#[derive(Clone, Copy)]
struct At {
    last: Base,
    /// A checkpoint of the last entry was written.
    is_signed: bool,
    /// The last entry was withheld.
    is_blind: bool,
}

impl Export {
    /// The export of `room` up to its last entry now, signed as complete at `now` (the node's timeline clock).
    pub async fn begin(
        log: Arc<dyn RoomLog>,
        room: RoomId,
        signer: Arc<Signer>,
        now: MediaTime,
    ) -> Result<Self, LogError> {
        let page = log.read(&room, 1, 1).await?;
        let base = page.base.unwrap_or_else(|| Base::start(&room));
        let undecided = Undecided::default();
        Ok(Self { log, room, signer, now, undecided, base, end_n: page.last_n, stage: Stage::Start })
    }

    /// Keeps the secrets of these windows back. Ask for them after [`Self::begin`]: a window that opens later is not in
    /// it, one that was decided meanwhile has no secrets any more.
    #[must_use]
    pub fn withholding(mut self, undecided: Undecided) -> Self {
        self.undecided = undecided;
        self
    }

    /// Only from the first entry at or after `from` (the node's timeline clock) on; `None` where there is none.
    pub async fn starting_at(mut self, from: MediaTime) -> Result<Option<Self>, LogError> {
        // Entries are in the order of their times: halve what is between one too early and one late enough.
        let (mut early, mut late) = (self.base.n, self.end_n + 1);
        while late - early > 1 {
            let middle = early + (late - early) / 2;
            let page = self.log.read(&self.room, middle, 1).await?;
            match page.entries.first() {
                Some(sealed) if sealed.entry.t < from => early = middle,
                _ => late = middle,
            }
        }
        if late > self.end_n {
            return Ok(None);
        }
        if early > self.base.n {
            self.base = self.base_at(early).await?;
        }
        Ok(Some(self))
    }

    /// Where a log begins whose last entry before is `n`.
    async fn base_at(&self, n: u64) -> Result<Base, LogError> {
        let mut seq = self.base.seq;
        let mut from = n;
        // The last event at or before it says how far `seq` is.
        loop {
            let first = from.saturating_sub(PAGE as u64 - 1).max(self.base.n + 1);
            let page = self.log.read(&self.room, first, (from - first + 1) as usize).await?;
            if let Some(found) = page.entries.iter().rev().find_map(Sealed::seq) {
                seq = found;
                break;
            }
            if first <= self.base.n + 1 {
                break;
            }
            from = first - 1;
        }
        let page = self.log.read(&self.room, n, 1).await?;
        let Some(last) = page.entries.first().filter(|sealed| sealed.entry.n == n) else {
            let reason = "it was cut by retention while it was exported; export again".to_owned();
            return Err(LogError::Damaged { room: self.room.to_string(), n, reason });
        };
        Ok(Base { n, seq, term: last.entry.term, hash: last.seal.hash })
    }

    /// The next lines, each with its line feed; `None` after the last.
    pub async fn next(&mut self) -> Option<Result<String, LogError>> {
        let lines = match self.stage {
            Stage::Start => self.start().await,
            Stage::Entries(at) if at.last.n < self.end_n => self.entries(at).await,
            Stage::Entries(at) => Ok(self.end(at.last)),
            Stage::Done => return None,
        };
        if lines.is_err() {
            self.stage = Stage::Done;
        }
        Some(lines)
    }

    async fn start(&mut self) -> Result<String, LogError> {
        let (base, key) = (self.base, self.signer.public());
        let mut text = Line::Log(Header { version: FORMAT, room: self.room.clone(), key, base }).to_text();
        let at_base =
            if base.n == 0 { Vec::new() } else { self.log.checkpoints(&self.room, base.n, PAGE).await? };
        let is_start = |mark: &&Checkpoint| mark.n == base.n && mark.mark == Mark::Start;
        let start = at_base.iter().find(is_start);
        if let Some(start) = start {
            text.push_str(&Line::Checkpoint(start.clone()).to_text());
        }
        self.stage = Stage::Entries(At { last: base, is_signed: start.is_some(), is_blind: false });
        Ok(text)
    }

    async fn entries(&mut self, mut at: At) -> Result<String, LogError> {
        let from = at.last.n + 1;
        let wanted = usize::try_from(self.end_n - at.last.n).unwrap_or(PAGE).min(PAGE);
        let page = self.log.read(&self.room, from, wanted).await?;
        let marks = self.log.checkpoints(&self.room, from, wanted).await?;
        let mut marks = marks.into_iter().peekable();
        let mut text = String::new();
        for sealed in page.entries.iter().take_while(|sealed| sealed.entry.n <= self.end_n) {
            if sealed.entry.n != at.last.n + 1 {
                break;
            }
            self.entry(sealed, &mut at, &mut text);
            while let Some(mark) = marks.next_if(|mark: &Checkpoint| mark.n <= at.last.n) {
                (at.is_signed, at.is_blind) = (true, false);
                text.push_str(&Line::Checkpoint(mark).to_text());
            }
        }
        if text.is_empty() {
            let reason = "it was cut by retention while it was exported; export again".to_owned();
            return Err(LogError::Damaged { room: self.room.to_string(), n: from, reason });
        }
        self.stage = Stage::Entries(at);
        Ok(text)
    }

    /// Where entries are withheld, signatures stand for them: directly before the first and behind the last.
    fn entry(&self, sealed: &Sealed, at: &mut At, text: &mut String) {
        let withheld = Withheld::of(&sealed.entry, &self.undecided);
        let needs_mark = if withheld.is_some() { !at.is_blind && !at.is_signed } else { at.is_blind };
        if needs_mark {
            text.push_str(&Line::Checkpoint(self.sign(Mark::Running, at.last)).to_text());
        }
        (at.is_signed, at.is_blind) = (false, withheld.is_some());
        let seq = sealed.seq().unwrap_or(at.last.seq);
        at.last = Base { n: sealed.entry.n, seq, term: sealed.entry.term, hash: sealed.seal.hash };
        text.push_str(&withheld.map_or_else(|| Line::of(sealed), Line::Withheld).to_text());
    }

    fn sign(&self, mark: Mark, last: Base) -> Checkpoint {
        self.signer.sign(&self.room, mark, (last.term, last.n, last.hash), self.now)
    }

    fn end(&mut self, last: Base) -> String {
        self.stage = Stage::Done;
        Line::End(self.sign(Mark::End, last)).to_text()
    }
}
