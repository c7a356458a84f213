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

    /// The next lines, each with its line feed; `None` after the last.
    pub async fn next(&mut self) -> Option<Result<String, LogError>> {
        let lines = match self.stage {
            Stage::Start => Ok(self.start()),
            Stage::Entries(at) if at.last.n < self.end_n => self.entries(at).await,
            Stage::Entries(at) => Ok(self.end(at.last)),
            Stage::Done => return None,
        };
        if lines.is_err() {
            self.stage = Stage::Done;
        }
        Some(lines)
    }

    fn start(&mut self) -> String {
        let (base, key) = (self.base, self.signer.public());
        self.stage = Stage::Entries(At { last: base, is_signed: false, is_blind: false });
        Line::Log(Header { version: FORMAT, room: self.room.clone(), key, base }).to_text()
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
