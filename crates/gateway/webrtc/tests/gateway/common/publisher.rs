//! A WHIP client that publishes numbered pictures and sounds.

use super::{Client, Node, PATIENCE, avc, slice};
use bytes::Bytes;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use str0m::{
    format::Codec,
    media::{Direction, MediaKind, Mid, Pt},
    rtp::{RtpWrite, SeqNo},
};
use tokio::{sync::watch, task::JoinHandle};
use unisono_base::MediaTime;
use unisono_media::Frame;
use unisono_mux::rtp::{PAYLOAD_MAX, packetize_h264};

/// A picture each 10 ms, a keyframe each half second.
const PERIOD: Duration = Duration::from_millis(10);
const GROUP: u32 = 50;

/// The access unit of picture `index` of publisher `seed`, as viewers must get it.
pub(crate) fn access_unit(seed: u8, index: u32) -> Bytes {
    let key = index.is_multiple_of(GROUP);
    slice(key, seed, index, if key { 9_000 } else { 1_500 })
}

/// Seed and index of an access unit that a viewer got.
pub(crate) fn picture_of(unit: &[u8]) -> (u8, u32) {
    (unit[5], u32::from_be_bytes([unit[6], unit[7], unit[8], unit[9]]))
}

pub(crate) struct Publisher {
    pub(crate) location: String,
    pub(crate) etag: String,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Publisher {
    /// Connects with the node's first key and publishes until stopped.
    pub(crate) async fn start(node: &Node, seed: u8) -> Self {
        Self::start_with(node, seed, Client::new().await).await
    }

    pub(crate) async fn start_with(node: &Node, seed: u8, mut client: Client) -> Self {
        let mut api = client.rtc.sdp_api();
        let video = api.add_media(MediaKind::Video, Direction::SendOnly, None, None, None);
        let audio = api.add_media(MediaKind::Audio, Direction::SendOnly, None, None, None);
        let (offer, pending) = api.apply().expect("an offer");
        let answer = node.post("/live/alice/whip", Some(node.key.reveal()), offer.to_sdp_string()).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        client.accept(pending, &answer.body);
        let deadline = Instant::now() + PATIENCE;
        while !client.is_connected {
            assert!(Instant::now() < deadline, "the publisher never connected");
            client.run(Instant::now() + Duration::from_millis(20), drop).await;
        }
        let (stop, stopped) = watch::channel(false);
        let (location, etag) = (answer.header("location").to_owned(), answer.header("etag").to_owned());
        let task = tokio::spawn(publish(client, video, audio, seed, stopped));
        Self { location, etag, stop, task }
    }

    /// Falls silent without a word, as a killed browser does.
    pub(crate) async fn vanish(self) {
        let _ = self.stop.send(true);
        self.task.await.expect("published until told");
    }
}

async fn publish(mut client: Client, video: Mid, audio: Mid, seed: u8, stopped: watch::Receiver<bool>) {
    let params = client.rtc.codec_config().params();
    let pt = |wanted: &dyn Fn(&str0m::format::PayloadParams) -> bool| -> Pt {
        params.iter().find(|p| wanted(p)).expect("negotiated").pt()
    };
    let h264 = pt(&|p| p.spec().codec == Codec::H264 && p.spec().format.packetization_mode == Some(1));
    let opus = pt(&|p| p.spec().codec == Codec::Opus);
    let config = avc();
    let (mut video_sequence, start) = (1_000u64, Instant::now());
    for index in 0u32.. {
        let due = start + PERIOD * index;
        client.run(due, drop).await;
        if *stopped.borrow() {
            return;
        }
        let t = MediaTime::from_micros(0);
        let mut frame = Frame::new(t, t, access_unit(seed, index));
        frame.key = index.is_multiple_of(GROUP);
        let packets = packetize_h264(&frame, &config, PAYLOAD_MAX);
        let mut api = client.rtc.direct_api();
        let stream = api.stream_tx_by_mid(video, None).expect("a sender");
        for packet in packets.list {
            let write =
                RtpWrite::new(h264, SeqNo::from(video_sequence), 5_000 + index * 900, due, packet.payload);
            stream.write_rtp(write.marker(packet.marker).nackable(true));
            video_sequence += 1;
        }
        if index.is_multiple_of(2) {
            let sound: Arc<[u8]> = Arc::from([0xfc, seed, 1, 2, 3]);
            let stream = api.stream_tx_by_mid(audio, None).expect("a sender");
            let sequence = SeqNo::from(500 + u64::from(index / 2));
            stream.write_rtp(RtpWrite::new(opus, sequence, 9_000 + index * 480, due, sound));
        }
        client.flush(drop).await;
    }
}
