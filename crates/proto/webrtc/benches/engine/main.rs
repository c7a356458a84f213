//! What a packet costs: before the socket by steps, then the whole way to sockets on loopback, beside bare senders of the
//! same packets and beside str0m in the same run. Prints one line of JSON.
//!
//! `cargo bench -p unisono-proto-webrtc --bench engine`; numbers of sessions may follow behind `--`.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a bench reads clocks and opens sockets"
)]

#[path = "../../tests/common/peer.rs"]
mod peer;
mod sessions;
mod sink;
mod steps;
mod way;

use serde_json::json;
use unisono_proto_webrtc::{Engine, engine::sender::Sender};

fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    let numbers = if numbers.is_empty() { vec![1, 100, 1_000, 5_000] } else { numbers };
    let mut json = json!({
        "bench": "engine",
        "payload_bytes": steps::PAYLOAD,
        "packets_per_frame": steps::PACKETS,
        "sender_bytes": size_of::<Sender>(),
        "hot_bytes": Engine::HOT_BYTES,
    });
    for (name, figure) in steps::figures().into_iter().chain(way::figures(&numbers)) {
        json[name] = figure;
    }
    println!("{json}");
}
