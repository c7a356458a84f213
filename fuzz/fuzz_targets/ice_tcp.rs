//! A TCP connection of an ICE peer, cut into reads: the first byte says how long they are.

#![no_main]

use libfuzzer_sys::fuzz_target;
use unisono_proto_webrtc::{Deframer, PACKET_MAX, encode_frame};

fuzz_target!(|data: &[u8]| {
    let Some((&cut, stream)) = data.split_first() else { return };
    let mut deframer = Deframer::default();
    let mut again = Vec::new();
    for bytes in stream.chunks(usize::from(cut) + 1) {
        deframer.handle_bytes(bytes);
        loop {
            match deframer.poll_packet() {
                Ok(Some(packet)) => {
                    assert!((1..=PACKET_MAX).contains(&packet.len()));
                    assert!(encode_frame(&packet, &mut again));
                }
                Ok(None) => break,
                Err(_) => return,
            }
        }
        assert!(again.len() <= stream.len(), "nothing is made up");
    }
});
