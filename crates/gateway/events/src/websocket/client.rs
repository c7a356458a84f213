//! What a client says on its feed, and what is known of its connection.

use crate::commands::BUFFER_UNKNOWN;
use bytes::Bytes;
use serde::Deserialize;
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};
use unisono_api::CommandRequest;
use unisono_base::Span;
use unisono_room::{Latency, View};
use unisono_timeline::Seen;

/// Longest latency anybody may claim.
const LATENCY_MAX: i64 = 3_600_000_000;
/// Who holds pongs back looks farther away than it is, but not farther than this.
const RTT_MAX: Duration = Duration::from_secs(2);

/// A message of the client's.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum ClientMessage {
    /// Something to be done.
    Command {
        /// What.
        command: Box<CommandRequest>,
    },
    /// One round of the clock exchange (timeline spec 11).
    Clock {
        /// The client's clock when it sent this; given back as it is.
        t0: i64,
    },
    /// How far behind its picture is.
    Latency(Report),
}

/// Spans in microseconds.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Report {
    actual: i64,
    earliest: i64,
    #[serde(default)]
    pub(super) protocol: Protocol,
}

/// How the client's player gets the picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Protocol {
    /// WHEP.
    WebRtc,
    /// HLS, and whatever is not known.
    #[default]
    #[serde(other)]
    Hls,
}

impl Report {
    pub(super) fn latency(self) -> Latency {
        let span = |micros: i64| Span::from_micros(micros.clamp(0, LATENCY_MAX));
        Latency { actual: span(self.actual), earliest: span(self.earliest) }
    }
}

/// One connection: its number, its round trip, how its owner watches.
#[derive(Debug)]
pub(super) struct Link {
    session: u64,
    started: Instant,
    rtt_min: Option<Duration>,
    buffer: Span,
    nonsense: u32,
}

impl Link {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            session: NEXT.fetch_add(1, Ordering::Relaxed),
            started: Instant::now(),
            rtt_min: None,
            buffer: BUFFER_UNKNOWN,
            nonsense: 0,
        }
    }

    pub(super) fn session(&self) -> u64 {
        self.session
    }

    /// What a ping carries: our clock, which the pong gives back.
    pub(super) fn ping(&self) -> Bytes {
        Bytes::copy_from_slice(&self.micros().to_be_bytes())
    }

    pub(super) fn pong(&mut self, payload: &[u8]) {
        let Ok(sent) = <[u8; 8]>::try_from(payload) else { return };
        if let Some(rtt) = self.micros().checked_sub(u64::from_be_bytes(sent)) {
            let rtt = Duration::from_micros(rtt);
            self.rtt_min = Some(self.rtt_min.map_or(rtt, |least| least.min(rtt)));
        }
    }

    pub(super) fn plays_by(&mut self, protocol: Protocol) {
        // B_p of fairness spec 6.
        self.buffer = match protocol {
            Protocol::WebRtc => Span::from_millis(500),
            Protocol::Hls => BUFFER_UNKNOWN,
        };
    }

    pub(super) fn view(&self, claimed: Option<Seen>) -> View {
        let rtt = self.rtt_min.unwrap_or_default().min(RTT_MAX).as_micros();
        View { rtt_min: Span::from_micros(i64::try_from(rtt).unwrap_or(0)), buffer: self.buffer, claimed }
    }

    /// One more message nobody understands; how many by now.
    pub(super) fn nonsense(&mut self) -> u32 {
        self.nonsense += 1;
        self.nonsense
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}
