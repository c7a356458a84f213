//! A bad link without root: TCP connections passed on late and not faster than a rate.
//!
//! It stands in front of the server's HTTP door and of its media port by TCP, so the pane behind it has its signalling, its
//! room and its picture over the same bad link.

use anyhow::Context;
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep_until},
};

/// Delay of each direction.
pub(super) const DELAY: Duration = Duration::from_millis(150);
/// Bits per second of each direction of each connection.
pub(super) const RATE_BPS: u64 = 2_500_000;
/// Bytes passed on at once.
const PIECE: usize = 4 * 1024;
/// Pieces on their way: as many as the rate lets through in some four delays; then the sender has to wait.
const PIECES_MAX: usize = 48;
const CONNECTIONS_MAX: usize = 256;

/// A running proxy; dropping it ends it with its connections.
pub(super) struct Slow {
    pub(super) address: SocketAddr,
    _task: JoinSet<()>,
}

impl Slow {
    /// Listens beside `target`, at a port of its own.
    pub(super) async fn start(target: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((target.ip(), 0)).await.context("no port for the slow link")?;
        let address = listener.local_addr()?;
        let mut task = JoinSet::new();
        task.spawn(accept(listener, target));
        Ok(Self { address, _task: task })
    }
}

async fn accept(listener: TcpListener, target: SocketAddr) {
    let mut links = JoinSet::new();
    loop {
        while links.try_join_next().is_some() {}
        let Ok((near, _)) = listener.accept().await else { continue };
        if links.len() < CONNECTIONS_MAX {
            links.spawn(pass_on(near, target));
        }
    }
}

async fn pass_on(near: TcpStream, target: SocketAddr) {
    let Ok(far) = TcpStream::connect(target).await else { return };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    tokio::join!(direction(near_in, far_out), direction(far_in, near_out));
}

/// One direction; ends when either side does, and then closes the other.
async fn direction(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let (pieces, mut due) = mpsc::channel::<(Instant, Vec<u8>)>(PIECES_MAX);
    let read = async move {
        let mut line_free = Instant::now();
        loop {
            let mut piece = vec![0; PIECE];
            let Ok(length @ 1..) = from.read(&mut piece).await else { return };
            piece.truncate(length);
            let now = Instant::now();
            line_free = line_free.max(now) + time_on_line(length);
            if pieces.send((line_free + DELAY, piece)).await.is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((at, piece)) = due.recv().await {
            sleep_until(at).await;
            if to.write_all(&piece).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(read, write);
}

/// How long a piece of `bytes` keeps the line busy.
fn time_on_line(bytes: usize) -> Duration {
    Duration::from_micros(bytes as u64 * 8 * 1_000_000 / RATE_BPS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_time_on_the_line() {
        assert_eq!(time_on_line(2_500_000 / 8), Duration::from_secs(1));
    }

    /// Order and content only: how late a busy machine is says nothing.
    #[tokio::test]
    async fn bytes_come_out_as_they_went_in_and_never_early() -> anyhow::Result<()> {
        let echo = TcpListener::bind("127.0.0.1:0").await?;
        let slow = Slow::start(echo.local_addr()?).await?;
        tokio::spawn(async move {
            let (mut stream, _) = echo.accept().await?;
            let (mut from, mut to) = stream.split();
            tokio::io::copy(&mut from, &mut to).await
        });
        let sent: Vec<u8> = (0..20_000_u32).map(|n| n as u8).collect();
        let start = Instant::now();
        let mut near = TcpStream::connect(slow.address).await?;
        near.write_all(&sent).await?;
        near.shutdown().await?;
        let mut got = Vec::new();
        near.read_to_end(&mut got).await?;
        assert_eq!(got, sent);
        assert!(start.elapsed() >= 2 * DELAY);
        Ok(())
    }
}
