//! An RTMP publisher: the bench's loop as an encoder sends it, H.264 and AAC in FLV tags (Adobe RTMP 1.0, FLV 10.1).
//!
//! The least that publishing takes: a plain handshake, three commands, each message in one chunk.

use super::{
    crew::Job,
    material::{AAC_CONFIG, AAC_UNIT, FPS, RATE},
};
use anyhow::{Context, bail};
use std::{sync::atomic::Ordering, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::{Instant, sleep_until, timeout},
};

/// No answer by then is a failure.
const PATIENCE: Duration = Duration::from_secs(10);
/// Larger than any message here.
const CHUNK_SIZE: u32 = 1 << 20;
/// The greeting C1, S1, C2 and S2.
const GREETING: usize = 1_536;
/// What is kept of the server's words while its answer is awaited.
const WORDS_MAX: usize = 64 << 10;

/// Message types (RTMP 1.0 §5.4 and §7.1).
const SET_CHUNK_SIZE: u8 = 1;
const AUDIO: u8 = 8;
const VIDEO: u8 = 9;
const COMMAND: u8 = 20;

/// Publishes `app/name` at `address` (`host:port`) until it is told to stop.
pub(super) async fn publish(address: &str, app: &str, name: &str, job: &Job) -> anyhow::Result<()> {
    let asked = timeout(PATIENCE, ask(address, app, name, &job.key)).await;
    let (mut read, mut sender) =
        asked.with_context(|| format!("{address} does not answer within {} s", PATIENCE.as_secs()))??;
    sender.message(VIDEO, 0, |body| {
        body.extend_from_slice(&[0x17, 0, 0, 0, 0]);
        job.material.avcc().map(|record| body.extend_from_slice(&record))
    })?;
    sender.message(AUDIO, 0, |body| {
        body.extend_from_slice(&[0xaf, 0]);
        body.extend_from_slice(&AAC_CONFIG);
        Ok(())
    })?;
    sender.flush().await?;
    job.started.tell();
    send(&mut read, &mut sender, job).await
}

async fn send(read: &mut OwnedReadHalf, sender: &mut Sender, job: &Job) -> anyhow::Result<()> {
    let material = &job.material;
    let start = Instant::now();
    let mut heard = [0; 4_096];
    let (mut frame, mut sound) = (0u64, 0u64);
    while !job.stop.load(Ordering::Relaxed) {
        let video_due = Duration::from_micros(frame * 1_000_000 / u64::from(FPS));
        let audio_due = Duration::from_micros((sound + 1) * AAC_UNIT * 1_000_000 / RATE);
        tokio::select! {
            () = sleep_until(start + video_due.min(audio_due)) => {}
            // Acknowledgements and pings; what matters is that somebody is there.
            length = read.read(&mut heard) => {
                anyhow::ensure!(length? > 0, "the server closed the connection");
                continue;
            }
        }
        if video_due <= audio_due {
            let unit = &material.units[frame as usize % material.units.len()];
            sender.message(VIDEO, frame * 1_000 / u64::from(FPS), |body| {
                body.extend_from_slice(&[if unit.key { 0x17 } else { 0x27 }, 1, 0, 0, 0]);
                unit.put_length_prefixed(body);
                Ok(())
            })?;
            frame += 1;
        } else {
            sender.message(AUDIO, sound * AAC_UNIT * 1_000 / RATE, |body| {
                body.extend_from_slice(&[0xaf, 1]);
                body.extend_from_slice(&material.aac[sound as usize % material.aac.len()]);
                Ok(())
            })?;
            sound += 1;
        }
        sender.flush().await?;
    }
    Ok(())
}

/// Connects and asks to publish; returns once the server has said yes.
async fn ask(address: &str, app: &str, name: &str, key: &str) -> anyhow::Result<(OwnedReadHalf, Sender)> {
    let stream = TcpStream::connect(address).await.with_context(|| format!("RTMP at {address}"))?;
    stream.set_nodelay(true)?;
    let (mut read, mut write) = stream.into_split();
    write.write_all(&[&[3][..], &[0; GREETING]].concat()).await?;
    let mut greeting = vec![0; 1 + 2 * GREETING];
    read.read_exact(&mut greeting).await.context("the server did not greet")?;
    write.write_all(&greeting[1..=GREETING]).await?;
    let mut sender = Sender { write, buffer: Vec::new() };
    sender.message(SET_CHUNK_SIZE, 0, |body| {
        body.extend_from_slice(&CHUNK_SIZE.to_be_bytes());
        Ok(())
    })?;
    let target =
        [&[3][..], &field("app", app), &field("tcUrl", &format!("rtmp://{address}/{app}")), &[0, 0, 9]];
    sender.command("connect", 1.0, &target.concat())?;
    sender.command("createStream", 2.0, &[NULL])?;
    let live = [&[NULL][..], &string(&format!("{name}?key={key}")), &string("live")];
    sender.command("publish", 3.0, &live.concat())?;
    sender.flush().await?;
    let mut heard = Vec::new();
    while !contains(&heard, b"NetStream.Publish.Start") {
        if heard.len() > WORDS_MAX || read.read_buf(&mut heard).await? == 0 {
            bail!("the server refuses {app}/{name}: {}", printable(&heard));
        }
    }
    Ok((read, sender))
}

fn contains(heard: &[u8], words: &[u8]) -> bool {
    heard.windows(words.len()).any(|window| window == words)
}

/// The letters of what a server said last, for whoever reads the error.
fn printable(heard: &[u8]) -> String {
    let last = &heard[heard.len().saturating_sub(400)..];
    last.iter().map(|&byte| if (b' '..=b'~').contains(&byte) { char::from(byte) } else { ' ' }).collect()
}

/// The writing half; messages gather in `buffer`.
struct Sender {
    write: OwnedWriteHalf,
    buffer: Vec<u8>,
}

impl Sender {
    fn command(&mut self, name: &str, transaction: f64, rest: &[u8]) -> anyhow::Result<()> {
        self.message(COMMAND, 0, |body| {
            body.extend_from_slice(&string(name));
            body.push(0);
            body.extend_from_slice(&transaction.to_be_bytes());
            body.extend_from_slice(rest);
            Ok(())
        })
    }

    /// One chunk with a full header (§5.3.1.2.1) on message stream 1; `body` fills in the rest.
    fn message(
        &mut self,
        kind: u8,
        time_ms: u64,
        body: impl FnOnce(&mut Vec<u8>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let begin = self.buffer.len();
        let [_, time @ ..] =
            u32::try_from(time_ms).ok().filter(|ms| *ms < 0xff_ffff).context("hours")?.to_be_bytes();
        self.buffer.push(4);
        self.buffer.extend_from_slice(&time);
        self.buffer.extend_from_slice(&[0, 0, 0, kind, 1, 0, 0, 0]);
        let from = self.buffer.len();
        body(&mut self.buffer)?;
        let [_, length @ ..] = ((self.buffer.len() - from) as u32).to_be_bytes();
        self.buffer[begin + 4..begin + 7].copy_from_slice(&length);
        Ok(())
    }

    async fn flush(&mut self) -> anyhow::Result<()> {
        self.write.write_all(&self.buffer).await.context("the server closed the connection")?;
        self.buffer.clear();
        Ok(())
    }
}

/// AMF 0: null, a string, a field of an object that holds a string.
const NULL: u8 = 5;

fn string(text: &str) -> Vec<u8> {
    [&[2][..], &(text.len() as u16).to_be_bytes(), text.as_bytes()].concat()
}

fn field(key: &str, value: &str) -> Vec<u8> {
    [&(key.len() as u16).to_be_bytes()[..], key.as_bytes(), &string(value)].concat()
}
