//! A bundle of evidence: a span of the recorded stream and the room's signed log, in one archive with a list of all files and
//! their digests that the key of the checkpoints signs. `unisono verify` takes it (docs/recording.md).
//!
//! It is made while it is sent: one file is in memory at a time.

use crate::{
    access::Caller,
    gateway::Node,
    list::unreadable,
    playback::{Clipped, no_clip},
};
use axum::{
    body::Body,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::header,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use std::{collections::HashSet, io, pin::pin, sync::Arc};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use unisono_api::Problem;
use unisono_base::{MediaTime, RoomId, Tenant};
use unisono_record::{
    Clip, Index, Recording, Rendition, SegmentLine,
    vod::{self, Growth, Within},
};
use unisono_timeline::audit::{Digest, EvidenceFile, Hasher};

/// Recordings of a stream among which the one of the span is looked for.
const LOOKED_AT: usize = 1_000;
/// Chunks on their way to the client.
const CHUNKS: usize = 4;
/// A tar archive is made of these.
const BLOCK: usize = 512;
/// When whoever found no turn comes again.
const AGAIN_S: u32 = 10;

const README: &str = "\
What this is
============

A span of a stream as it was recorded, and the log of its room, each byte of it under the signature of the node that
served it.

  evidence.json    every file here with its SHA-256, signed (Ed25519) by the key of the room's checkpoints
  key.txt          that key. Whoever forges the bundle writes a key of their own: compare it with the one the node
                   publishes, GET /api/v1/rooms/{room}/checkpoints
  recording.json   which recording the segments are of
  index.m3u8       the span as HLS; play it with: ffplay index.m3u8, or any web server and player
  <epoch>/...      the segments, the same bytes that viewers got
  clip.mp4         the span in one file, cut to the frame
  log/*.jsonl      the room's log with its chain and checkpoints; one file when put after each other

How to check it
===============

  unisono verify BUNDLE.tar --key KEY

It proves the log (chain, checkpoints, every result computed again), the signature of evidence.json, and every file
against its digest. The same by hand: sha256sum each file and compare with evidence.json.
";

/// `GET /api/v1/rooms/{room}/evidence?from=T&to=T`.
pub(crate) async fn bundle(
    State(node): State<Arc<Node>>,
    Path(room): Path<String>,
    span: Result<Query<Clipped>, QueryRejection>,
    caller: Caller,
) -> Result<Response, Problem> {
    let room =
        RoomId::parse(Tenant::default(), &room).map_err(|error| Problem::bad_request(error.to_string()))?;
    caller.host(&node, room.stream())?;
    let within = Clipped::read(span)?.within();
    // Before its parts are in memory.
    let turn = node.evidence.clone().try_acquire_owned();
    let turn = turn.map_err(|_| {
        Problem::unavailable("as many bundles of evidence as can be are made just now; try again")
            .retry_after(AGAIN_S)
    })?;
    let recording = of_span(&node, &room, within)?;
    let index = node.context.recordings.index(&recording).await.map_err(|error| unreadable(&error))?;
    let clip = node.context.recordings.clip(&recording, (within.from, within.to)).await;
    let clip = clip.map_err(|error| no_clip(&error))?;
    if node.context.rooms.public_key().is_none() {
        return Err(Problem::not_found("this node keeps no signed logs"));
    }
    let name =
        format!("{}-{}.tar", room.to_string().replace(':', "-"), clip.cut().from.as_micros() / 1_000_000);
    let (sender, receiver) = mpsc::channel(CHUNKS);
    let work = Bundle { node, room, recording, index, clip, within, archive: Archive::new(sender) };
    tokio::spawn(work.send(turn));
    let chunks =
        stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) });
    let headers = [
        (header::CONTENT_TYPE, "application/x-tar".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, Body::from_stream(chunks)).into_response())
}

/// The newest recording that has something of the span.
fn of_span(node: &Node, room: &RoomId, within: Within) -> Result<Recording, Problem> {
    let all = node.context.recordings.list(Some(room.stream()), None, LOOKED_AT);
    let has = |recording: &&Recording| {
        let (Some(from), Some(to)) = (recording.summary.from, recording.summary.to) else { return false };
        within.from.is_none_or(|begin| begin < to) && within.to.is_none_or(|end| end > from)
    };
    all.iter().find(has).cloned().ok_or_else(|| Problem::not_found("nothing of this span was recorded"))
}

/// One archive on its way.
struct Bundle {
    node: Arc<Node>,
    room: RoomId,
    recording: Recording,
    index: Arc<Index>,
    clip: Clip,
    within: Within,
    archive: Archive,
}

impl Bundle {
    async fn send(mut self, _turn: OwnedSemaphorePermit) {
        let client = self.archive.sender.clone();
        let written = tokio::select! {
            written = self.write() => written,
            // Reading goes on for long between two pieces that are sent: nobody is to be found gone only by the next.
            () = client.closed() => Err(gone()),
        };
        if let Err(error) = written {
            tracing::warn!(room = %self.room, "a bundle of evidence was not finished: {error}");
            self.archive.fail(error).await;
        }
    }

    async fn write(&mut self) -> io::Result<()> {
        self.archive.file("README.txt", README.into()).await?;
        let key = self.node.context.rooms.public_key();
        let key = key.ok_or_else(|| io::Error::other("this node keeps no signed logs"))?;
        self.archive.file("key.txt", format!("{key}\n").into()).await?;
        let head = serde_json::to_vec_pretty(&self.recording.head)?;
        self.archive.file("recording.json", head.into()).await?;
        self.media().await?;
        let length = self.clip.bytes();
        let chunks = self.clip.clone().stream(0..length).map(|chunk| chunk.map_err(io::Error::other));
        self.archive.stream("clip.mp4", length, chunks).await?;
        self.log().await?;
        self.sign().await
    }

    async fn media(&mut self) -> io::Result<()> {
        if let Some(text) = vod::multivariant(&self.index, "") {
            self.archive.file("index.m3u8", text.into()).await?;
        }
        for rendition in Rendition::ALL {
            if let Some(text) = vod::media(&self.index, rendition, Growth::Whole, self.within) {
                self.archive.file(&format!("{}.m3u8", rendition.as_str()), text.into()).await?;
            }
        }
        let index = self.index.clone();
        for rendition in Rendition::ALL {
            let mut headers = HashSet::new();
            let kept = index.between(rendition, self.within.from, self.within.to);
            for line in kept.iter().filter(|line| line.is_kept()) {
                if headers.insert(line.header_name()) {
                    let sha256 = index.header(&line.header_name()).map(|header| header.sha256);
                    self.kept(&line.header_name().to_string(), sha256).await?;
                }
                self.segment(line).await?;
            }
        }
        Ok(())
    }

    async fn segment(&mut self, line: &SegmentLine) -> io::Result<()> {
        self.kept(&line.name().to_string(), line.sha256).await
    }

    /// A file of the recording, if it is what it was when it was written: nothing else is signed.
    async fn kept(&mut self, name: &str, sha256: Option<Digest>) -> io::Result<()> {
        let bytes = self.node.context.recordings.file(&self.recording, name, None).await;
        let bytes = bytes.map_err(io::Error::other)?;
        if sha256 != Some(Digest::of(&[&bytes])) {
            return Err(io::Error::other(format!("{name} is not what was recorded: its digest differs")));
        }
        self.archive.file(name, bytes).await
    }

    async fn log(&mut self) -> io::Result<()> {
        let export = self.node.context.rooms.export(&self.room).await.map_err(io::Error::other)?;
        let mut export = export.ok_or_else(|| io::Error::other("this node keeps no signed logs"))?;
        let mut number = 0;
        while let Some(lines) = export.next().await {
            let lines = lines.map_err(io::Error::other)?;
            self.archive.file(&format!("log/{number:06}.jsonl"), lines.into()).await?;
            number += 1;
        }
        Ok(())
    }

    async fn sign(&mut self) -> io::Result<()> {
        let files = std::mem::take(&mut self.archive.files);
        let (cut, id) = (self.clip.cut(), self.recording.head.id.to_string());
        let span: (MediaTime, MediaTime) = (cut.from, cut.to);
        let evidence = self.node.context.rooms.sign_evidence((&self.room, id), span, files);
        let evidence = evidence.ok_or_else(|| io::Error::other("this node keeps no signed logs"))?;
        self.archive.file("evidence.json", serde_json::to_vec_pretty(&evidence)?.into()).await?;
        self.archive.end().await
    }
}

/// A tar archive that is written into a channel, and what is in it.
struct Archive {
    sender: mpsc::Sender<io::Result<Bytes>>,
    files: Vec<EvidenceFile>,
}

impl Archive {
    fn new(sender: mpsc::Sender<io::Result<Bytes>>) -> Self {
        Self { sender, files: Vec::new() }
    }

    async fn file(&mut self, name: &str, bytes: Bytes) -> io::Result<()> {
        let length = bytes.len() as u64;
        self.stream(name, length, stream::iter([Ok(bytes)])).await
    }

    /// A file of a length that is known before its bytes are.
    async fn stream(
        &mut self,
        name: &str,
        length: u64,
        chunks: impl Stream<Item = io::Result<Bytes>>,
    ) -> io::Result<()> {
        self.give(head(name, length)?).await?;
        let (mut hasher, mut sent) = (Hasher::default(), 0u64);
        let mut chunks = pin!(chunks);
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk?;
            hasher.update(&chunk);
            sent += chunk.len() as u64;
            self.give(chunk).await?;
        }
        if sent != length {
            return Err(io::Error::other(format!("{name} has {sent} bytes, not {length}")));
        }
        let padding = (BLOCK - (length % BLOCK as u64) as usize) % BLOCK;
        self.give(Bytes::from(vec![0; padding])).await?;
        self.files.push(EvidenceFile { name: name.to_owned(), bytes: length, sha256: hasher.finish() });
        Ok(())
    }

    async fn end(&mut self) -> io::Result<()> {
        self.give(Bytes::from_static(&[0; 2 * BLOCK])).await
    }

    /// The connection is broken off, so that nobody takes what was sent for a whole archive.
    async fn fail(&mut self, error: io::Error) {
        let _ = self.sender.send(Err(error)).await;
    }

    async fn give(&self, bytes: Bytes) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let sent = self.sender.send(Ok(bytes)).await;
        sent.map_err(|_| gone())
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "whoever asked has gone")
}

fn head(name: &str, length: u64) -> io::Result<Bytes> {
    let mut header = tar::Header::new_ustar();
    header.set_path(name)?;
    header.set_size(length);
    header.set_mode(0o644);
    header.set_cksum();
    Ok(Bytes::copy_from_slice(header.as_bytes()))
}
