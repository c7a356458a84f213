//! `unisono bench rooms`: what a room does in figures, by real WebSocket clients of the public feed.
//!
//! The clients live on a few threads of this process, so the time they take is part of what is measured: a delivery counts when
//! its client has read it.

mod ack;
mod beside;
mod crowd;
mod fan_out;
mod pace;
mod reader;
mod threads;

use super::{cpus, load_average, plain_http};
use crate::{
    cli::{BenchRooms, RoomsFigure},
    room_feed::Entrance,
};
use anyhow::Context;
use serde_json::{Value, json};
use std::{
    net::{SocketAddr, ToSocketAddrs},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::task::LocalSet;
use unisono_timeline::Uuid;

/// Runs the measurements asked for and prints each as one line of JSON.
pub(crate) fn rooms(args: &BenchRooms) -> anyhow::Result<()> {
    // Timers are looked at in every turn: senders that always have work would keep them waiting for seconds.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().event_interval(1).build()?;
    let bench = Bench::new(args)?;
    for figure in &args.figure {
        let figures = LocalSet::new().block_on(&runtime, bench.measure(*figure));
        println!("{}", figures.with_context(|| format!("{figure:?}"))?);
    }
    Ok(())
}

/// What all figures need.
struct Bench<'a> {
    args: &'a BenchRooms,
    base: &'a str,
    server: SocketAddr,
}

impl<'a> Bench<'a> {
    fn new(args: &'a BenchRooms) -> anyhow::Result<Self> {
        let base = plain_http(&args.url)?;
        let authority = base.trim_start_matches("http://");
        let server =
            authority.to_socket_addrs().with_context(|| format!("{authority} is not host:port"))?.next();
        Ok(Self { args, base, server: server.context("the host has no address")? })
    }

    async fn measure(&self, figure: RoomsFigure) -> anyhow::Result<Value> {
        let mut report = match figure {
            RoomsFigure::Ack => ack::latency(self).await?,
            RoomsFigure::Rate => ack::rate(self).await?,
            RoomsFigure::FanOut => fan_out::steady(self).await?,
            RoomsFigure::Deliveries => fan_out::most(self).await?,
            RoomsFigure::Idle => crowd::idle(self).await?,
            RoomsFigure::Beside => beside::whep(self).await?,
        };
        let machine = json!({ "bench": "rooms", "seconds": self.args.seconds, "cpus": cpus(), "load_average": load_average() });
        if let (Some(report), Value::Object(machine)) = (report.as_object_mut(), machine) {
            report.extend(machine);
        }
        Ok(report)
    }

    fn length(&self) -> Duration {
        Duration::from_secs(self.args.seconds)
    }

    /// A way into a room of this figure's own, by the key where one was given: a host.
    fn host(&self, room: &str) -> Entrance {
        let room = format!("bench:{room}");
        Entrance { server: self.server, room, guest: None, key: self.args.key.clone(), from_seq: None }
    }

    /// Somebody who only reads.
    fn guest(&self, room: &str, number: u32) -> Entrance {
        let secret = format!("{}-{number}", Uuid::now_v7());
        Entrance { guest: Some((secret, format!("reader-{number}"))), key: None, ..self.host(room) }
    }
}

/// A command of a free event that says when it was sent.
fn mark() -> (Uuid, Value) {
    let cmd_id = Uuid::now_v7();
    let command =
        json!({ "cmd_id": cmd_id, "type": "bench.mark", "do": "send", "data": { "sent": unix_micros() } });
    (cmd_id, command)
}

/// One clock for sender and readers: they are one process.
fn unix_micros() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

/// When the events of a message were sent, without reading the rest of it.
fn sent_times(message: &[u8]) -> impl Iterator<Item = u64> {
    const MARK: &[u8] = b"\"sent\":";
    let starts = message.windows(MARK.len()).enumerate().filter(|(_, bytes)| *bytes == MARK);
    starts.map(|(at, _)| {
        let digits = message[at + MARK.len()..].iter().take_while(|byte| byte.is_ascii_digit());
        digits.fold(0u64, |number, digit| number.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_of_a_batch_are_found() {
        let text = br#"{"type":"events","events":[{"data":{"sent":12}},{"data":{"sent":345}}]}"#;
        assert_eq!(sent_times(text).collect::<Vec<_>>(), [12, 345]);
        assert_eq!(sent_times(br#"{"type":"presence"}"#).count(), 0);
    }
}
