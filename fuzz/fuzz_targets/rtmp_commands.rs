//! AMF 0 and the commands of a publisher: each message is a type byte, two bytes of length, and its body, in chunks of a
//! session that has shaken hands.

#![no_main]

use libfuzzer_sys::fuzz_target;
use unisono_proto_rtmp::{Event, Limits, Session};

/// Command and data messages in AMF 0, command and data messages in AMF 3, aggregate, user control.
const TYPES: [u8; 6] = [20, 18, 17, 15, 22, 4];
const CHUNK: usize = 128;

fuzz_target!(|data: &[u8]| {
    let mut session = Session::new(Limits::default());
    let mut hello = vec![0; 1 + 2 * 1536];
    hello[0] = 3;
    session.handle_bytes(&hello).expect("a handshake");
    let mut rest = data;
    while let Some((&[kind, high, low], after)) = rest.split_first_chunk::<3>() {
        let length = (usize::from(high) << 8 | usize::from(low)).min(after.len());
        let (body, after) = after.split_at(length);
        rest = after;
        let type_id = TYPES[usize::from(kind) % TYPES.len()];
        let mut bytes = vec![3, 0, 0, 0, 0, (length >> 8) as u8, length as u8, type_id, 1, 0, 0, 0];
        for (index, chunk) in body.chunks(CHUNK).enumerate() {
            if index > 0 {
                bytes.push(0xc3);
            }
            bytes.extend_from_slice(chunk);
        }
        if session.handle_bytes(&bytes).is_err() {
            return;
        }
        while let Some(event) = session.poll_event() {
            if matches!(event, Event::PublishRequest { .. }) {
                session.accept_publish();
            }
        }
        while session.poll_output().is_some() {}
    }
});
