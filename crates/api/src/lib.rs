//! The HTTP API's own words: problem documents, and the JSON of requests and responses.

mod command;
mod detail;
mod endpoint;
mod event;
mod key;
mod machine;
mod openapi;
mod peer;
mod presented;
mod problem;
mod recording;
mod room;
mod server;
mod session;
mod stream;

pub use command::{AckView, CommandRequest, GateRequest, LockstepRequest, SeenRequest};
pub use detail::{HealthView, PublisherView, RenditionView, StopRequest, StreamDetail};
pub use endpoint::{DrainRequest, DrainView, EndpointList, EndpointView};
pub use event::{At, EventRequest, RoomView};
pub use key::{
    GrantView, KeyList, KeyRequest, KeyRole, KeyView, MadeKey, MadeToken, QuotaView, ReloadView,
    RevokeRequest, TokenRequest,
};
pub use machine::is_this_machine;
pub use openapi::openapi_json;
pub use peer::Peer;
pub use presented::{PathToken, Presented};
pub use problem::{Genuine, Problem};
pub use recording::{RecordingList, RecordingState, RecordingView, RecordingWish, TroubleView};
pub use room::{
    BadView, CheckpointList, CheckpointView, DecilesView, DisciplineView, EraseRequest, ErasedView,
    EventView, FairnessView, MeasureRequest, PersonView, SnapshotView, TypeList, TypeView,
    WindowFairnessView, WindowList,
};
pub use server::ServerView;
pub use session::{MoveRequest, PathView, SessionList, SessionRole, SessionView, WorkerView};
pub use stream::{Finding, Severity, StreamList, StreamState, StreamView, TrackKind, TrackView, Viewers};
