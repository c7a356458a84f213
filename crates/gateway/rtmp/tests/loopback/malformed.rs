//! Malformed RTMP, one kind per line of a table: each ends its own connection, with words that name what was wrong, in the
//! log, and to an encoder that had asked to publish by NetStatus as well.

use crate::support::{DEADLINE, Door, ZEROLATENCY, ffmpeg};
use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    thread::{self, ThreadId},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tracing_subscriber::fmt::MakeWriter;
use unisono_media::Kind;

/// How far the peer behaves before it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Start,
    Handshaken,
    Connected,
    Publishing,
}

use Stage::{Connected, Handshaken, Publishing, Start};

/// What is sent after which stage, and what the log says of it.
type Case = (Stage, fn() -> Vec<u8>, &'static str);

const fn case(stage: Stage, bytes: fn() -> Vec<u8>, words: &'static str) -> Case {
    (stage, bytes, words)
}

/// The table.
fn cases() -> Vec<Case> {
    vec![
        case(Start, || b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), "this is HTTP"),
        case(Start, || vec![0x16, 3, 1, 2, 0, 1, 0], "this is TLS"),
        case(Start, || vec![6; 1537], "RTMPE is not supported"),
        case(Start, || vec![0; 1537], "not RTMP version 3"),
        case(Handshaken, || vec![0xc4], "no earlier header"),
        case(Handshaken, || control(1, &[0, 0, 0, 0]), "chunk size 0"),
        case(Handshaken, || control(1, &[1, 2]), "has only 2 bytes"),
        case(Handshaken, || header(3, 0xff_ffff, 20), "message of type 20 is 16777215 bytes"),
        case(
            Handshaken,
            || [begun(3, 300, 20), header(3, 5, 20)].concat(),
            "before its last one is complete",
        ),
        case(Handshaken, || (3..63).chain(64..70).flat_map(|id| begun_on(id, 200)).collect(), "chunk stream"),
        case(Handshaken, || message(20, &[0x11, 0, 0]), "value marker 0x11"),
        case(Handshaken, || message(20, &[2, 0xff, 0xff, b'x']), "ends inside a value"),
        case(Handshaken, || message(20, &deep()), "nested deeper"),
        case(Handshaken, || message(20, &[0; 9]), "command has no name"),
        case(Handshaken, || message(20, &publish("alice?key=x")), "publish came before connect"),
        case(Handshaken, || message(20, &[text("connect"), number(1.0)].concat()), "connect has no app"),
        case(Connected, || message(20, &connect()), "connect came twice"),
        case(
            Connected,
            || message(20, &[text("publish"), number(3.0), vec![5]].concat()),
            "publish has no name",
        ),
        case(Connected, || message(20, &publish("../alice?key=x")), "name"),
        case(Publishing, || message(20, &publish("alice?key=x")), "publish came twice"),
        case(Publishing, || message(9, &[0x12, 0, 0, 0, 0, 0]), "video codec"),
        case(Publishing, || message(8, &[0xb2, 0, 0]), "audio codec"),
        case(Publishing, || message(9, &[0x17, 0, 0, 0, 0, 1, 0x42]), "sequence header"),
        case(Publishing, || message(8, &[0xaf, 0, 0x12]), "AudioSpecificConfig"),
        case(Publishing, || header(6, 0xff_fff0, 9), "message of type 9 is 16777200 bytes"),
    ]
}

#[tokio::test]
async fn each_kind_of_malformed_rtmp_is_refused_in_words_and_a_stream_goes_on() {
    let log = Log { text: Arc::default(), thread: thread::current().id() };
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
    // For the whole process: what is logged first on a thread without a subscriber of its own may stay unheard on all.
    tracing::subscriber::set_global_default(subscriber).expect("no other test of this binary listens");
    let door = Door::open().await;
    let _encoder = ffmpeg(&door.url(&door.key), ZEROLATENCY, true);
    let watched = door.stream().await;
    let (video, mut cursor) = watched.ring(Kind::Video).await;
    let before = watched.read(&video, &mut cursor, 5).await;

    assert!(cases().len() >= 24);
    for (index, (stage, bytes, words)) in cases().into_iter().enumerate() {
        log.clear();
        let told = misbehave(door.address, &door.other_key, index, stage, &bytes()).await;
        let logged = log.of(words).await;
        assert!(logged.contains("WARN"), "case {index} ({words}): {logged}");
        if stage == Publishing {
            assert!(told.contains(words), "case {index}: the encoder hears of {words}: {told}");
        }
    }

    let after = watched.read(&video, &mut cursor, 30).await;
    assert_eq!(after[0].group.epoch, before[0].group.epoch, "the stream beside it goes on");
    door.close().await;
}

/// Behaves up to `stage`, sends `bytes`, and returns all that the door said until it hung up, as text.
async fn misbehave(address: SocketAddr, key: &str, index: usize, stage: Stage, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("listening");
    if stage != Start {
        stream.write_all(&[&[3][..], &[0; 1536]].concat()).await.expect("C0 and C1");
        stream.read_exact(&mut [0; 1 + 2 * 1536]).await.expect("S0, S1 and S2");
        stream.write_all(&[0; 1536]).await.expect("C2");
    }
    if matches!(stage, Connected | Publishing) {
        stream.write_all(&message(20, &connect())).await.expect("connect");
    }
    if stage == Publishing {
        let name = format!("mal-{index}?key={key}");
        stream.write_all(&message(20, &publish(&name))).await.expect("publish");
        until_told(&mut stream, "NetStream.Publish.Start").await;
    }
    // A reset while writing is an answer too.
    let _ = stream.write_all(bytes).await;
    let mut told = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(Ok(length @ 1..)) = timeout(DEADLINE, stream.read(&mut piece)).await {
        told.extend_from_slice(&piece[..length]);
    }
    String::from_utf8_lossy(&told).into_owned()
}

async fn until_told(stream: &mut TcpStream, words: &str) {
    let mut told = Vec::new();
    let mut piece = [0; 4096];
    while !String::from_utf8_lossy(&told).contains(words) {
        let length = timeout(DEADLINE, stream.read(&mut piece)).await.expect("in time").expect("an answer");
        assert!(length > 0, "hung up: {}", String::from_utf8_lossy(&told));
        told.extend_from_slice(&piece[..length]);
    }
}

/// What was logged by the thread that made it, on which everything of its test runs. Other tests of the process log, too.
#[derive(Clone, Debug)]
struct Log {
    text: Arc<Mutex<Vec<u8>>>,
    thread: ThreadId,
}

impl Log {
    fn clear(&self) {
        self.text.lock().expect("unpoisoned").clear();
    }

    /// The first line with `words`; the connection's task writes it a moment after it hung up.
    async fn of(&self, words: &str) -> String {
        let found = async {
            loop {
                let text = String::from_utf8_lossy(&self.text.lock().expect("unpoisoned")).into_owned();
                if let Some(line) = text.lines().find(|line| line.contains(words)) {
                    return line.to_owned();
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        timeout(DEADLINE, found).await.unwrap_or_else(|_| {
            panic!("{words:?} is not in {}", String::from_utf8_lossy(&self.text.lock().expect("unpoisoned")))
        })
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if thread::current().id() == self.thread {
            self.text.lock().expect("unpoisoned").extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// A full chunk header (RTMP 1.0 §5.3.1.2.1) on a chunk stream from 2 to 63.
fn header(id: u8, length: u32, type_id: u8) -> Vec<u8> {
    let length = length.to_be_bytes();
    vec![id, 0, 0, 0, length[1], length[2], length[3], type_id, 1, 0, 0, 0]
}

/// A message in chunks of 128 bytes.
fn message(type_id: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = header(3, body.len() as u32, type_id);
    for (index, chunk) in body.chunks(128).enumerate() {
        if index > 0 {
            bytes.push(0xc3);
        }
        bytes.extend_from_slice(chunk);
    }
    bytes
}

fn control(type_id: u8, body: &[u8]) -> Vec<u8> {
    [header(2, body.len() as u32, type_id), body.to_vec()].concat()
}

/// The first chunk of a message of more.
fn begun(id: u8, length: u32, type_id: u8) -> Vec<u8> {
    [header(id, length, type_id), vec![0; 128]].concat()
}

/// The same on any chunk stream; from 64 on the basic header has two bytes (§5.3.1.1).
fn begun_on(id: u16, length: u32) -> Vec<u8> {
    let mut bytes = begun(0, length, 20);
    if id < 64 {
        bytes[0] = id as u8;
    } else {
        bytes.insert(1, (id - 64) as u8);
    }
    bytes
}

fn text(value: &str) -> Vec<u8> {
    [&[2, 0, value.len() as u8][..], value.as_bytes()].concat()
}

fn number(value: f64) -> Vec<u8> {
    [&[0][..], &value.to_be_bytes()].concat()
}

fn connect() -> Vec<u8> {
    let app = [&[3, 0, 3][..], b"app", &text("live"), &[0, 0, 9]].concat();
    [text("connect"), number(1.0), app].concat()
}

fn publish(name: &str) -> Vec<u8> {
    [text("publish"), number(3.0), vec![5], text(name), text("live")].concat()
}

/// Objects in objects.
fn deep() -> Vec<u8> {
    std::iter::repeat_n([3, 0, 1, b'a'], 40).flatten().collect()
}
