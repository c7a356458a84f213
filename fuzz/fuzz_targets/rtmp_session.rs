//! A publisher's connection from its first byte. The first input byte says in what pieces the rest arrives, and
//! whether a handshake stands before it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use unisono_proto_rtmp::{Event, Limits, Session};

fuzz_target!(|data: &[u8]| {
    let Some((&first, bytes)) = data.split_first() else { return };
    let mut session = Session::new(Limits::default());
    if first & 1 == 0 {
        let mut hello = vec![0; 1 + 2 * 1536];
        hello[0] = 3;
        session.handle_bytes(&hello).expect("a handshake");
    }
    for piece in bytes.chunks(usize::from(first) + 1) {
        if session.handle_bytes(piece).is_err() {
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
