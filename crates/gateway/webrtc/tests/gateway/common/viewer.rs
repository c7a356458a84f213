//! A WHEP client that keeps what it gets.

use super::{Answer, Client, Node, PATIENCE, access_unit, picture_of};
use bytes::Bytes;
use std::time::{Duration, Instant};
use str0m::{
    Event,
    change::SdpPendingOffer,
    media::{Direction, MediaKind, Mid},
    rtp::RtpPacket,
};
use unisono_mux::rtp::AccessUnitAssembler;

pub(crate) struct Viewer {
    client: Client,
    video: Mid,
    pub(crate) location: String,
    packets: Vec<RtpPacket>,
    /// Sounds and when in RTP time.
    pub(crate) sounds: Vec<(u32, Bytes)>,
    /// Texts of the data channel.
    pub(crate) messages: Vec<serde_json::Value>,
}

impl Viewer {
    pub(crate) async fn offer() -> (Client, Mid, String, SdpPendingOffer) {
        Self::offer_of(Client::new().await)
    }

    fn offer_of(mut client: Client) -> (Client, Mid, String, SdpPendingOffer) {
        let mut api = client.rtc.sdp_api();
        let video = api.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
        api.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
        api.add_channel("unisono".to_owned());
        let (offer, pending) = api.apply().expect("an offer");
        (client, video, offer.to_sdp_string(), pending)
    }

    /// Joins; a 404 is retried, as a page would.
    pub(crate) async fn join(node: &Node) -> Self {
        Self::join_as(node, Client::new).await
    }

    /// [`Self::join`] with a client of the caller's making, one for each try.
    pub(crate) async fn join_as<F: Future<Output = Client>>(node: &Node, client: impl Fn() -> F) -> Self {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (client, video, offer, pending) = Self::offer_of(client().await);
            let answer = node.post("/live/alice/whep", None, offer).await;
            if answer.status != 404 {
                return Self::accept(client, video, pending, &answer);
            }
            assert_eq!(answer.header("retry-after"), "1");
            assert!(Instant::now() < deadline, "never playable: {}", answer.body);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn accept(mut client: Client, video: Mid, pending: SdpPendingOffer, answer: &Answer) -> Self {
        assert_eq!(answer.status, 201, "{}", answer.body);
        client.accept(pending, &answer.body);
        let location = answer.header("location").to_owned();
        Self { client, video, location, packets: Vec::new(), sounds: Vec::new(), messages: Vec::new() }
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.client.rtc.is_alive()
    }

    /// Watches until `is_enough`.
    pub(crate) async fn watch(&mut self, what: &str, mut is_enough: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_enough(self) {
            assert!(
                Instant::now() < deadline,
                "never came: {what}; {} packets, {} sounds, {:?}",
                self.packets.len(),
                self.sounds.len(),
                self.messages
            );
            self.step(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn step(&mut self, by: Duration) {
        let (packets, sounds, messages) = (&mut self.packets, &mut self.sounds, &mut self.messages);
        let video = self.video;
        let mut video_pts = Vec::new();
        if let Some(media) = self.client.rtc.media(video) {
            video_pts.extend_from_slice(media.remote_pts());
        }
        let on_event = |event| match event {
            Event::RtpPacket(packet) if packet.payload.is_empty() => {}
            Event::RtpPacket(packet) if video_pts.contains(&packet.header.payload_type) => {
                packets.push(packet)
            }
            Event::RtpPacket(packet) => {
                sounds.push((packet.header.timestamp, Bytes::copy_from_slice(&packet.payload)));
            }
            Event::ChannelData(data) => {
                messages.push(serde_json::from_slice(&data.data).expect("JSON"));
            }
            _ => {}
        };
        self.client.run(Instant::now() + by, on_event).await;
    }

    /// Whole access units so far with their RTP time, in order, from the first keyframe that arrived whole.
    pub(crate) fn units(&self) -> Vec<(u32, Bytes)> {
        let mut packets: Vec<_> = self.packets.iter().collect();
        packets.sort_by_key(|packet| *packet.seq_no);
        packets.dedup_by_key(|packet| *packet.seq_no);
        let mut assembler = AccessUnitAssembler::default();
        let mut units = Vec::new();
        let starts = packets.iter().position(|p| p.payload[0] & 0x1f == 24).unwrap_or(packets.len());
        let mut last = None;
        for packet in &packets[starts..] {
            if last.is_some_and(|last| *packet.seq_no != last + 1) {
                break; // a hole that is still being repaired
            }
            last = Some(*packet.seq_no);
            assembler.push(&packet.payload).expect("well formed");
            if packet.header.marker {
                units.push((packet.header.timestamp, assembler.finish().expect("a unit").payload));
            }
        }
        units
    }

    pub(crate) fn messages_of(&self, ty: &str) -> Vec<&serde_json::Value> {
        self.messages.iter().filter(|m| m["type"] == ty).collect()
    }
}

/// The publisher's keyframes are so many pictures apart.
const GROUP: u32 = 50;

/// What a viewer got is exact and in order; the index of the last picture. A client that a loaded machine keeps waiting is
/// served keyframes alone for a while, so pictures may be left out up to the next keyframe, and no keyframe may.
pub(crate) fn last_of_all(viewer: &Viewer) -> u32 {
    let units = viewer.units();
    let indices: Vec<_> = units.iter().map(|(_, unit)| picture_of(unit).1).collect();
    let follows = |before: u32, next: u32| {
        next == before + 1 || next.is_multiple_of(GROUP) && next == (before + 1).next_multiple_of(GROUP)
    };
    assert!(indices.windows(2).all(|pair| follows(pair[0], pair[1])), "{indices:?}");
    assert!(units.iter().zip(&indices).all(|((_, unit), index)| *unit == access_unit(1, *index)));
    *indices.last().expect("pictures")
}
