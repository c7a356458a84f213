//! One ICE-TCP connection: reads frames for its session's worker, writes what that worker queued, keeps the deadlines.

use super::link::{Taken, TcpLink};
use crate::{
    SessionId,
    demux::{Datagram, classify},
    gateway::Shared,
    mailbox::Arrived,
};
use bytes::Bytes;
use socket2::SockRef;
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    sync::watch,
    time::{Instant, timeout},
};
use unisono_proto_webrtc::{Deframer, FrameError};

/// From accept to a binding request that the session took.
const PROVEN_WITHIN: Duration = Duration::from_secs(10);
/// ICE peers ask every few seconds (RFC 7675 §5.1); after so much silence nobody is there.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// For the last words of a closed session.
const FAREWELL_WITHIN: Duration = Duration::from_secs(1);
const READ_BYTES: usize = 8 << 10;
/// The kernel's part of what may wait for a slow reader; it doubles the figure.
const SEND_BUFFER_BYTES: usize = 128 << 10;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("its first packet is no STUN binding request of a session here")]
    Stranger,
    #[error("no binding request with the session's password within {} s", PROVEN_WITHIN.as_secs())]
    Unproven,
    #[error("nothing received for {} s", SILENCE_MAX.as_secs())]
    Silent,
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("closed by the peer")]
    Closed,
    #[error("its session is over")]
    SessionOver,
}

pub(super) struct Connection {
    stream: TcpStream,
    link: Arc<TcpLink>,
    shared: Arc<Shared>,
    deframer: Deframer,
    /// Worker and session, once the first packet named them.
    owner: Option<(usize, SessionId)>,
    /// Being written, from `written` on.
    writing: Vec<u8>,
    written: usize,
    is_last: bool,
    opened: Instant,
    heard: Instant,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, remote: SocketAddr, local: SocketAddr, shared: Arc<Shared>) -> Self {
        // Best effort: a connection without them works, with more delay.
        let _ = stream.set_nodelay(true);
        let _ = SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER_BYTES);
        shared.metrics.tcp_connections.inc();
        Self {
            stream,
            link: Arc::new(TcpLink::new(remote, local)),
            shared,
            deframer: Deframer::default(),
            owner: None,
            writing: Vec::new(),
            written: 0,
            is_last: false,
            opened: Instant::now(),
            heard: Instant::now(),
        }
    }

    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let remote = self.link.path.remote;
        let end = loop {
            if let Err(end) = self.step(&mut stop).await {
                break end;
            }
        };
        self.link.close();
        if matches!(end, End::SessionOver) {
            let rest = self.writing.split_off(self.written.min(self.writing.len()));
            let _ = timeout(FAREWELL_WITHIN, self.stream.write_all(&rest)).await;
            let _ = timeout(FAREWELL_WITHIN, self.stream.shutdown()).await;
        }
        tracing::debug!(%remote, session = ?self.owner, "ICE-TCP connection over: {end}");
    }

    /// Waits for one thing to happen, and does it.
    async fn step(&mut self, stop: &mut watch::Receiver<bool>) -> Result<(), End> {
        let is_writing = self.written < self.writing.len();
        tokio::select! {
            // The workers close their sessions' links after a farewell; only a stranger is left alone with this.
            () = stopped(stop), if !self.link.is_proven() => Err(End::SessionOver),
            () = self.link.woken(), if !is_writing => self.refill(),
            ready = self.stream.writable(), if is_writing => {
                ready?;
                self.write()
            }
            ready = self.stream.readable() => {
                ready?;
                self.read().await
            }
            () = tokio::time::sleep_until(self.deadline()) => self.expire(),
        }
    }

    fn deadline(&self) -> Instant {
        let silent = self.heard + SILENCE_MAX;
        if self.link.is_proven() { silent } else { silent.min(self.opened + PROVEN_WITHIN) }
    }

    fn expire(&self) -> Result<(), End> {
        if Instant::now() < self.deadline() {
            return Ok(());
        }
        Err(if self.link.is_proven() { End::Silent } else { End::Unproven })
    }

    fn refill(&mut self) -> Result<(), End> {
        self.writing.clear();
        self.written = 0;
        self.is_last = self.link.take(&mut self.writing) == Taken::Last;
        self.finished()
    }

    fn write(&mut self) -> Result<(), End> {
        match self.stream.try_write(&self.writing[self.written..]) {
            Ok(length) => self.written += length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        if self.written < self.writing.len() {
            return Ok(());
        }
        self.finished()?;
        // Packets that came while these left rang no bell if the outbox was not empty.
        self.refill()
    }

    fn finished(&self) -> Result<(), End> {
        let is_done = self.is_last && self.written == self.writing.len();
        if is_done { Err(End::SessionOver) } else { Ok(()) }
    }

    async fn read(&mut self) -> Result<(), End> {
        let mut buffer = [0; READ_BYTES];
        match self.stream.try_read(&mut buffer) {
            Ok(0) => return Err(End::Closed),
            Ok(length) => self.deframer.handle_bytes(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        self.heard = Instant::now();
        while let Some(packet) = self.deframer.poll_packet()? {
            self.hand_over(packet).await?;
        }
        Ok(())
    }

    /// Waits while the worker is busy: TCP slows its sender down, where UDP would lose.
    async fn hand_over(&mut self, packet: Bytes) -> Result<(), End> {
        let (worker, session) = match self.owner {
            Some(owner) => owner,
            None => {
                let Datagram::Binding { ufrag } = classify(&packet) else { return Err(End::Stranger) };
                let owner = self.shared.directory.by_ufrag(ufrag).ok_or(End::Stranger)?;
                *self.owner.insert(owner)
            }
        };
        let arrived = Arrived { session, link: self.link.clone(), bytes: packet };
        let taken = self.shared.mailboxes[worker].arrive(arrived).await;
        taken.map_err(|_| End::SessionOver)
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error says that the gateway is no more.
    let _ = stop.wait_for(|stop| *stop).await;
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.metrics.tcp_connections.dec();
    }
}
