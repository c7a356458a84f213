//! A WHIP publisher: the bench's loop through a WebRTC session of its own.

use super::{
    crew::Job,
    material::{FPS, RATE},
    peer::{self, Peer},
    signal,
};
use anyhow::Context;
use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};
use str0m::{
    Event, Rtc,
    format::Codec,
    media::{Direction, Frequency, MediaKind, MediaTime, Mid, Pt},
};

/// No connection by then is a failure.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// Samples in a packet of sound.
const PACKET: u64 = 960;

/// Publishes at `endpoint` until it is told to stop.
pub(super) async fn publish(endpoint: &str, job: &Job) -> anyhow::Result<()> {
    let mut rtc = Box::new(peer::config().build(Instant::now()));
    let mut change = rtc.sdp_api();
    let video = change.add_media(MediaKind::Video, Direction::SendOnly, None, None, None);
    let audio = change.add_media(MediaKind::Audio, Direction::SendOnly, None, None, None);
    let (offer, pending) = change.apply().context("no offer")?;
    let client = signal::client()?;
    let session = signal::offer(&client, endpoint, Some(&job.key), &offer.to_sdp_string()).await?;
    let mut peer = Peer::accept(rtc, pending, &session.answer).await?;
    connect(&mut peer).await?;
    let video = Line { mid: video, pt: payload_type(&mut peer.rtc, video, Codec::H264)? };
    let audio = Line { mid: audio, pt: payload_type(&mut peer.rtc, audio, Codec::Opus)? };
    job.started.tell();
    let sent = send(&mut peer, video, audio, job).await;
    session.delete(&client).await;
    sent
}

/// Where one track is written.
#[derive(Clone, Copy)]
struct Line {
    mid: Mid,
    pt: Pt,
}

async fn connect(peer: &mut Peer) -> anyhow::Result<()> {
    let give_up = Instant::now() + CONNECT_PATIENCE;
    while !peer.rtc.is_connected() {
        anyhow::ensure!(
            Instant::now() < give_up,
            "the publisher did not connect; is the media port reachable?"
        );
        peer.step(give_up, &mut |_| {}).await?;
    }
    Ok(())
}

/// What the answer chose; for H.264 the packetization mode that allows fragments.
fn payload_type(rtc: &mut Rtc, mid: Mid, codec: Codec) -> anyhow::Result<Pt> {
    let writer = rtc.writer(mid).with_context(|| format!("the server refuses {codec:?}"))?;
    let found = writer.payload_params().find(|params| {
        let spec = params.spec();
        let fits = codec != Codec::H264 || spec.format.packetization_mode == Some(1);
        spec.codec == codec && fits
    });
    found.map(|params| params.pt()).with_context(|| format!("the server took no {codec:?}"))
}

async fn send(peer: &mut Peer, video: Line, audio: Line, job: &Job) -> anyhow::Result<()> {
    let start = Instant::now();
    let units = &job.material.units;
    let (mut frame, mut packet, mut at) = (0u64, 0u64, 0usize);
    while !job.stop.load(Ordering::Relaxed) {
        anyhow::ensure!(peer.rtc.is_alive(), "the server ended the session");
        let video_due = Duration::from_micros(frame * 1_000_000 / u64::from(FPS));
        // A packet is sent when its sound is complete.
        let audio_due = Duration::from_micros((packet + 1) * PACKET * 1_000_000 / RATE);
        let due_at = start + video_due.min(audio_due);
        if Instant::now() < due_at {
            let mut wants_keyframe = false;
            let mut on_event = |event| wants_keyframe |= matches!(event, Event::KeyframeRequest(_));
            peer.step(due_at, &mut on_event).await?;
            if wants_keyframe {
                at = job.material.next_key(at);
            }
            continue;
        }
        let now = Instant::now();
        if video_due <= audio_due {
            let time = MediaTime::from_90khz(frame * 90_000 / u64::from(FPS));
            write(peer, video, now, time, units[at].annex_b())?;
            (frame, at) = (frame + 1, (at + 1) % units.len());
        } else {
            let sound = &job.material.opus[packet as usize % job.material.opus.len()];
            let time = MediaTime::new(packet * PACKET, Frequency::FORTY_EIGHT_KHZ);
            write(peer, audio, now, time, sound.to_vec())?;
            packet += 1;
        }
        peer.send_written(now)?;
        // A publisher that is late has nothing to wait for until it has caught up; the others of its thread have their time, too.
        tokio::task::yield_now().await;
    }
    Ok(())
}

fn write(peer: &mut Peer, line: Line, now: Instant, time: MediaTime, data: Vec<u8>) -> anyhow::Result<()> {
    let writer = peer.rtc.writer(line.mid).context("the track is gone")?;
    writer.write(line.pt, now, time, data)?;
    Ok(())
}
