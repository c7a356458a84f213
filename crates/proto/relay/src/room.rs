//! What is said about rooms, on bidirectional streams that the edge opens beside the control stream: one for each room, and
//! one for each request that the origin is to answer as a whole. What stands in them is the rooms' own; here is its frame.

use crate::{
    message::{DEPTH_MAX, NodeId},
    wire::{Malformed, Reader, Writer},
};
use bytes::Bytes;
use unisono_base::{RoomId, StreamId, StreamName, Tenant};

/// Longest item on these streams: a page of events, or a room as it stands.
pub const ROOM_ITEM_BYTES_MAX: usize = 8 << 20;
/// Longest request: its head, and its body.
pub const REQUEST_BYTES_MAX: usize = 64 << 10;
/// Parts of one packet; a page of events has 256.
const PARTS_MAX: u64 = 1_024;
/// Longest name of a tenant, and of a stream's app and name.
const NAME_MAX: usize = 64;

/// The first item of a stream: what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// This room's packets follow, both ways, for as long as the stream is open.
    Room {
        /// Which room.
        room: RoomId,
        /// The nodes it is wanted by, the viewer's first, the sender last.
        path: Vec<NodeId>,
    },
    /// To be answered by a head, then chunks of a body up to the stream's end.
    Request {
        /// As of a room.
        path: Vec<NodeId>,
        /// What is asked for, and by whom.
        head: Bytes,
        /// What comes with it.
        body: Bytes,
    },
}

/// Something said about a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomPacket {
    /// What it is.
    pub head: Bytes,
    /// What belongs to it.
    pub parts: Vec<Bytes>,
}

impl Opening {
    /// The bytes of the item.
    pub fn encode(&self) -> Bytes {
        let mut writer = Writer::default();
        match self {
            Self::Room { room, path } => {
                let stream = room.stream();
                writer.number(1).bytes(stream.tenant.as_str().as_bytes());
                writer.bytes(stream.name.as_str().as_bytes());
                write_path(&mut writer, path);
            }
            Self::Request { path, head, body } => {
                writer.number(2);
                write_path(&mut writer, path);
                writer.bytes(head).bytes(body);
            }
        }
        writer.item(0)
    }

    /// Reads one item.
    pub fn decode(item: Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(item);
        let opening = match reader.number("opening")? {
            1 => {
                let tenant = Tenant::new(&reader.text("tenant", NAME_MAX)?)?;
                let name: StreamName = reader.text("room", 2 * NAME_MAX + 1)?.parse()?;
                let room = StreamId { tenant, name }.room();
                Self::Room { room, path: read_path(&mut reader)? }
            }
            2 => Self::Request {
                path: read_path(&mut reader)?,
                head: reader.bytes("request", REQUEST_BYTES_MAX)?,
                body: reader.bytes("request's body", REQUEST_BYTES_MAX)?,
            },
            value => return Err(Malformed::Unknown { what: "opening", value }),
        };
        reader.end("opening")?;
        Ok(opening)
    }
}

impl RoomPacket {
    /// The bytes of the item.
    pub fn encode(&self) -> Bytes {
        let mut writer = Writer::default();
        writer.bytes(&self.head).number(self.parts.len() as u64);
        self.parts.iter().for_each(|part| {
            writer.bytes(part);
        });
        writer.item(0)
    }

    /// Reads one item.
    pub fn decode(item: Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(item);
        let head = reader.bytes("packet", ROOM_ITEM_BYTES_MAX)?;
        let count = reader.up_to("number of parts", PARTS_MAX)?;
        let parts =
            (0..count).map(|_| reader.bytes("part", ROOM_ITEM_BYTES_MAX)).collect::<Result<_, _>>()?;
        reader.end("packet")?;
        Ok(Self { head, parts })
    }
}

fn write_path(writer: &mut Writer, path: &[NodeId]) {
    writer.number(path.len() as u64);
    path.iter().for_each(|node| {
        writer.number(node.0);
    });
}

fn read_path(reader: &mut Reader) -> Result<Vec<NodeId>, Malformed> {
    // One more than allowed can be read, so that it can be refused in words.
    let nodes = reader.up_to("path", DEPTH_MAX as u64 + 1)?;
    (0..nodes).map(|_| reader.number("node").map(NodeId)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Items;
    use proptest::prelude::*;

    fn item(bytes: &Bytes) -> Bytes {
        let mut items = Items::new(ROOM_ITEM_BYTES_MAX);
        items.handle_bytes(bytes);
        items.poll().expect("valid").expect("whole")
    }

    #[test]
    fn what_opens_a_stream_comes_back() {
        let room = RoomId::parse(Tenant::default(), "live:alice").expect("valid");
        let path = vec![NodeId(1), NodeId(u64::MAX)];
        for opening in [
            Opening::Room { room, path: path.clone() },
            Opening::Request { path, head: Bytes::from_static(b"{}"), body: Bytes::new() },
        ] {
            assert_eq!(Opening::decode(item(&opening.encode())), Ok(opening));
        }
    }

    #[test]
    fn a_request_that_is_too_long_is_refused() {
        let body = Bytes::from(vec![0; REQUEST_BYTES_MAX + 1]);
        let opening = Opening::Request { path: Vec::new(), head: Bytes::new(), body };
        let refused = Opening::decode(item(&opening.encode())).expect_err("too long").to_string();
        assert!(refused.contains("request's body is 65537, beyond 65536"), "{refused}");
    }

    proptest! {
        #[test]
        fn packets_come_back(head: Vec<u8>, parts: Vec<Vec<u8>>) {
            let parts = parts.into_iter().map(Bytes::from).collect();
            let packet = RoomPacket { head: head.into(), parts };
            prop_assert_eq!(RoomPacket::decode(item(&packet.encode())), Ok(packet));
        }

        #[test]
        fn bytes_from_outside_never_panic(bytes: Vec<u8>) {
            let bytes = Bytes::from(bytes);
            let _ = (Opening::decode(bytes.clone()), RoomPacket::decode(bytes));
        }
    }
}
