//! What comes out of a window: one function for the sequencer and for whoever checks it later.

use crate::{Decide, Decision, Outcome, Terms};
use sha2::{Digest, Sha256};
use std::{
    collections::{HashMap, VecDeque},
    fmt::Write as _,
    hash::Hash,
};
use uuid::Uuid;

/// One entry of a window that was in time. `P` tells persons apart: an id, or the digest of an erased one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ballot<P> {
    /// Its place in the log.
    pub n: u64,
    /// Its command.
    pub cmd_id: Uuid,
    /// Whose.
    pub person: P,
    /// The choice, or the amount.
    pub value: i64,
}

/// What was fixed in secret when a window opened, or told by its host afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commitment {
    /// Splits what is equal.
    pub seed: [u8; 32],
    /// The right choice, where the rule asks for one.
    pub outcome: Option<u16>,
}

/// SHA-256 of a seed in hexadecimal, as [`Terms::seed_digest`] holds it.
pub fn seed_digest(seed: &[u8; 32]) -> String {
    hex(&Sha256::digest(seed).into())
}

/// PRF(seed, cmd_id): SHA-256 over both, whose lengths are fixed. Of equal amounts the least wins. A sender who does not
/// know the seed cannot choose an id that helps.
pub fn split_key(seed: &[u8; 32], cmd_id: Uuid) -> [u8; 32] {
    Sha256::new().chain_update(seed).chain_update(cmd_id.as_bytes()).finalize().into()
}

/// The result of `ballots`, in the order of the log, and of `late` entries that do not count. `None` where the rule
/// needs an outcome and there is none.
pub fn decide<P: Eq + Hash>(
    terms: &Terms,
    commitment: &Commitment,
    ballots: impl IntoIterator<Item = Ballot<P>>,
    late: u64,
) -> Option<Outcome> {
    let counted = counted(terms, ballots);
    let result = match terms.decide {
        Decide::Tally { choices } => Decision::Tally { counts: counts(choices, &counted) },
        Decide::Match { choices } => {
            Decision::Match { outcome: commitment.outcome?, counts: counts(choices, &counted) }
        }
        Decide::Highest { .. } => highest(&commitment.seed, &counted),
    };
    let entries = counted.len() as u64;
    Some(Outcome { window: terms.window, result, entries, late, seed: hex(&commitment.seed) })
}

/// The entries that stand when each person has had its last word.
fn counted<P: Eq + Hash>(
    terms: &Terms,
    ballots: impl IntoIterator<Item = Ballot<P>>,
) -> Vec<(u64, Uuid, i64)> {
    let mut standing: Vec<Option<(u64, Uuid, i64)>> = Vec::new();
    let mut persons: HashMap<P, VecDeque<usize>> = HashMap::new();
    for Ballot { n, cmd_id, person, value } in ballots {
        let own = persons.entry(person).or_default();
        if own.len() >= terms.entries_per_person as usize {
            match own.pop_front() {
                Some(oldest) if terms.changes => standing[oldest] = None,
                Some(oldest) => {
                    own.push_front(oldest);
                    continue;
                }
                None => continue,
            }
        }
        own.push_back(standing.len());
        standing.push(Some((n, cmd_id, value)));
    }
    standing.into_iter().flatten().collect()
}

fn counts(choices: u16, counted: &[(u64, Uuid, i64)]) -> Vec<u64> {
    let mut counts = vec![0; usize::from(choices)];
    for (_, _, value) in counted {
        if let Some(count) = usize::try_from(*value).ok().and_then(|choice| counts.get_mut(choice)) {
            *count += 1;
        }
    }
    counts
}

fn highest(seed: &[u8; 32], counted: &[(u64, Uuid, i64)]) -> Decision {
    let amount = counted.iter().map(|(_, _, value)| *value).max();
    let winner = counted
        .iter()
        .filter(|(_, _, value)| Some(*value) == amount)
        .min_by_key(|(n, cmd_id, _)| (split_key(seed, *cmd_id), *n));
    Decision::Highest { winner_n: winner.map(|(n, _, _)| *n), amount: amount.unwrap_or(0) }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8; 32]) -> String {
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Inverse of [`hex`]; `None` for anything else.
pub(crate) fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(bytes)
}
