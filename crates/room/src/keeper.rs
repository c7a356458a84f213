//! What rooms keep in the node's store beside their logs: the tenant's own types, mutes and bans.

use crate::{Discipline, RoomError};
use std::sync::Arc;
use unisono_base::{RoomId, Tenant};
use unisono_store::{Kv, KvError};
use unisono_timeline::EventType;

const TYPES: &str = "rooms/type/";
const DISCIPLINES: &str = "rooms/discipline/";
/// Writers of one value that may come in between.
const ATTEMPTS: usize = 8;

/// See the module.
#[derive(Clone)]
pub struct Keeper(Arc<dyn Kv>);

impl Keeper {
    /// Keeps it in `kv`.
    pub fn new(kv: Arc<dyn Kv>) -> Self {
        Self(kv)
    }

    /// The tenant's types. One that cannot be read any more is left out, in words in the log.
    pub(crate) async fn types(&self) -> Result<Vec<EventType>, RoomError> {
        let kept = self.0.list(TYPES).await?;
        Ok(kept.iter().filter_map(|(key, kept)| read(key, &kept.value)).collect())
    }

    pub(crate) async fn keep_type(&self, ty: &EventType) -> Result<(), RoomError> {
        let value = serde_json::to_string(ty).map_err(|error| RoomError::Refused(error.to_string()))?;
        self.put(&format!("{TYPES}{}", ty.name), value).await
    }

    pub(crate) async fn forget_type(&self, name: &str) -> Result<bool, RoomError> {
        Ok(self.0.delete(&format!("{TYPES}{name}")).await?)
    }

    pub(crate) async fn disciplines(&self) -> Result<Vec<(RoomId, Discipline)>, RoomError> {
        let kept = self.0.list(DISCIPLINES).await?;
        let rooms = kept.iter().filter_map(|(key, kept)| {
            let room = RoomId::parse(Tenant::default(), key.strip_prefix(DISCIPLINES)?).ok()?;
            Some((room, read(key, &kept.value)?))
        });
        Ok(rooms.collect())
    }

    pub(crate) async fn keep_discipline(
        &self,
        room: &RoomId,
        discipline: &Discipline,
    ) -> Result<(), RoomError> {
        let value =
            serde_json::to_string(discipline).map_err(|error| RoomError::Refused(error.to_string()))?;
        self.put(&format!("{DISCIPLINES}{room}"), value).await
    }

    /// The last writer's word stands.
    async fn put(&self, key: &str, value: String) -> Result<(), RoomError> {
        for _ in 0..ATTEMPTS {
            let version = self.0.get(key).await?.map(|kept| kept.version);
            match self.0.put_if(key, version, value.clone()).await {
                Ok(_) => return Ok(()),
                Err(KvError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(KvError::Conflict { key: key.to_owned() }.into())
    }
}

fn read<T: serde::de::DeserializeOwned>(key: &str, value: &str) -> Option<T> {
    serde_json::from_str(value)
        .inspect_err(|error| tracing::warn!(key, %error, "left out: what the store keeps cannot be read"))
        .ok()
}
