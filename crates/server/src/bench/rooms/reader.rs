//! A reader of a room's feed that costs its thread as little as can be: WebSocket frames (RFC 6455 §5) straight from the socket.
//!
//! Thousands of them share the machine with the server they measure; a library that copies and checks every message would be most of
//! what is measured.

use crate::room_feed::Entrance;
use anyhow::{Context, bail, ensure};
use std::{io::ErrorKind, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// No greeting by then is a failure.
const PATIENCE: Duration = Duration::from_secs(20);
/// Larger than any message that a room's batch makes.
const MESSAGE_MAX: usize = 4 << 20;
/// What is read at once.
const READ: usize = 64 << 10;

/// Opcodes (§5.2), with FIN: the server sends each message in one frame.
const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

/// One open feed.
pub(super) struct Reader {
    socket: TcpStream,
    /// What has come of the next message; empty most of the time.
    rest: Vec<u8>,
}

impl Reader {
    /// Opens a feed and reads its greeting.
    pub(super) async fn open(entrance: &Entrance) -> anyhow::Result<Self> {
        timeout(PATIENCE, Self::connect(entrance)).await.context("the feed did not open in time")?
    }

    async fn connect(entrance: &Entrance) -> anyhow::Result<Self> {
        let mut socket = TcpStream::connect(entrance.server).await?;
        socket.set_nodelay(true)?;
        // The key of RFC 6455 §1.3: what the server answers to it is not looked at.
        let head = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            entrance.path(),
            entrance.server
        );
        socket.write_all(head.as_bytes()).await?;
        let mut heard = Vec::new();
        let end = loop {
            if let Some(end) = heard.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
            ensure!(heard.len() < READ && socket.read_buf(&mut heard).await? > 0, "no answer to the upgrade");
        };
        if !heard.starts_with(b"HTTP/1.1 101") {
            bail!("the server refuses the feed: {}", String::from_utf8_lossy(&heard[..heard.len().min(300)]));
        }
        let mut reader = Self { socket, rest: heard.split_off(end) };
        let (mut greeted, mut scratch) = (false, vec![0; READ]);
        reader.messages(&mut |_| greeted = true).await?;
        while !greeted {
            reader.socket.readable().await?;
            reader.take(&mut scratch, &mut |_| greeted = true).await?;
        }
        Ok(reader)
    }

    /// Waits for the server, then hands each whole text message to `hear`. `scratch` is what it reads into; share it.
    /// An error when the feed is over.
    pub(super) async fn read(
        &mut self,
        scratch: &std::cell::RefCell<Vec<u8>>,
        hear: &mut impl FnMut(&[u8]),
    ) -> anyhow::Result<()> {
        self.socket.readable().await?;
        // Nothing below waits while it holds the scratch buffer, but for a pong that does not fit into the socket.
        let mut taken = std::mem::take(&mut *scratch.borrow_mut());
        if taken.is_empty() {
            taken.resize(READ, 0);
        }
        let result = self.take(&mut taken, hear).await;
        scratch.replace(taken);
        result
    }

    async fn take(&mut self, scratch: &mut [u8], hear: &mut impl FnMut(&[u8])) -> anyhow::Result<()> {
        let length = match self.socket.try_read(scratch) {
            Ok(0) => bail!("the server closed the feed"),
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        self.rest.extend_from_slice(&scratch[..length]);
        self.messages(hear).await
    }

    /// Takes whole messages off `rest`.
    async fn messages(&mut self, hear: &mut impl FnMut(&[u8])) -> anyhow::Result<()> {
        let mut from = 0;
        while let Some((kind, begin, end)) = frame(&self.rest[from..])? {
            let payload = &self.rest[from + begin..from + end];
            match kind {
                TEXT => hear(payload),
                PING => {
                    let pong = pong(payload);
                    self.socket.write_all(&pong).await?;
                }
                CLOSE => bail!("the server closed the feed: {}", String::from_utf8_lossy(payload)),
                _ => {}
            }
            from += end;
        }
        self.rest.drain(..from);
        if self.rest.is_empty() {
            // A reader between messages keeps nothing.
            self.rest = Vec::new();
        }
        Ok(())
    }
}

/// The first frame of `bytes`: its first byte, where its payload begins, and where it ends. `None` until all of it is there.
fn frame(bytes: &[u8]) -> anyhow::Result<Option<(u8, usize, usize)>> {
    let [kind, length, rest @ ..] = bytes else { return Ok(None) };
    let (begin, length) = match (*length, rest) {
        (126, [a, b, ..]) => (4, usize::from(u16::from_be_bytes([*a, *b]))),
        (127, [a, b, c, d, e, f, g, h, ..]) => {
            (10, usize::try_from(u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]))?)
        }
        (126 | 127, _) => return Ok(None),
        (length, _) => (2, usize::from(length)),
    };
    ensure!(length <= MESSAGE_MAX, "a message of {length} bytes");
    let end = begin + length;
    Ok((bytes.len() >= end).then_some((*kind, begin, end)))
}

/// Masked as a client's frames are (§5.3), with a key of zeros, which changes nothing.
fn pong(payload: &[u8]) -> Vec<u8> {
    let payload = &payload[..payload.len().min(125)];
    [&[PONG, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_taken_when_they_are_whole() {
        assert_eq!(frame(&[]).expect("fine"), None);
        assert_eq!(frame(&[TEXT, 3, b'a', b'b']).expect("fine"), None);
        assert_eq!(frame(&[TEXT, 3, b'a', b'b', b'c', 9]).expect("fine"), Some((TEXT, 2, 5)));
        let long = [&[TEXT, 126, 1, 0][..], &[b'x'; 256]].concat();
        assert_eq!(frame(&long[..3]).expect("fine"), None);
        assert_eq!(frame(&long).expect("fine"), Some((TEXT, 4, 260)));
        let longer = [&[TEXT, 127, 0, 0, 0, 0, 0, 1, 0, 0][..], &[b'x'; 65_536]].concat();
        assert_eq!(frame(&longer).expect("fine"), Some((TEXT, 10, 65_546)));
        assert!(frame(&[TEXT, 127, 1, 0, 0, 0, 0, 0, 0, 0]).is_err());
    }

    #[test]
    fn a_pong_gives_back_what_the_ping_said() {
        assert_eq!(pong(b"ab"), [PONG, 0x82, 0, 0, 0, 0, b'a', b'b']);
    }
}
