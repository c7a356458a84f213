//! The report of a run, piece by piece.

use super::{Look, Window, args::WatchArgs, joins::Joins};
use crate::{
    bench::{audience, baseline::thousandth, histogram::round, scrape::Scrape, swarm::Counts},
    process::Usage,
};
use serde_json::{Value, json};

/// Everything but what is only there when asked for.
pub(super) fn report(
    args: &WatchArgs,
    joins: &Joins,
    full_joins: &audience::Joins,
    at_rest: &Look,
    window: &Window,
) -> Value {
    let Window { before, after, counted, full, .. } = window;
    let bits = 8 * (counted.bytes + full.bytes);
    let joined = joins.joined;
    json!({
        "bench": "watch",
        "viewers": args.viewers, "joined": joined, "failed": joins.failed, "joins": joins.report(),
        "seconds": args.seconds, "keyframe_every": args.keyframe_every, "gro": format!("{:?}", args.gro).to_lowercase(), "loss_on_purpose": args.loss, "seed": args.seed,
        "post_to_keyframe_ms": full_joins.took.report(),
        "frame_latency_ms": counted.latency.report(),
        "reading_round_ms": counted.rounds.report(),
        "full": {
            "viewers": full_joins.joined, "frames": full.frames, "packets": full.packets, "lost": full.lost, "broken_off": full.broken,
            "frame_latency_ms": full.latency.report(),
        },
        "frames": counted.frames, "frames_unmatched": counted.unmatched, "packets": counted.packets,
        "lost": counted.lost, "loss_percent": counted.loss_percent(),
        "dropped_on_purpose": counted.dropped, "asked_again": counted.asked, "repaired": counted.repaired,
        "broken_off": counted.broken,
        "delivered_bits": bits,
        "kernel_overflows": before.overflows.zip(after.overflows).map(|(before, after)| after.saturating_sub(before)),
        "server": server(at_rest.server, window, bits, joined),
        "server_dwell": dwell(window),
        "generator": generator(args, before.own, after.own, joined, at_rest.own),
    })
}

fn server(at_rest: Option<Usage>, window: &Window, bits: u64, joined: u64) -> Value {
    let (Some(at_rest), Some(start), Some(end)) = (at_rest, window.before.server, window.after.server) else {
        return Value::Null;
    };
    let cpu = end.cpu.saturating_sub(start.cpu).as_secs_f64();
    let grown = end.resident_bytes.saturating_sub(at_rest.resident_bytes);
    json!({
        "cpu_seconds": thousandth(cpu),
        "cpu_seconds_per_gigabit": (bits > 0).then(|| thousandth(cpu / (bits as f64 / 1e9))),
        "resident_bytes": end.resident_bytes,
        "resident_bytes_early": window.resident_early,
        "resident_bytes_per_viewer": grown.checked_div(joined),
    })
}

/// What measuring itself cost, on the same machine: all threads, and the publisher's where it is ours.
fn generator(
    args: &WatchArgs,
    start: Option<Usage>,
    end: Option<Usage>,
    joined: u64,
    at_rest: Option<Usage>,
) -> Value {
    let cpu = start.zip(end).map(|(start, end)| round(end.cpu.saturating_sub(start.cpu).as_secs_f64()));
    let grown = at_rest.zip(end).map(|(rest, end)| end.resident_bytes.saturating_sub(rest.resident_bytes));
    json!({
        "cpu_seconds": cpu, "threads": args.threads(), "publishes": args.publish,
        "resident_bytes_per_viewer": grown.and_then(|grown| grown.checked_div(joined)),
    })
}

/// The server's own word for the window: from a frame in the ring to its last packet handed to the kernel, by stage, and what it dropped.
fn dwell(window: &Window) -> Value {
    let (Some(before), Some(after)) = (&window.before.metrics, &window.after.metrics) else {
        return Value::Null;
    };
    let added: Scrape = after.since(before);
    let stage =
        |stage: &str| added.milliseconds("unisono_webrtc_dwell_seconds", &format!("stage=\"{stage}\""));
    json!({
        "append_to_sent_ms": added.milliseconds("unisono_webrtc_frame_latency_seconds", ""),
        "ingest_ms": stage("ingest"), "wake_ms": stage("wake"), "packetize_ms": stage("packetize"), "send_ms": stage("send"),
        "asked_again": added.value("unisono_webrtc_nacks_total{direction=\"inbound\"}"),
        "packets_by_worker": added.nonzero("unisono_webrtc_worker_packets_total"),
        "drops": added.nonzero("unisono_webrtc_drops_total"),
    })
}

/// Viewers that came and went during the window.
pub(super) fn churn(joins: &Joins, left: u64, sessions_left: Option<f64>) -> Value {
    json!({ "left": left, "joins": joins.report(), "server_sessions_left": sessions_left })
}

/// A burst of joins, and those who watched meanwhile.
pub(super) fn at_once(args: &WatchArgs, joins: &Joins, playing: &Counts, steady: &Counts) -> Value {
    json!({
        "within_seconds": args.joins_within,
        "joins": joins.report(),
        "first_frame_ms": joins.first_frame(),
        "playing": {
            "frame_latency_ms": playing.latency.report(), "frame_latency_ms_before": steady.latency.report(),
            "frames": playing.frames, "lost": playing.lost, "broken_off": playing.broken,
        },
    })
}

/// The bare sender's figures, and how many times as much the server took.
pub(super) fn with_ratios(mut bare: Value, [trains, single]: [Option<f64>; 2], report: &Value) -> Value {
    let cost = report["server"]["cpu_seconds_per_gigabit"].as_f64();
    let ratio = |bare: Option<f64>| {
        cost.zip(bare).filter(|(_, bare)| *bare > 0.0).map(|(cost, bare)| thousandth(cost / bare))
    };
    bare["ratio_to_gso"] = json!(ratio(trains));
    bare["ratio_to_sendto"] = json!(ratio(single));
    bare
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_one_run_and_absent_without_a_server() {
        let report = json!({ "server": { "cpu_seconds_per_gigabit": 0.3 } });
        let bare = with_ratios(json!({}), [Some(0.15), Some(0.3)], &report);
        assert_eq!((bare["ratio_to_gso"].as_f64(), bare["ratio_to_sendto"].as_f64()), (Some(2.0), Some(1.0)));
        let bare = with_ratios(json!({}), [Some(0.15), Some(0.0)], &json!({ "server": null }));
        assert!(bare["ratio_to_gso"].is_null() && bare["ratio_to_sendto"].is_null());
    }
}
