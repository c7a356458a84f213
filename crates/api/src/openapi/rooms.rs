//! Operations of rooms.

use crate::{
    AckView, CheckpointList, CommandRequest, DisciplineView, EraseRequest, ErasedView, EventRequest,
    EventView, FairnessView, GateRequest, LockstepRequest, MeasureRequest, Problem, RoomView, SnapshotView,
    TypeList, TypeView, WindowList,
};

#[utoipa::path(get, path = "/api/v1/rooms/{room}", tag = "rooms", summary = "A room at a glance; view",
    params(("room" = String, Path, description = "app:name")),
    responses((status = 200, body = RoomView), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 503, body = Problem)))]
pub(super) fn room() {}

#[utoipa::path(post, path = "/api/v1/rooms/{room}/events", tag = "rooms",
    summary = "An event, bound to a moment of the stream; an admin key or a token that grants host",
    params(("room" = String, Path, description = "app:name")), request_body = EventRequest,
    responses((status = 201, description = "The event as it was ordered", body = EventView),
        (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem),
        (status = 429, body = Problem), (status = 503, body = Problem)))]
pub(super) fn post_event() {}

#[utoipa::path(get, path = "/api/v1/rooms/{room}/events", tag = "rooms",
    summary = "The feed: a WebSocket, or server-sent events by Accept; view",
    params(("room" = String, Path, description = "app:name"),
        ("from_seq" = Option<u64>, Query,
            description = "The first event wanted; without it the feed starts with the room as it stands"),
        ("tail" = Option<u32>, Query, description = "So many of the last events as history, at most 512"),
        ("guest" = Option<String>, Query, description = "A guest's own secret, 16 to 128 characters"),
        ("name" = Option<String>, Query, description = "How a guest wants to be called"),
        ("Last-Event-ID" = Option<u64>, Header, description = "Of server-sent events: the last one had")),
    responses((status = 101, description = "WebSocket"),
        (status = 200, content_type = "text/event-stream", body = String), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 426, body = Problem),
        (status = 503, body = Problem)))]
pub(super) fn feed() {}

#[utoipa::path(post, path = "/api/v1/rooms/{room}/commands", tag = "rooms",
    summary = "Whatever people do together; what one may do says their role",
    params(("room" = String, Path, description = "app:name"),
        ("guest" = Option<String>, Query, description = "A guest's own secret, 16 to 128 characters"),
        ("name" = Option<String>, Query, description = "How a guest wants to be called")),
    request_body = CommandRequest,
    responses((status = 200, description = "accepted or duplicate", body = AckView),
        (status = 403, description = "forbidden", body = AckView),
        (status = 409, description = "late, outbid or sold", body = AckView),
        (status = 422, description = "invalid", body = AckView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 429, body = Problem), (status = 503, body = Problem)))]
pub(super) fn command() {}

#[utoipa::path(get, path = "/api/v1/rooms/{room}/snapshot", tag = "rooms",
    summary = "The room as it stands; view", params(("room" = String, Path, description = "app:name")),
    responses((status = 200, body = SnapshotView), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 503, body = Problem)))]
pub(super) fn snapshot() {}

#[utoipa::path(post, path = "/api/v1/rooms/{room}/inbox", tag = "rooms",
    summary = "A command of the tenant's own systems, signed as Standard Webhooks are", security(()),
    params(("room" = String, Path, description = "app:name"), ("webhook-id" = String, Header),
        ("webhook-timestamp" = u64, Header, description = "Seconds since the Unix epoch"),
        ("webhook-signature" = String, Header, description = "v1,…")),
    request_body = CommandRequest,
    responses((status = 200, description = "accepted or duplicate", body = AckView),
        (status = 409, description = "late, outbid or sold", body = AckView),
        (status = 422, description = "invalid", body = AckView), (status = 401, body = Problem),
        (status = 404, body = Problem), (status = 413, body = Problem), (status = 503, body = Problem)))]
pub(super) fn inbox() {}

#[utoipa::path(post, path = "/api/v1/rooms/{room}/moderation", tag = "rooms",
    summary = "Mutes, bans, slows; moderators", params(("room" = String, Path, description = "app:name")),
    request_body = MeasureRequest,
    responses((status = 200, body = DisciplineView), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 422, body = Problem)))]
pub(super) fn moderate() {}

#[utoipa::path(get, path = "/api/v1/rooms/{room}/moderation", tag = "rooms",
    summary = "Mutes and bans that stand, and slow mode; moderators",
    params(("room" = String, Path, description = "app:name")),
    responses((status = 200, body = DisciplineView), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem)))]
pub(super) fn discipline() {}

#[utoipa::path(get, path = "/api/v1/rooms/{room}/windows", tag = "rooms",
    summary = "What was decided last, 64 windows at most, oldest first, with the terms of each; view",
    params(("room" = String, Path, description = "app:name")),
    responses((status = 200, body = WindowList), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 503, body = Problem)))]
pub(super) fn windows() {}

#[utoipa::path(get, path = "/api/v1/rooms/{room}/gate", tag = "rooms",
    summary = "The span that is held back; hosts", params(("room" = String, Path, description = "app:name")),
    responses((status = 200, body = GateRequest), (status = 204, description = "nothing is held back"),
        (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) fn gate() {}

#[utoipa::path(put, path = "/api/v1/rooms/{room}/gate", tag = "rooms",
    summary = "Holds a span of the timeline back on every door; hosts",
    params(("room" = String, Path, description = "app:name")), request_body = GateRequest,
    responses((status = 200, description = "The gate as it is in force", body = GateRequest),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, description = "another gate still holds something or is about to", body = Problem),
        (status = 422, body = Problem)))]
pub(super) fn set_gate() {}

#[utoipa::path(delete, path = "/api/v1/rooms/{room}/gate", tag = "rooms",
    summary = "Ends the gate; what is held stays held for its time; hosts",
    params(("room" = String, Path, description = "app:name")),
    responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem)))]
pub(super) fn lift_gate() {}

#[utoipa::path(put, path = "/api/v1/rooms/{room}/lockstep", tag = "rooms",
    summary = "All viewers hold one latency, or each their own; hosts",
    params(("room" = String, Path, description = "app:name")), request_body = LockstepRequest,
    responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) fn lockstep() {}

#[utoipa::path(get, path = "/api/v1/rooms/{room}/log", tag = "rooms",
    summary = "The log for `unisono verify`, JSON lines; secrets of undecided windows are withheld; hosts",
    params(("room" = String, Path, description = "app:name")),
    responses((status = 200, content_type = "application/x-ndjson", body = String), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(super) fn log() {}

#[utoipa::path(get, path = "/api/v1/rooms/{room}/checkpoints", tag = "rooms",
    summary = "The node's public key and signatures of the log; view",
    params(("room" = String, Path, description = "app:name"),
        ("from_n" = Option<u64>, Query,
            description = "Up to 100 checkpoints of entries from here on; without it the newest")),
    responses((status = 200, body = CheckpointList), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) fn checkpoints() {}

#[utoipa::path(get, path = "/api/v1/rooms/{room}/fairness", tag = "rooms",
    summary = "Entries and wins by latency, computed from the log as it is now; hosts",
    params(("room" = String, Path, description = "app:name")),
    responses((status = 200, body = FairnessView), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(super) fn fairness() {}

#[utoipa::path(post, path = "/api/v1/rooms/{room}/erase", tag = "rooms",
    summary = "Forgets what an entry says, or a person; the log still verifies; hosts",
    params(("room" = String, Path, description = "app:name")), request_body = EraseRequest,
    responses((status = 200, body = ErasedView), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) fn erase() {}

#[utoipa::path(get, path = "/api/v1/types", tag = "types", summary = "Types of events", security(()),
    responses((status = 200, body = TypeList)))]
pub(super) fn types() {}

#[utoipa::path(put, path = "/api/v1/types/{name}", tag = "types",
    summary = "Registers a type of one's own, or changes it; an admin key",
    params(("name" = String, Path)), request_body = TypeView,
    responses((status = 200, body = TypeView), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 422, body = Problem)))]
pub(super) fn put_type() {}

#[utoipa::path(delete, path = "/api/v1/types/{name}", tag = "types",
    summary = "Takes a type of one's own away; what was said with it stays; an admin key",
    params(("name" = String, Path)),
    responses((status = 204), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) fn delete_type() {}
