//! What Enhanced RTMP v2 adds to `connect` and its answer (Veovera, "Enhancing NetConnection connect Command").

use crate::amf0::Value;
use unisono_mux::flv::{AUDIO_FOUR_CCS, VIDEO_FOUR_CCS};

const FOUR_CC_LIST: &str = "fourCcList";
const VIDEO_MAP: &str = "videoFourCcInfoMap";
const AUDIO_MAP: &str = "audioFourCcInfoMap";
const CAPS_EX: &str = "capsEx";

/// `FourCcInfoMask`: we hand coded frames on.
const CAN_FORWARD: u8 = 4;
/// `CapsExMask`: `ModEx` packets, and the timestamps in nanoseconds they carry. Neither reconnect requests nor more than
/// the default track.
const MOD_EX: u8 = 4;
const TIMESTAMP_NANO_OFFSET: u8 = 8;

/// The peer's `connect` object speaks of Enhanced RTMP. Old encoders get the old answer: some cannot read arrays.
pub(crate) fn are_asked(connect: &Value) -> bool {
    [FOUR_CC_LIST, VIDEO_MAP, AUDIO_MAP, CAPS_EX].into_iter().any(|key| connect.get(key).is_some())
}

/// What stands beside `fmsVer` in the answer.
pub(crate) fn ours() -> [(&'static str, Value); 4] {
    let map = |codes: &[&'static str]| {
        Value::object(codes.iter().map(|code| (*code, Value::Number(CAN_FORWARD.into()))))
    };
    let all = VIDEO_FOUR_CCS.iter().chain(&AUDIO_FOUR_CCS);
    [
        (FOUR_CC_LIST, Value::Array(all.map(|code| Value::text(code)).collect())),
        (VIDEO_MAP, map(&VIDEO_FOUR_CCS)),
        (AUDIO_MAP, map(&AUDIO_FOUR_CCS)),
        (CAPS_EX, Value::Number((MOD_EX | TIMESTAMP_NANO_OFFSET).into())),
    ]
}
