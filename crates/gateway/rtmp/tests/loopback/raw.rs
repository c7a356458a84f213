//! What no encoder at hand sends: FLV tags of our own over a connection of our own.

use crate::support::{DEADLINE, Door, check_video};
use bytes::{BufMut, Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use unisono_media::Kind;

/// Every message fits one chunk.
const CHUNK_SIZE: u32 = 1 << 20;
const COMMAND: u8 = 20;
const VIDEO: u8 = 9;

/// The client's side of a connection.
struct Sender {
    stream: TcpStream,
}

impl Sender {
    /// Greets, connects and asks to publish; `fields` stand beside `app` in `connect`.
    async fn publish(door: &Door, fields: &[u8]) -> Self {
        let mut stream = TcpStream::connect(door.address).await.expect("listening");
        stream.write_all(&[&[3][..], &[0; 1536]].concat()).await.expect("C0 and C1");
        stream.read_exact(&mut [0; 1 + 2 * 1536]).await.expect("S0, S1 and S2");
        stream.write_all(&[0; 1536]).await.expect("C2");
        let mut sender = Self { stream };
        sender.message(1, 0, &CHUNK_SIZE.to_be_bytes()).await;
        let connect = [&field("app", &string("live"))[..], fields, &[0, 0, 9]].concat();
        sender.command("connect", 1.0, &[&[3], &connect[..]].concat()).await;
        sender.command("createStream", 2.0, &[5]).await;
        let name = string(&format!("alice?key={}", door.key));
        sender.command("publish", 3.0, &[&[5], &name[..], &string("live")].concat()).await;
        sender
    }

    async fn command(&mut self, name: &str, transaction: f64, rest: &[u8]) {
        let number = [&[0][..], &transaction.to_be_bytes()].concat();
        self.message(COMMAND, 0, &[&string(name)[..], &number, rest].concat()).await;
    }

    async fn message(&mut self, kind: u8, time: u32, body: &[u8]) {
        let mut chunk = BytesMut::new();
        chunk.put_u8(3);
        chunk.put_uint(time.into(), 3);
        chunk.put_uint(body.len() as u64, 3);
        chunk.put_slice(&[kind, 1, 0, 0, 0]);
        chunk.put_slice(body);
        self.stream.write_all(&chunk).await.expect("taken");
    }

    /// Sends the video tags of a file `times` over, as fast as they are taken.
    async fn send(&mut self, tags: &[(u32, Bytes)], times: u32) {
        let length = tags.last().expect("some").0 + 67;
        for round in 0..times {
            for (time, body) in tags {
                self.message(VIDEO, round * length + time, body).await;
            }
        }
    }

    /// Reads until `words` come.
    async fn hears(&mut self, words: &str) {
        let mut heard = Vec::new();
        let read = async {
            while !heard.windows(words.len()).any(|window| window == words.as_bytes()) {
                let length = self.stream.read_buf(&mut heard).await.expect("open");
                assert!(length > 0, "closed without {words:?}: {:?}", String::from_utf8_lossy(&heard));
            }
        };
        timeout(DEADLINE, read).await.unwrap_or_else(|_| panic!("{words:?} within the deadline"));
    }
}

/// AMF0 string and object field.
fn string(text: &str) -> Vec<u8> {
    [&[2][..], &(text.len() as u16).to_be_bytes(), text.as_bytes()].concat()
}

fn field(key: &str, value: &[u8]) -> Vec<u8> {
    [&(key.len() as u16).to_be_bytes()[..], key.as_bytes(), value].concat()
}

/// Video tags of one of `unisono-mux`'s FLV files: milliseconds and body.
fn video_tags(file: &'static [u8]) -> Vec<(u32, Bytes)> {
    let (mut tags, mut rest) = (Vec::new(), &file[13..]);
    while let Some(head) = rest.first_chunk::<11>() {
        let length = u32::from_be_bytes([0, head[1], head[2], head[3]]) as usize;
        if head[0] == VIDEO {
            let time = u32::from_be_bytes([0, head[4], head[5], head[6]]);
            tags.push((time, Bytes::from_static(&rest[11..11 + length])));
        }
        rest = &rest[11 + length + 4..];
    }
    tags
}

macro_rules! fixture {
    ($name:literal) => {
        video_tags(include_bytes!(concat!("../../../../mux/tests/flv/fixtures/", $name, ".flv")))
    };
}

/// Sends a file three times over and returns the codecs parameter of what stands in the hub.
async fn published(tags: &[(u32, Bytes)]) -> String {
    let door = Door::open().await;
    let mut sender = Sender::publish(&door, &[]).await;
    sender.send(tags, 3).await;
    let watched = door.stream().await;
    let (ring, mut cursor) = watched.ring(Kind::Video).await;
    let frames = watched.read(&ring, &mut cursor, 24).await;
    assert_eq!(check_video(&frames), (96, 64));
    let codec = frames[0].group.config.rfc6381();
    drop(sender);
    door.close().await;
    codec
}

#[tokio::test]
async fn vp8_behind_an_enhanced_header() {
    assert_eq!(published(&fixture!("vp8")).await, "vp08.00.10.08");
}

#[tokio::test]
async fn hevc_by_the_codec_number_of_old_encoders() {
    assert_eq!(published(&fixture!("hevc-legacy")).await, "hvc1.1.6.L30.90");
}

/// As OBS's multitrack video: the default track as ever, a smaller one beside it.
#[tokio::test]
async fn of_two_tracks_the_default_one_is_taken() {
    let tags = fixture!("vp9");
    let second = |(time, body): &(u32, Bytes)| {
        let (head, kind) = (body[0] & 0xf0 | 6, body[0] & 0x0f);
        (*time, [&[head, kind][..], &body[1..5], &[1], &body[5..]].concat().into())
    };
    let both: Vec<_> = tags.iter().flat_map(|tag| [tag.clone(), second(tag)]).collect();
    assert_eq!(published(&both).await, "vp09.00.10.08");
}

#[tokio::test]
async fn connect_is_answered_with_what_is_taken() {
    let door = Door::open().await;
    let asked = field("capsEx", &[&[0][..], &15f64.to_be_bytes()].concat());
    let mut sender = Sender::publish(&door, &asked).await;
    sender.hears("videoFourCcInfoMap").await;
    sender.hears("NetStream.Publish.Start").await;
    drop(sender);
    door.close().await;
}

#[tokio::test]
async fn a_codec_that_is_not_taken_is_refused_in_words() {
    let door = Door::open().await;
    let mut sender = Sender::publish(&door, &[]).await;
    sender.message(VIDEO, 0, b"\x90vvc1\x01").await;
    sender.hears("video codec H.266 (vvc1) is not supported over RTMP; set the encoder to H.264, H.265, AV1 or VP9").await;
    door.close().await;
}
