//! What does not get in: wrong keys, garbage, connections that do nothing.

use crate::support::{DEADLINE, Door, ZEROLATENCY, complaint, ffmpeg};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use unisono_media::Kind;

#[tokio::test]
async fn wrong_and_missing_keys_are_refused_in_words() {
    let door = Door::open().await;
    let wrong = format!("pk_{}_{}", "0".repeat(8), "0".repeat(32));
    let words = complaint(ffmpeg(&door.url(&wrong), ZEROLATENCY, false)).await;
    assert!(words.contains("key"), "{words}");
    let url = format!("rtmp://{}/live/alice", door.address);
    let words = complaint(ffmpeg(&url, ZEROLATENCY, false)).await;
    assert!(words.contains("publishing needs a key"), "{words}");
    let url = format!("rtmp://{}/api/alice?key={}", door.address, door.key);
    let words = complaint(ffmpeg(&url, ZEROLATENCY, false)).await;
    assert!(words.contains("reserved"), "{words}");
    assert!(door.hub.streams().is_empty());
    door.close().await;
}

#[tokio::test]
async fn thirty_connections_of_random_bytes_leave_a_stream_undisturbed() {
    let door = Door::open().await;
    let _encoder = ffmpeg(&door.url(&door.key), ZEROLATENCY, true);
    let watched = door.stream().await;
    let (video, mut cursor) = watched.ring(Kind::Video).await;
    let before = watched.read(&video, &mut cursor, 10).await;
    let mut attacks = Vec::new();
    for seed in 0..30u64 {
        attacks.push(tokio::spawn(attack(door.address, seed)));
    }
    for attack in attacks {
        timeout(DEADLINE, attack).await.expect("the door closes garbage").expect("no panic");
    }
    let after = watched.read(&video, &mut cursor, 60).await;
    assert!(after.iter().all(|g| g.group.epoch == before[0].group.epoch));
    let steps = after.windows(2).map(|w| (w[1].frame.t - w[0].frame.t).as_secs_f64());
    assert!(steps.into_iter().all(|s| s < 0.05), "no frame is missing");
    door.close().await;
}

/// Random bytes, for two thirds behind a valid handshake, until the door closes.
async fn attack(address: std::net::SocketAddr, seed: u64) {
    let mut stream = TcpStream::connect(address).await.expect("listening");
    let mut bytes = Vec::new();
    if !seed.is_multiple_of(3) {
        bytes.push(3);
        bytes.extend_from_slice(&[0; 2 * 1536]);
    }
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for _ in 0..64 << 10 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.push(state as u8);
    }
    // A reset while writing is the door's answer too.
    let _ = stream.write_all(&bytes).await;
    let _ = stream.shutdown().await;
    let mut rest = [0; 4096];
    while let Ok(1..) = stream.read(&mut rest).await {}
}

#[tokio::test]
async fn a_connection_that_does_not_publish_is_closed() {
    let door = Door::with(|config| config.publish_within = std::time::Duration::from_millis(50)).await;
    let mut stream = TcpStream::connect(door.address).await.expect("listening");
    let closed = timeout(DEADLINE, stream.read(&mut [0; 16])).await.expect("closed");
    assert_eq!(closed.ok(), Some(0));
    door.close().await;
}

#[tokio::test]
async fn one_connection_too_many_is_closed_and_the_others_stay() {
    let door = Door::with(|config| config.connections_max = 1).await;
    let mut first = TcpStream::connect(door.address).await.expect("listening");
    first.write_all(&[3; 1 + 1536]).await.expect("C0 and C1");
    first.read_exact(&mut [0; 1 + 2 * 1536]).await.expect("S0, S1 and S2");
    let mut second = TcpStream::connect(door.address).await.expect("listening");
    let closed = timeout(DEADLINE, second.read(&mut [0; 16])).await.expect("closed");
    assert_eq!(closed.ok(), Some(0));
    first.write_all(&[3; 1536]).await.expect("C2 is still taken");
    door.close().await;
}
