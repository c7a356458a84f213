//! What another node may send: control messages, the frames of groups, and what opens and fills the streams of rooms.
#![no_main]

use libfuzzer_sys::fuzz_target;
use unisono_proto_relay::{GroupDecoder, Items, MESSAGE_BYTES_MAX, Opening, RoomPacket, ToEdge, ToOrigin};

// The first byte chooses the kind of stream.
fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else { return };
    if kind & 1 == 0 {
        let mut group = GroupDecoder::default();
        group.handle_bytes(bytes);
        while let Ok(Some(_)) = group.poll() {}
        return;
    }
    let mut items = Items::new(MESSAGE_BYTES_MAX);
    items.handle_bytes(bytes);
    while let Ok(Some(item)) = items.poll() {
        if let Ok(message) = ToOrigin::decode(item.clone()) {
            let mut again = Items::new(MESSAGE_BYTES_MAX);
            again.handle_bytes(&message.encode());
            let item = again.poll().expect("ours").expect("whole");
            assert_eq!(ToOrigin::decode(item), Ok(message));
        }
        if let Ok(opening) = Opening::decode(item.clone()) {
            let mut again = Items::new(MESSAGE_BYTES_MAX);
            again.handle_bytes(&opening.encode());
            let item = again.poll().expect("ours").expect("whole");
            assert_eq!(Opening::decode(item), Ok(opening));
        }
        let _ = (RoomPacket::decode(item.clone()), ToEdge::decode(item));
    }
});
