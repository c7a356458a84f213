//! Keys, tokens and the configuration over the API.

use serde::{Deserialize, Serialize};
use unisono_base::Quota;
use utoipa::ToSchema;

/// What a key may use at once; what is absent is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuotaView {
    /// Streams it publishes at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streams_max: Option<u32>,
    /// Kilobits of media per second of each of its streams, over 5 s; a publisher beyond it is closed in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bitrate_max_kbps: Option<u32>,
    /// Viewers of all its streams together, by every door; as many readers of events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub viewers_max: Option<u32>,
}

impl QuotaView {
    fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }
}

impl From<QuotaView> for Quota {
    fn from(QuotaView { streams_max, bitrate_max_kbps, viewers_max }: QuotaView) -> Self {
        Self { streams_max, bitrate_max_kbps, viewers_max }
    }
}

impl From<Quota> for QuotaView {
    fn from(Quota { streams_max, bitrate_max_kbps, viewers_max }: Quota) -> Self {
        Self { streams_max, bitrate_max_kbps, viewers_max }
    }
}

/// `GET /api/v1/keys`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyList {
    /// By id.
    pub keys: Vec<KeyView>,
}

/// A key without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyView {
    /// Eight hex digits.
    pub id: String,
    /// What it is for.
    pub role: KeyRole,
    /// Its owner's word for it.
    pub name: String,
    /// Its limits; absent where it has none.
    #[serde(default, skip_serializing_if = "QuotaView::is_unlimited")]
    pub quota: QuotaView,
}

/// `POST /api/v1/keys`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyRequest {
    /// What it is for.
    pub role: KeyRole,
    /// Its owner's word for it, at most 100 characters.
    #[serde(default)]
    pub name: String,
    /// Its limits.
    #[serde(default)]
    pub quota: QuotaView,
}

/// The answer: the only time that the key is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MadeKey {
    /// The key as it is listed.
    #[serde(flatten)]
    pub view: KeyView,
    /// The whole key.
    pub key: String,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum KeyRole {
    /// Publish streams.
    Publish,
    /// Everything, this API included.
    Admin,
}

/// `POST /api/v1/tokens`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// What it allows.
    pub grants: Vec<GrantView>,
    /// How long it holds, at most 366 days.
    pub lifetime_seconds: u64,
    /// Whom it is about.
    #[serde(default)]
    pub subject: Option<String>,
    /// Shown to others.
    #[serde(default)]
    pub name: Option<String>,
}

/// Some actions on some streams.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GrantView {
    /// `live/alice`, `live/*`, `live/alice-*`.
    pub stream: String,
    /// `view`, `publish`, `send`, `host`, `moderate`, `bid`, `admin`.
    pub actions: Vec<String>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MadeToken {
    /// The token.
    pub token: String,
    /// Its name, by which it can be taken back.
    pub jti: String,
    /// When it ends, in seconds since the Unix epoch.
    pub exp: u64,
}

/// `POST /api/v1/tokens/revoke`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeRequest {
    /// One of the node's own.
    pub token: String,
}

/// `POST /api/v1/config/reload`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReloadView {
    /// Keys that changed and are in force.
    pub applied: Vec<String>,
    /// Keys that changed and wait for a restart.
    pub needs_restart: Vec<String>,
    /// What else there is to say, in words.
    pub warnings: Vec<String>,
}
