//! A bare sender: the packets of one viewer to as many sockets, without a server. What it costs is what nobody can go below
//! by much: GSO trains, and one `sendto` per packet.

use super::{
    histogram::round,
    swarm::{Burst, Shape, Swarm},
};
use crate::process;
use anyhow::Context;
use quinn_udp::{Transmit, UdpSocketState};
use serde_json::{Value, json};
use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// Packets per train, as the server's.
const TRAIN_MAX: usize = 16;
const TRAIN_BYTES_MAX: usize = 60_000;
const SEND_BYTES: usize = 4 << 20;
/// What was sent last is read by then.
const READ_OUT: Duration = Duration::from_millis(300);

/// How packets are handed to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Means {
    /// Trains of equal packets in one call.
    Trains,
    /// One call each.
    SendTo,
}

/// What the sending thread did.
#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    cpu: Option<Duration>,
    calls: u64,
    packets: u64,
    refused: u64,
    late: Duration,
}

/// Sends `shape` again and again for `length` to `count` receivers at `at`. Its figures are in CPU seconds of the sending thread, in which
/// the kernel does the receivers' part on loopback, as it does for the server.
pub(super) async fn measure(
    swarm: &Swarm,
    shape: &Shape,
    (count, at): (usize, IpAddr),
    length: Duration,
    means: Means,
) -> anyhow::Result<(Option<f64>, Value)> {
    let addresses = swarm.receivers(count, at).await?;
    let shape = shape.clone();
    let send = move || send(&shape, &addresses, length, means);
    let sent = tokio::task::spawn_blocking(send).await.context("the bare sender ended")??;
    sleep(READ_OUT).await;
    let bytes = swarm.end_receivers().await?;
    let gigabits = bytes as f64 * 8.0 / 1e9;
    let cpu = sent.cpu.map(|cpu| cpu.as_secs_f64());
    let cost = cpu.filter(|_| bytes > 0).map(|cpu| cpu / gigabits);
    let report = json!({
        "cpu_seconds": cpu.map(thousandth), "cpu_seconds_per_gigabit": cost.map(thousandth), "gigabits": thousandth(gigabits),
        "packets": sent.packets, "calls": sent.calls, "refused": sent.refused, "late_ms_max": round(sent.late.as_secs_f64() * 1e3),
    });
    Ok((cost, report))
}

pub(super) fn thousandth(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

fn send(shape: &Shape, to: &[SocketAddr], length: Duration, means: Means) -> anyhow::Result<Sent> {
    let first = to.first().context("no receivers")?;
    let any: IpAddr = if first.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() };
    let socket = UdpSocket::bind((any, 0))?;
    let state = UdpSocketState::new((&socket).into())?;
    let _ = state.set_send_buffer_size((&socket).into(), SEND_BYTES);
    let memory = vec![0x80; TRAIN_BYTES_MAX];
    let longest = if means == Means::Trains { TRAIN_MAX.min(state.max_gso_segments()) } else { 1 };
    let plan: Vec<_> = shape.bursts.iter().map(|burst| (burst.at, trains(burst, longest))).collect();
    let (begun, cpu_before) = (Instant::now(), process::thread_cpu());
    let mut sent = Sent::default();
    'rounds: for round in 0.. {
        for (at, trains) in &plan {
            let due = begun + shape.length * round + *at;
            if due >= begun + length {
                break 'rounds;
            }
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            sent.late = sent.late.max(Instant::now().saturating_duration_since(due));
            for (destination, train) in to.iter().flat_map(|to| trains.iter().map(move |train| (*to, train)))
            {
                let contents = &memory[..train.bytes];
                let result = match means {
                    Means::SendTo => socket.send_to(contents, destination).map(drop),
                    Means::Trains => {
                        let segment_size = (train.packets > 1).then_some(train.segment);
                        let transmit =
                            Transmit { destination, ecn: None, contents, segment_size, src_ip: None };
                        state.try_send((&socket).into(), &transmit)
                    }
                };
                sent.count(&result, train.packets as u64);
            }
        }
    }
    sent.cpu = process::thread_cpu().zip(cpu_before).map(|(after, before)| after - before);
    Ok(sent)
}

impl Sent {
    fn count(&mut self, result: &io::Result<()>, packets: u64) {
        self.calls += 1;
        if result.is_ok() {
            self.packets += packets;
        } else {
            self.refused += packets;
        }
    }
}

/// Packets of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Train {
    segment: usize,
    packets: usize,
    bytes: usize,
}

/// A burst in calls of at most `longest` packets: all as long as the first, the last one may be shorter.
fn trains(burst: &Burst, longest: usize) -> Vec<Train> {
    let mut trains: Vec<Train> = Vec::new();
    let mut is_closed = true;
    for size in burst.sizes.iter().map(|size| usize::from(*size)) {
        match trains.last_mut() {
            Some(train)
                if !is_closed
                    && train.packets < longest
                    && size <= train.segment
                    && train.bytes + size <= TRAIN_BYTES_MAX =>
            {
                train.packets += 1;
                train.bytes += size;
                is_closed = size < train.segment;
            }
            _ => {
                let size = size.min(TRAIN_BYTES_MAX);
                trains.push(Train { segment: size, packets: 1, bytes: size });
                is_closed = false;
            }
        }
    }
    trains
}

#[cfg(test)]
mod tests {
    use super::*;

    fn burst(sizes: &[u16]) -> Burst {
        Burst { at: Duration::ZERO, sizes: sizes.to_vec() }
    }

    #[test]
    fn a_train_is_of_one_length_and_a_shorter_packet_ends_it() {
        let lengths = |sizes: &[u16], longest| -> Vec<_> {
            trains(&burst(sizes), longest).iter().map(|train| (train.segment, train.packets)).collect()
        };
        assert_eq!(lengths(&[100, 100, 40, 100, 200, 200], 16), [(100, 3), (100, 1), (200, 2)]);
        assert_eq!(lengths(&[100; 5], 2), [(100, 2), (100, 2), (100, 1)]);
        assert_eq!(lengths(&[100; 3], 1), [(100, 1), (100, 1), (100, 1)]);
    }

    #[test]
    fn both_means_send_every_packet_of_the_shape() {
        let receiver = UdpSocket::bind("127.0.0.1:0").expect("bound");
        let to = [receiver.local_addr().expect("bound")];
        let shape = Shape {
            bursts: vec![
                burst(&[1_000, 1_000, 300]),
                Burst { at: Duration::from_millis(1), sizes: vec![160] },
            ],
            length: Duration::from_millis(2),
        };
        for (means, calls) in [(Means::Trains, 2), (Means::SendTo, 4)] {
            let sent = send(&shape, &to, Duration::from_millis(2), means).expect("sent");
            assert_eq!((sent.packets, sent.refused), (4, 0));
            assert!(sent.calls == calls || means == Means::Trains && sent.calls == 4, "{} calls", sent.calls);
            let mut buffer = [0; 2_000];
            let sizes: Vec<_> = (0..4).map(|_| receiver.recv(&mut buffer).expect("sent before")).collect();
            assert_eq!(sizes, [1_000, 1_000, 300, 160]);
        }
    }
}
