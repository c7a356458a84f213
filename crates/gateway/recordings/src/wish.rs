//! Whether a stream is recorded.

use crate::{access::Caller, gateway::Node, list::stream_id};
use axum::{
    Json,
    extract::{Path, State},
};
use std::sync::Arc;
use unisono_api::{Problem, RecordingWish};
use unisono_base::StreamId;

type Name = Path<(String, String)>;

pub(crate) async fn look(
    State(node): State<Arc<Node>>,
    Path((app, name)): Name,
    caller: Caller,
) -> Result<Json<RecordingWish>, Problem> {
    caller.admin(&node)?;
    Ok(told(&node, &stream_id(&format!("{app}/{name}"))?))
}

pub(crate) async fn start(
    State(node): State<Arc<Node>>,
    Path((app, name)): Name,
    caller: Caller,
) -> Result<Json<RecordingWish>, Problem> {
    change(&node, &format!("{app}/{name}"), &caller, true).await
}

pub(crate) async fn stop(
    State(node): State<Arc<Node>>,
    Path((app, name)): Name,
    caller: Caller,
) -> Result<Json<RecordingWish>, Problem> {
    change(&node, &format!("{app}/{name}"), &caller, false).await
}

async fn change(
    node: &Node,
    name: &str,
    caller: &Caller,
    record: bool,
) -> Result<Json<RecordingWish>, Problem> {
    caller.admin(node)?;
    let stream = stream_id(name)?;
    let done = node.context.recordings.set_rule(&stream, record).await;
    done.map_err(|error| Problem::unavailable(error.to_string()))?;
    tracing::info!(%stream, record, "recording was asked for, or off");
    Ok(told(node, &stream))
}

fn told(node: &Node, stream: &StreamId) -> Json<RecordingWish> {
    let rule = node.context.recordings.rule(stream);
    let running = node.context.recordings.running(stream).map(|recording| recording.head.id.to_string());
    Json(RecordingWish { record: rule.is_on, asked: rule.is_asked, running })
}
