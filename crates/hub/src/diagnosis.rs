//! What is wrong with a stream, in words: for log, API and page.
//!
//! Pure: time comes in with the frames. A finding begins and ends; each beginning and each end is a [`Change`] for the
//! log, at most one a minute per code, so that a fault that comes and goes does not flood it.

mod code;
mod watch;

pub use code::{Code, Severity};
pub(crate) use watch::{Seen, Watch};

use std::collections::BTreeMap;
use unisono_base::{MediaTime, Span};

/// How long something that happens in one moment (a refused key, a jump) stays on show.
const MOMENT_SHOWN: Span = Span::from_secs(60);
/// Least time between two log lines about one code of one stream.
const QUIET: Span = Span::from_secs(60);

/// Something that is wrong now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What kind; stable, for scripts.
    pub code: Code,
    /// How bad.
    pub severity: Severity,
    /// What it is and what to do, for people.
    pub words: String,
    /// When it began, on the node's clock.
    pub since: MediaTime,
}

/// What the log should say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Begins(Finding),
    Ends(Finding),
}

#[derive(Debug)]
struct Found {
    finding: Finding,
    /// A moment is over then; `None`: over when its condition is.
    until: Option<MediaTime>,
    is_logged: bool,
}

/// The findings of one stream. At most one per [`Code`].
#[derive(Debug, Default)]
pub(crate) struct Diagnosis {
    found: BTreeMap<Code, Found>,
    logged: BTreeMap<Code, MediaTime>,
    changes: Vec<Change>,
    watch: Watch,
}

impl Diagnosis {
    /// A frame arrived, stored or not.
    pub(crate) fn frame(&mut self, seen: Seen) {
        let mut watch = std::mem::take(&mut self.watch);
        watch.frame(seen, self);
        self.watch = watch;
        self.expire(seen.arrived);
    }

    /// While `holds`, `code` is found, with the words it had at the beginning.
    pub(crate) fn judge(
        &mut self,
        code: Code,
        holds: bool,
        now: MediaTime,
        words: impl FnOnce() -> (Severity, String),
    ) {
        match (holds, self.found.contains_key(&code)) {
            (true, false) => {
                let (severity, words) = words();
                self.begin(Finding { code, severity, words, since: now }, None);
            }
            (false, true) => self.end(code),
            (true, true) | (false, false) => {}
        }
    }

    /// Something happened at `now`; it is shown for a minute after the last time.
    pub(crate) fn happened(&mut self, code: Code, severity: Severity, words: String, now: MediaTime) {
        let until = Some(now + MOMENT_SHOWN);
        if let Some(found) = self.found.get_mut(&code) {
            found.until = until;
            found.finding.words = words;
        } else {
            self.begin(Finding { code, severity, words, since: now }, until);
        }
    }

    /// Moments older than a minute are over.
    pub(crate) fn expire(&mut self, now: MediaTime) {
        let is_over = |found: &Found| found.until.is_some_and(|until| now >= until);
        let over: Vec<_> = self.found.iter().filter(|(_, f)| is_over(f)).map(|(code, _)| *code).collect();
        over.into_iter().for_each(|code| self.end(code));
    }

    /// Another publisher, or none: what was wrong with the last one's media is over without a word.
    pub(crate) fn begin_publication(&mut self) {
        self.watch = Watch::default();
        self.found.retain(|code, _| !code.is_about_media());
    }

    /// The findings of `now`, the worst first.
    pub(crate) fn findings(&mut self, now: Option<MediaTime>) -> Vec<Finding> {
        if let Some(now) = now {
            self.expire(now);
        }
        let mut findings: Vec<_> = self.found.values().map(|found| found.finding.clone()).collect();
        findings.sort_by_key(|finding| finding.severity);
        findings
    }

    /// Beginnings and ends since the last call.
    pub(crate) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    fn begin(&mut self, finding: Finding, until: Option<MediaTime>) {
        let is_quiet = self.logged.get(&finding.code).is_some_and(|last| finding.since - *last < QUIET);
        if !is_quiet {
            self.logged.insert(finding.code, finding.since);
            self.changes.push(Change::Begins(finding.clone()));
        }
        self.found.insert(finding.code, Found { finding, until, is_logged: !is_quiet });
    }

    fn end(&mut self, code: Code) {
        let Some(found) = self.found.remove(&code) else { return };
        if found.is_logged {
            self.changes.push(Change::Ends(found.finding));
        }
    }
}

#[cfg(test)]
mod tests;
