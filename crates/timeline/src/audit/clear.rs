//! The clear part of an entry, and what can be erased beside it.
//!
//! ```text
//! clear = CBOR { n, term, t, body: { event | hidden: { the entry's JSON fields without data and person,
//!         ? data:   SHA-256(payload salt || CBOR of data)             as bytes,
//!         ? person: SHA-256(person salt || id)                        as bytes,
//!         ? name:   SHA-256(person salt || id || 0x00 || name)        as bytes } } }
//! ```

use super::{
    cbor,
    digest::{Digest, Salt},
};
use crate::{Body, Entry, Person};
use ciborium::Value as Cbor;
use serde_json::{Map, Value as Json};
use std::sync::Arc;

/// What is kept of an entry: the clear part for ever, the rest until it is erased.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// The bytes that the chain covers.
    pub clear: Arc<[u8]>,
    /// `data` as deterministic CBOR, with its salt.
    pub payload: Option<(Arc<[u8]>, Salt)>,
    /// Who, with the salt they have in this room.
    pub person: Option<(Person, Salt)>,
}

/// What is kept of an entry cannot be made an entry again: damage, or a newer version's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// Not deterministic CBOR of the expected shape.
    #[error("the clear part is not deterministic CBOR of an entry")]
    Clear,
    /// Well-formed, with words this program does not know.
    #[error("the clear part says what this program does not know: {0}")]
    Words(String),
    /// The payload's bytes are not deterministic CBOR.
    #[error("the payload is not deterministic CBOR")]
    Payload,
    /// The payload is not the one that was written.
    #[error("data is not what was written: its digest differs")]
    ForeignPayload,
    /// Another person, or another name, than was written.
    #[error("the person is not who wrote it: the digest differs")]
    ForeignPerson,
}

/// The digests within a clear part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Digests {
    pub(crate) data: Option<Digest>,
    pub(crate) person: Option<Digest>,
    pub(crate) name: Option<Digest>,
}

/// A clear part, read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Clear {
    /// The entry as JSON, without data and person.
    pub(crate) json: Json,
    pub(crate) digests: Digests,
}

impl Kept {
    /// What is kept of `entry`. Whatever is null or absent has no salt.
    pub(crate) fn of(entry: &Entry, payload: Salt, person: Salt) -> Self {
        let (data, sender) = match &entry.body {
            Body::Event(event) => (&event.data, event.actor.as_ref()),
            Body::Hidden(hidden) => (&hidden.data, hidden.person.as_ref()),
        };
        let data: Option<Arc<[u8]>> = (!data.is_null()).then(|| cbor::encode(cbor::from_json(data)).into());
        let digests = Digests {
            data: data.as_ref().map(|bytes| payload_digest(payload, bytes)),
            person: sender.map(|sender| person_digest(person, &sender.id)),
            name: sender.and_then(|sender| name_digest(person, sender)),
        };
        Self {
            clear: encode(entry, digests).into(),
            payload: data.map(|bytes| (bytes, payload)),
            person: sender.map(|sender| (sender.clone(), person)),
        }
    }

    /// The entry again, each part proven to be the one that the clear part speaks of.
    pub fn entry(&self) -> Result<Entry, Unreadable> {
        let Clear { mut json, digests } = Clear::decode(&self.clear)?;
        let (kind, body) = body_mut(&mut json).ok_or(Unreadable::Clear)?;
        let who = if kind == "event" { "actor" } else { "person" };
        let mut data = Json::Null;
        if let Some((bytes, salt)) = &self.payload {
            if digests.data != Some(payload_digest(*salt, bytes)) {
                return Err(Unreadable::ForeignPayload);
            }
            data = cbor::decode(bytes).and_then(|cbor| cbor::to_json(&cbor)).ok_or(Unreadable::Payload)?;
        }
        body.insert("data".into(), data);
        if let Some((person, salt)) = &self.person {
            let told = (Some(person_digest(*salt, &person.id)), name_digest(*salt, person));
            if told != (digests.person, digests.name) {
                return Err(Unreadable::ForeignPerson);
            }
            let json = serde_json::to_value(person).map_err(|error| Unreadable::Words(error.to_string()))?;
            body.insert(who.into(), json);
        }
        serde_json::from_value(json).map_err(|error| Unreadable::Words(error.to_string()))
    }
}

impl Clear {
    /// Reads what [`Kept::of`] wrote.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut whole = cbor::decode(bytes).ok_or(Unreadable::Clear)?;
        let mut digests = Digests::default();
        for (key, slot) in
            [("data", &mut digests.data), ("person", &mut digests.person), ("name", &mut digests.name)]
        {
            *slot = take_digest(&mut whole, key)?;
        }
        let json = cbor::to_json(&whole).ok_or(Unreadable::Clear)?;
        Ok(Self { json, digests })
    }
}

/// The body's kind and fields.
pub(crate) fn body_mut(json: &mut Json) -> Option<(String, &mut Map<String, Json>)> {
    let (kind, body) = json.get_mut("body")?.as_object_mut()?.iter_mut().next()?;
    Some((kind.clone(), body.as_object_mut()?))
}

fn encode(entry: &Entry, digests: Digests) -> Vec<u8> {
    let mut json = serde_json::to_value(entry).expect("an entry is plain data with text keys");
    if let Some((_, body)) = body_mut(&mut json) {
        for erasable in ["data", "actor", "person"] {
            body.remove(erasable);
        }
    }
    let mut whole = cbor::from_json(&json);
    if let Some(body) = body_pairs(&mut whole) {
        let digests = [("data", digests.data), ("person", digests.person), ("name", digests.name)];
        body.extend(digests.into_iter().filter_map(|(key, digest)| {
            Some((Cbor::Text(key.into()), Cbor::Bytes(digest?.as_bytes().to_vec())))
        }));
    }
    cbor::encode(whole)
}

fn body_pairs(whole: &mut Cbor) -> Option<&mut Vec<(Cbor, Cbor)>> {
    let pairs = whole.as_map_mut()?;
    let (_, body) = pairs.iter_mut().find(|(key, _)| key.as_text() == Some("body"))?;
    body.as_map_mut()?.first_mut()?.1.as_map_mut()
}

fn take_digest(whole: &mut Cbor, key: &str) -> Result<Option<Digest>, Unreadable> {
    let body = body_pairs(whole).ok_or(Unreadable::Clear)?;
    let Some(at) = body.iter().position(|(k, _)| k.as_text() == Some(key)) else { return Ok(None) };
    let (_, value) = body.remove(at);
    let bytes = value.into_bytes().map_err(|_| Unreadable::Clear)?;
    let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| Unreadable::Clear)?;
    Ok(Some(Digest::from_bytes(bytes)))
}

pub(crate) fn payload_digest(salt: Salt, data: &[u8]) -> Digest {
    Digest::of(&[salt.as_bytes(), data])
}

pub(crate) fn person_digest(salt: Salt, id: &str) -> Digest {
    Digest::of(&[salt.as_bytes(), id.as_bytes()])
}

pub(crate) fn name_digest(salt: Salt, person: &Person) -> Option<Digest> {
    let name = person.name.as_ref()?;
    Some(Digest::of(&[salt.as_bytes(), person.id.as_bytes(), &[0], name.as_bytes()]))
}
