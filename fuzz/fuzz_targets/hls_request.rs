//! What stands in an HLS request: the query of a playlist and the name of a file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use unisono_proto_hls::{FileName, Position, Request};

fuzz_target!(|text: &str| {
    if let Ok(request) = Request::parse(text) {
        let position = Position { complete: 10, complete_parts: 4, open_parts: 2, is_ended: false };
        let _ = position.decide(&request);
    }
    let mut path = text.splitn(3, '/');
    if let (Some(epoch), Some(kind), Some(file)) = (path.next(), path.next(), path.next())
        && let Some(name) = FileName::parse(epoch, kind, file)
    {
        assert_eq!(name.to_string(), text, "one file has one name");
    }
});
