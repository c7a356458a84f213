//! Where else the same streams are, and how a node goes.

use crate::Viewers;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /api/v1/endpoints`: nodes that have the same streams, in an order that a client may follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EndpointList {
    /// At least one, unless this node is alone and names no address of its own.
    pub endpoints: Vec<EndpointView>,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EndpointView {
    /// `https://host[:port]`: the same paths are there.
    pub url: String,
    /// It is the one that was asked.
    pub is_self: bool,
    /// It pulls its streams from another one; the others have publishers.
    pub is_edge: bool,
    /// It sends its viewers away and takes no new ones.
    pub is_draining: bool,
}

/// `POST /api/v1/drain`; may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DrainRequest {
    /// Over how many seconds viewers move, 0 to 3600; 10 by default.
    #[serde(default)]
    pub within_s: Option<u32>,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DrainView {
    /// Viewers are sent to other nodes, new ones are refused, and `/readyz` says 503.
    pub is_draining: bool,
    /// Over so many seconds they move.
    pub within_s: Option<u32>,
    /// Seconds since it began.
    pub since_s: Option<u64>,
    /// Who still watches.
    pub viewers: Viewers,
    /// Feeds of rooms still open.
    pub readers: usize,
    /// Who still publishes here.
    pub publishers: usize,
    /// Where they are sent to.
    pub endpoints: Vec<String>,
}
