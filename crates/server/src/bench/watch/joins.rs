//! How the joins of a run went.

use crate::bench::{histogram::Histogram, swarm::Joined};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Different reasons of failed joins that the report lists; the others are counted together.
const REASONS_MAX: usize = 8;

/// See the module.
pub(super) struct Joins {
    pub(super) joined: u64,
    pub(super) failed: u64,
    reasons: BTreeMap<String, u64>,
    connected: Histogram,
    first_packet: Histogram,
    first_frame: Histogram,
}

impl Joins {
    pub(super) fn new() -> Self {
        Self {
            joined: 0,
            failed: 0,
            reasons: BTreeMap::new(),
            connected: Histogram::new(),
            first_packet: Histogram::new(),
            first_frame: Histogram::new(),
        }
    }

    pub(super) fn count(&mut self, joined: &anyhow::Result<Joined>) {
        match joined {
            Ok(joined) => {
                self.joined += 1;
                self.connected.record(joined.connected);
                self.first_packet.record(joined.first_packet);
                self.first_frame.record(joined.first_frame);
            }
            Err(error) => {
                self.failed += 1;
                let reason = format!("{error:#}");
                let is_listed = self.reasons.len() < REASONS_MAX || self.reasons.contains_key(&reason);
                let reason = if is_listed { reason } else { "others".to_owned() };
                *self.reasons.entry(reason).or_default() += 1;
            }
        }
    }

    /// Joins of full viewers, of which only the whole keyframe is known.
    pub(super) fn add_full(&mut self, joined: u64, failed: u64, reasons: &[String]) {
        self.joined += joined;
        self.failed += failed;
        reasons.iter().for_each(|reason| *self.reasons.entry(reason.clone()).or_default() += 1);
    }

    /// Of the counted viewers: from the POST on.
    pub(super) fn report(&self) -> Value {
        json!({
            "joined": self.joined, "failed": self.failed, "reasons": self.reasons,
            "post_to_connected_ms": self.connected.report(),
            "post_to_first_packet_ms": self.first_packet.report(),
            "post_to_first_frame_ms": self.first_frame.report(),
        })
    }

    /// Milliseconds from the POST to the first whole frame.
    pub(super) fn first_frame(&self) -> Value {
        self.first_frame.report()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn took(ms: u64) -> Joined {
        let first_frame = Duration::from_millis(ms);
        Joined { connected: first_frame / 2, first_packet: first_frame, first_frame }
    }

    #[test]
    fn failures_are_told_by_reason_and_their_number_is_bounded() {
        let mut joins = Joins::new();
        joins.count(&Ok(took(40)));
        for n in 0..20 {
            joins.count(&Err(anyhow::anyhow!("reason {n}")));
            joins.count(&Err(anyhow::anyhow!("reason 0")));
        }
        let report = joins.report();
        assert_eq!((report["joined"].as_u64(), report["failed"].as_u64()), (Some(1), Some(40)));
        assert_eq!(report["reasons"]["reason 0"], 21);
        assert_eq!(report["reasons"]["others"], 12);
        assert_eq!(report["post_to_first_frame_ms"]["p95"], 40.1);
    }
}
