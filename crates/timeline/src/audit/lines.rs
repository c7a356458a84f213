//! A log as lines of JSON, to be kept, given away and verified: a header, entries with checkpoints among them, and the
//! end. What each field is: `docs/protocols/log.md`.

use super::{
    chain::{Base, Sealed},
    checkpoint::{Checkpoint, PublicKey},
    digest::{Digest, Salt},
};
use crate::{Body, Entry, Rule};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::{collections::BTreeMap, sync::Arc};
use unisono_base::{NameError, RoomId, Tenant};
use uuid::Uuid;

/// Version of the format. A reader refuses a higher one.
pub const FORMAT: u32 = 1;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Line {
    /// The first line.
    Log(Header),
    /// An entry.
    Entry(EntryLine),
    /// An entry whose content is nobody's business yet: of a window that is not decided. The node's signatures stand
    /// directly before and behind such entries, since nothing else can prove their place.
    Withheld(Withheld),
    /// A checkpoint; it stands after its entry.
    Checkpoint(Checkpoint),
    /// The last line: the log had no more entries when it was exported.
    End(Checkpoint),
}

/// What a log says about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`FORMAT`].
    pub version: u32,
    /// The room.
    #[serde(with = "serde_room")]
    pub room: RoomId,
    /// Who signs. A forger would name a key of their own: compare it with the one the node publishes.
    pub key: PublicKey,
    /// Where it begins.
    pub base: Base,
}

/// An entry as a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EntryLine {
    /// Its number.
    pub n: u64,
    /// h_n.
    pub hash: Digest,
    /// The bytes that the chain covers.
    #[serde(with = "in_base64")]
    pub clear: Arc<[u8]>,
    /// `data` as deterministic CBOR, unless there is none or it was erased.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "in_base64_if_any")]
    pub payload: Option<Arc<[u8]>>,
    /// Its salt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_salt: Option<Salt>,
    /// The salt of the person, who stands in `entry`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person_salt: Option<Salt>,
    /// The same for human eyes and simple programs.
    pub entry: Json,
}

/// The place of an entry that an export does not give away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withheld {
    /// Its number.
    pub n: u64,
    /// The window that keeps it secret.
    pub window: Uuid,
}

impl Withheld {
    /// For an entry that is a secret of one of the windows of `undecided`: their seeds and answers, what was entered
    /// where entries are sealed, and who was erased of those that took part.
    pub fn of(entry: &Entry, undecided: &Undecided) -> Option<Self> {
        let Body::Hidden(hidden) = &entry.body else { return None };
        let (window, is_secret) = match &hidden.rule {
            Rule::Committed(committed) => (committed.window, true),
            Rule::Entered(entered) => (entered.window, *undecided.0.get(&entered.window)?),
            // With its salt anybody could try who it was.
            Rule::Remembered(remembered) => (remembered.subject, true),
            _ => return None,
        };
        (is_secret && undecided.0.contains_key(&window)).then_some(Self { n: entry.n, window })
    }
}

/// Windows that are not decided yet, and whether their entries are sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undecided(pub BTreeMap<Uuid, bool>);

impl Line {
    /// The line of an entry.
    pub fn of(sealed: &Sealed) -> Self {
        let Sealed { entry, seal } = sealed;
        Self::Entry(EntryLine {
            n: entry.n,
            hash: seal.hash,
            clear: seal.clear.clone(),
            payload: seal.data.clone(),
            payload_salt: seal.payload,
            person_salt: seal.person,
            entry: serde_json::to_value(entry).expect("an entry is plain data with text keys"),
        })
    }

    /// As JSON with its line feed.
    pub fn to_text(&self) -> String {
        let mut text = serde_json::to_string(self).expect("a line is plain data with text keys");
        text.push('\n');
        text
    }
}

/// How stores and logs name a room: `app:name`, with `tenant~` before it unless the tenant is the default one.
pub fn room_key(room: &RoomId) -> String {
    let tenant = &room.stream().tenant;
    if *tenant == Tenant::default() { room.to_string() } else { format!("{}~{room}", tenant.as_str()) }
}

/// The inverse of [`room_key`].
pub fn room_of_key(key: &str) -> Result<RoomId, NameError> {
    match key.split_once('~') {
        Some((tenant, room)) => RoomId::parse(Tenant::new(tenant)?, room),
        None => RoomId::parse(Tenant::default(), key),
    }
}

pub(crate) mod serde_room {
    use super::{RoomId, room_key, room_of_key};
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub(crate) fn serialize<S: Serializer>(room: &RoomId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&room_key(room))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RoomId, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        room_of_key(&text).map_err(D::Error::custom)
    }
}

mod in_base64 {
    use super::Arc;
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &Arc<[u8]>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<[u8]>, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        BASE64_STANDARD.decode(&*text).map(Arc::from).map_err(D::Error::custom)
    }
}

mod in_base64_if_any {
    use super::{Arc, in_base64};
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "serde gives the field like this")]
    pub(super) fn serialize<S: Serializer>(bytes: &Option<Arc<[u8]>>, s: S) -> Result<S::Ok, S::Error> {
        match bytes {
            Some(bytes) => in_base64::serialize(bytes, s),
            None => s.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Arc<[u8]>>, D::Error> {
        #[derive(Deserialize)]
        struct Bytes(#[serde(with = "in_base64")] Arc<[u8]>);
        Ok(Option::<Bytes>::deserialize(d)?.map(|Bytes(bytes)| bytes))
    }
}
