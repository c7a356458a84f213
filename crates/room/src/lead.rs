//! What a room must know of its stream when an event comes in.

use unisono_base::{Epoch, MediaTime, RoomId};
use unisono_hub::{Hub, State, Viewer};
use unisono_media::Kind;

/// The running epoch and the T of the newest frame of the lead track: video, or audio where there is none.
pub(crate) fn of(hub: &Hub, room: &RoomId) -> (Option<Epoch>, Option<MediaTime>) {
    let Some(stream) = hub.stream(room.stream()) else { return (None, None) };
    let epoch = match stream.state() {
        State::Live { epoch, .. } => Some(epoch),
        State::Lost | State::Ended => None,
    };
    let lead = stream.source(Kind::Video).or_else(|| stream.source(Kind::Audio));
    (epoch, lead.and_then(|ring| ring.newest()))
}

/// Who watches the stream, by whatever protocol, in the room or not.
pub(crate) fn viewers(hub: &Hub, room: &RoomId) -> usize {
    let stream = hub.stream(room.stream());
    stream.map_or(0, |stream| Viewer::ALL.into_iter().map(|kind| stream.viewers(kind)).sum())
}
