//! The room's events on the viewer's data channel.

use super::Sending;
use unisono_base::Span;
use unisono_hub::{Cursor, Read, Stream};

/// A joining viewer also gets events as old as this: the frames they belong to are still to be shown somewhere, and
/// the SDK applies each event's own rule for late ones.
const PAST: Span = Span::from_secs(10);

/// See the module. Nothing is queued here: while the channel is full the place in the ring stays, and a viewer that
/// falls out of the ring continues with what is left of it.
#[derive(Default)]
pub(super) struct Events {
    cursor: Option<Cursor>,
}

impl Events {
    /// The data channel is open.
    pub(super) fn open(&mut self, stream: &Stream) {
        let ring = stream.events();
        self.cursor = Some(ring.oldest_group().unwrap_or(ring.tail()));
    }

    pub(super) fn pump(&mut self, sending: &mut Sending<'_>) {
        let Some(cursor) = &mut self.cursor else { return };
        loop {
            let place = *cursor;
            match sending.stream.events().read(cursor) {
                Read::Frame { frame, .. } => {
                    if frame.t + PAST < sending.moment.clock {
                        continue;
                    }
                    let Ok(event) = std::str::from_utf8(&frame.payload) else { continue };
                    let message = format!(r#"{{"type":"event","event":{event}}}"#);
                    if !sending.engine.send_message(sending.moment.now, &message) {
                        *cursor = place;
                        return;
                    }
                }
                Read::Skipped { .. } => {}
                Read::Pending | Read::Ended(_) => return,
            }
        }
    }
}
