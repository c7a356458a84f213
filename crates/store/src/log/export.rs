//! A room's log as lines, page by page: never all of it at once.

use super::{LogError, RoomLog};
use std::sync::Arc;
use unisono_base::{MediaTime, RoomId};
use unisono_timeline::audit::{Base, Checkpoint, FORMAT, Header, Line, Mark, Signer};

/// Entries read at once; at some 2 KiB a line one chunk is about 1 MiB at most.
const PAGE: usize = 256;

/// See the module. Entries appended while it runs are not part of it: it ends where the log ended at its first page.
pub struct Export {
    log: Arc<dyn RoomLog>,
    room: RoomId,
    signer: Arc<Signer>,
    now: MediaTime,
    stage: Stage,
}

enum Stage {
    Start,
    Entries { last: Base, end_n: u64 },
    Done,
}

impl Export {
    /// The export of `room`, signed as complete at `now` (the node's timeline clock).
    pub fn new(log: Arc<dyn RoomLog>, room: RoomId, signer: Arc<Signer>, now: MediaTime) -> Self {
        Self { log, room, signer, now, stage: Stage::Start }
    }

    /// The next lines, each with its line feed; `None` after the last.
    pub async fn next(&mut self) -> Option<Result<String, LogError>> {
        let lines = match self.stage {
            Stage::Start => self.start().await,
            Stage::Entries { last, end_n } if last.n < end_n => self.entries(last, end_n).await,
            Stage::Entries { last, .. } => Ok(self.end(last)),
            Stage::Done => return None,
        };
        if lines.is_err() {
            self.stage = Stage::Done;
        }
        Some(lines)
    }

    async fn start(&mut self) -> Result<String, LogError> {
        let page = self.log.read(&self.room, 1, 1).await?;
        let base = page.base.unwrap_or_else(|| Base::start(&self.room));
        let key = self.signer.public();
        self.stage = Stage::Entries { last: base, end_n: page.last_n };
        Ok(Line::Log(Header { version: FORMAT, room: self.room.clone(), key, base }).to_text())
    }

    async fn entries(&mut self, mut last: Base, end_n: u64) -> Result<String, LogError> {
        let wanted = usize::try_from(end_n - last.n).unwrap_or(PAGE).min(PAGE);
        let page = self.log.read(&self.room, last.n + 1, wanted).await?;
        let marks = self.log.checkpoints(&self.room, last.n + 1, wanted).await?;
        let mut marks = marks.into_iter().peekable();
        let mut text = String::new();
        for sealed in &page.entries {
            if sealed.entry.n != last.n + 1 {
                break;
            }
            let seq = sealed.seq().unwrap_or(last.seq);
            last = Base { n: sealed.entry.n, seq, term: sealed.entry.term, hash: sealed.seal.hash };
            text.push_str(&Line::of(sealed).to_text());
            while let Some(mark) = marks.next_if(|mark: &Checkpoint| mark.n <= last.n) {
                text.push_str(&Line::Checkpoint(mark).to_text());
            }
        }
        if text.is_empty() {
            let reason = "it was cut by retention while it was exported; export again".to_owned();
            return Err(LogError::Damaged { room: self.room.to_string(), n: last.n + 1, reason });
        }
        self.stage = Stage::Entries { last, end_n };
        Ok(text)
    }

    fn end(&mut self, last: Base) -> String {
        self.stage = Stage::Done;
        let end = self.signer.sign(&self.room, Mark::End, (last.term, last.n, last.hash), self.now);
        Line::End(end).to_text()
    }
}
