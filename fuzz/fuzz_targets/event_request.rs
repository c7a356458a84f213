//! The JSON body of an event, as the API reads it, and what the room would make of it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use unisono_api::EventRequest;
use unisono_base::RoomId;
use unisono_timeline::NewEvent;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(room) = RoomId::parse(Default::default(), text)
    {
        assert_eq!(room.to_string(), text, "one room has one name");
    }
    let Ok(request) = serde_json::from_slice::<EventRequest>(data) else { return };
    let _ = request.lane.as_deref().map(str::parse::<unisono_timeline::Lane>);
    let event = NewEvent::new(request.ty, request.data);
    let _ = format!("{event:?}");
});
