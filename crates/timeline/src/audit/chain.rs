//! The chain: `h_n = SHA-256(h_(n-1) || clear part of entry n)`, and h_0 from the room's name.

use super::{
    checkpoint::{CHECKPOINT_EVERY, CHECKPOINT_SPACING, Checkpoint, Mark, Signer},
    clear::{Clear, Kept, Unreadable, person_digest},
    digest::{Digest, Salt},
    lines::room_key,
};
use crate::{Body, Entry, Person, Rule};
use serde::{Deserialize, Serialize};
use std::{
    borrow::Cow,
    collections::{HashMap, VecDeque},
    sync::Arc,
};
use unisono_base::{MediaTime, RoomId};

/// Persons whose salt a chain remembers, about 120 bytes each. One forgotten gets another salt at their next entry:
/// after an erasure, entries from before and after that can no longer be told to be of one person.
pub const PERSONS_MAX: usize = 262_144;

/// What holds an entry in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Seal {
    /// The bytes that the chain covers.
    pub clear: Arc<[u8]>,
    /// `data` as deterministic CBOR; `None` where there is none, and once erased.
    pub data: Option<Arc<[u8]>>,
    /// The salt of `data`.
    pub payload: Option<Salt>,
    /// The salt of the person, one per person and room.
    pub person: Option<Salt>,
    /// h_n.
    pub hash: Digest,
}

/// An entry in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Sealed {
    /// The entry.
    pub entry: Entry,
    /// Its seal.
    pub seal: Seal,
}

/// Where a log begins: the last entry that is no longer kept; n 0 for a log that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// Its `n`.
    pub n: u64,
    /// The last `seq` up to there.
    pub seq: u64,
    /// Its term.
    pub term: u64,
    /// Its hash.
    pub hash: Digest,
}

/// An entry does not follow the one before it. The store's fault: somebody changed it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Broken {
    /// A number is missing, or stands twice.
    #[error("entry {found} stands where entry {expected} should")]
    Gap {
        /// What should come.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// Not what was chained.
    #[error("entry {n} is not what was chained: its hash differs")]
    Hash {
        /// Which.
        n: u64,
    },
}

/// The end of a room's chain, and the salts of its persons.
#[derive(Clone, Debug)]
pub struct Chain {
    room: RoomId,
    base: Base,
    n: u64,
    seq: u64,
    term: u64,
    hash: Digest,
    persons: HashMap<Arc<str>, Salt>,
    order: VecDeque<Arc<str>>,
    checkpointed: Option<(u64, MediaTime)>,
}

impl Base {
    /// The start of a room's whole log.
    pub fn start(room: &RoomId) -> Self {
        let hash = Digest::of(&[b"unisono log 1\0", room_key(room).as_bytes()]);
        Self { n: 0, seq: 0, term: 0, hash }
    }
}

impl Sealed {
    /// From what a store kept, each part proven against the clear part.
    pub fn from_kept(kept: Kept, hash: Digest) -> Result<Self, Unreadable> {
        let entry = kept.entry()?;
        let (data, payload) = kept.payload.unzip();
        let person = kept.person.map(|(_, salt)| salt);
        Ok(Self { entry, seal: Seal { clear: kept.clear, data, payload, person, hash } })
    }

    /// The event's `seq`, where the entry is one.
    pub fn seq(&self) -> Option<u64> {
        match &self.entry.body {
            Body::Event(event) => Some(event.seq),
            Body::Hidden(_) => None,
        }
    }

    /// Forgets what was written.
    pub fn erase_payload(&mut self) {
        (self.seal.data, self.seal.payload) = (None, None);
        match &mut self.entry.body {
            Body::Event(event) => Arc::make_mut(event).data = serde_json::Value::Null,
            Body::Hidden(hidden) => Arc::make_mut(hidden).data = serde_json::Value::Null,
        }
    }

    /// Forgets who wrote it.
    pub fn erase_person(&mut self) {
        self.seal.person = None;
        match &mut self.entry.body {
            Body::Event(event) => Arc::make_mut(event).actor = None,
            Body::Hidden(hidden) => Arc::make_mut(hidden).person = None,
        }
    }

    /// The entry as a room counts it: whoever entered a window or took a unit and was erased is still one person, known
    /// by their digest alone, as the verifier has it.
    pub fn counted(&self) -> Cow<'_, Entry> {
        let rule = match &self.entry.body {
            Body::Event(event) => event.rule.as_ref(),
            Body::Hidden(hidden) => Some(&hidden.rule),
        };
        let is_counted = matches!(rule, Some(Rule::Entered(_) | Rule::Reserved(_)));
        if !is_counted || self.person().is_some() {
            return Cow::Borrowed(&self.entry);
        }
        let digest = Clear::decode(&self.seal.clear).ok().and_then(|clear| clear.digests.person);
        let Some(digest) = digest else { return Cow::Borrowed(&self.entry) };
        let mut entry = self.entry.clone();
        let person = Some(Person { id: stand_in(digest), name: None });
        match &mut entry.body {
            Body::Event(event) => Arc::make_mut(event).actor = person,
            Body::Hidden(hidden) => Arc::make_mut(hidden).person = person,
        }
        Cow::Owned(entry)
    }

    /// Who wrote it; `None` where the sequencer acted by itself, and once erased.
    pub fn person(&self) -> Option<&Person> {
        match &self.entry.body {
            Body::Event(event) => event.actor.as_ref(),
            Body::Hidden(hidden) => hidden.person.as_ref(),
        }
    }

    /// The command that caused it.
    pub fn cause(&self) -> Option<uuid::Uuid> {
        match &self.entry.body {
            Body::Event(event) => event.cause,
            Body::Hidden(hidden) => hidden.cause,
        }
    }
}

impl Chain {
    /// The chain of a room without entries.
    pub fn new(room: RoomId) -> Self {
        let base = Base::start(&room);
        Self::from_base(room, base)
    }

    /// The chain of a room whose first entries are no longer kept.
    pub fn from_base(room: RoomId, base: Base) -> Self {
        let Base { n, seq, term, hash } = base;
        let (persons, order) = (HashMap::new(), VecDeque::new());
        Self { room, base, n, seq, term, hash, persons, order, checkpointed: None }
    }

    /// Takes the next entry of the log in. Nothing changes where it does not follow.
    pub fn apply(&mut self, sealed: &Sealed) -> Result<(), Broken> {
        let Sealed { entry, seal } = sealed;
        if entry.n != self.n + 1 {
            return Err(Broken::Gap { expected: self.n + 1, found: entry.n });
        }
        if link(self.hash, &seal.clear) != seal.hash {
            return Err(Broken::Hash { n: entry.n });
        }
        if let (Some(person), Some(salt)) = (sealed.person(), seal.person) {
            self.remember(person.id.clone(), salt);
        }
        self.take(sealed);
        Ok(())
    }

    /// Seals what comes next, in order. `seed` is fresh randomness; all salts of the batch come from it. What is
    /// returned must be appended as it is, or the chain thrown away.
    pub fn seal(&mut self, entries: Vec<Entry>, seed: [u8; 32]) -> Vec<Sealed> {
        entries.into_iter().map(|entry| self.seal_one(entry, &seed)).collect()
    }

    fn seal_one(&mut self, entry: Entry, seed: &[u8; 32]) -> Sealed {
        let payload = Salt::derive(seed, &[b"payload", &entry.n.to_be_bytes()]);
        let person = match &entry.body {
            Body::Event(event) => event.actor.as_ref(),
            Body::Hidden(hidden) => hidden.person.as_ref(),
        };
        let salt = person.map(|person| self.salt_of(&person.id, seed));
        let kept = Kept::of(&entry, payload, salt.unwrap_or(payload));
        let hash = link(self.hash, &kept.clear);
        let (data, payload) = kept.payload.unzip();
        let sealed = Sealed { entry, seal: Seal { clear: kept.clear, data, payload, person: salt, hash } };
        self.take(&sealed);
        sealed
    }

    /// `n` and hash of the last entry; 0 and h_0 before the first.
    pub fn head(&self) -> (u64, Digest) {
        (self.n, self.hash)
    }

    /// Where the log begins.
    pub fn base(&self) -> Base {
        self.base
    }

    /// The salt of an erased person must not be used again, or what was erased could be found by it. Returns by what
    /// they are known from now on where they are counted; `None` where they wrote nothing.
    pub fn forget_person(&mut self, id: &str) -> Option<Arc<str>> {
        let salt = self.persons.remove(id)?;
        self.order.retain(|known| **known != *id);
        Some(stand_in(person_digest(salt, id)))
    }

    /// Whether a checkpoint should be made: a second after the last one, or 256 entries, if there is anything new.
    pub fn is_checkpoint_due(&self, now: MediaTime) -> bool {
        let (n, at) = self.checkpointed.unwrap_or((self.base.n, MediaTime::from_micros(0)));
        self.n > n && (self.n - n >= CHECKPOINT_EVERY || now - at >= CHECKPOINT_SPACING)
    }

    /// Signs where the chain stands. Publish it only once its entries are durable.
    pub fn checkpoint(&mut self, signer: &Signer, now: MediaTime) -> Checkpoint {
        self.checkpointed = Some((self.n, now));
        signer.sign(&self.room, Mark::Running, (self.term, self.n, self.hash), now)
    }

    fn take(&mut self, sealed: &Sealed) {
        self.n = sealed.entry.n;
        self.term = sealed.entry.term;
        self.hash = sealed.seal.hash;
        self.seq = sealed.seq().unwrap_or(self.seq);
    }

    fn salt_of(&mut self, id: &Arc<str>, seed: &[u8; 32]) -> Salt {
        if let Some(known) = self.persons.get(id) {
            return *known;
        }
        let salt = Salt::derive(seed, &[b"person", id.as_bytes()]);
        self.remember(id.clone(), salt);
        salt
    }

    fn remember(&mut self, id: Arc<str>, salt: Salt) {
        if self.persons.insert(id.clone(), salt).is_some() {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > PERSONS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.persons.remove(&oldest);
        }
    }
}

/// An id that nobody has: keys, tokens and guests have no space in theirs.
fn stand_in(person: Digest) -> Arc<str> {
    format!("erased {person}").into()
}

/// One step of the chain.
pub(crate) fn link(before: Digest, clear: &[u8]) -> Digest {
    Digest::of(&[before.as_bytes(), clear])
}

#[cfg(test)]
mod tests;
