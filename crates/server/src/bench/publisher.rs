//! The measured stream: a loop of real H.264, 720p30 at 1.5 Mbit/s, encoded beforehand so that the client's cost
//! stays small, with the send time in each frame; and a tone.

use super::{
    peer::{self, Peer},
    signal, stamp,
};
use crate::demo::{CounterMode, H264, Picture, Settings, Tone};
use anyhow::Context;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};
use str0m::{
    Event, Rtc,
    format::Codec,
    media::{Direction, Frequency, MediaKind, MediaTime, Mid, Pt},
};
use unisono_base::Span;
use unisono_media::h264;

const FPS: u32 = 30;
const SETTINGS: Settings = Settings { fps: FPS, bitrate_bps: 1_500_000, gop: 2 * FPS };
/// Frames encoded beforehand: two groups.
const LOOP: usize = 4 * FPS as usize;
const START_CODE: [u8; 4] = [0, 0, 0, 1];
/// No connection by then is a failure.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// The running publisher; dropping it ends the session.
pub(super) struct Publisher {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Publisher {
    /// Publishes at `endpoint` from a thread of its own; returns once media flows.
    pub(super) fn start(endpoint: String, key: String) -> anyhow::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = stop.clone();
        let (tell, started) = mpsc::sync_channel(1);
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let result = runtime
                .map_err(anyhow::Error::from)
                .and_then(|runtime| runtime.block_on(Box::pin(publish(&endpoint, &key, &asked, &tell))));
            if let Err(error) = result {
                // Before the start this is the reason; afterwards nobody listens any more and the log has to do.
                tracing::error!(error = format!("{error:#}"), "the publisher broke off");
                let _ = tell.send(Err(error));
            }
        };
        let thread = std::thread::Builder::new().name("publisher".to_owned()).spawn(run)?;
        let publisher = Self { stop, thread: Some(thread) };
        started.recv().context("the publisher's thread ended")??;
        Ok(publisher)
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The loop's access units in Annex B, parameter sets before each keyframe; the send time goes in at `stamp_at`.
struct Unit {
    head: Vec<u8>,
    slices: Vec<u8>,
    key: bool,
}

fn encode_loop() -> anyhow::Result<Vec<Unit>> {
    let mut picture = Picture::new("1280x720".parse().map_err(anyhow::Error::msg)?);
    let mut encoder = H264::new(SETTINGS)?;
    let mut units = Vec::with_capacity(LOOP);
    for frame in 0..LOOP as u64 {
        picture.draw(&CounterMode::Frame.moment(frame, FPS, frame as i64 * 1_000 / i64::from(FPS)));
        let unit = encoder.encode(&picture, frame)?;
        let mut head = Vec::new();
        for parameters in unit.sps.iter().chain(&unit.pps) {
            head.extend_from_slice(&START_CODE);
            head.extend_from_slice(parameters);
        }
        let mut slices = Vec::with_capacity(unit.payload.len() + 16);
        for slice in h264::length_prefixed(&unit.payload) {
            slices.extend_from_slice(&START_CODE);
            slices.extend_from_slice(&slice?);
        }
        units.push(Unit { head, slices, key: unit.key });
    }
    Ok(units)
}

fn annex_b(unit: &Unit) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(unit.head.len() + unit.slices.len() + 64);
    bytes.extend_from_slice(&unit.head);
    bytes.extend_from_slice(&START_CODE);
    bytes.extend_from_slice(&stamp::sei(stamp::unix_micros()));
    bytes.extend_from_slice(&unit.slices);
    bytes
}

async fn publish(
    endpoint: &str,
    key: &str,
    stop: &AtomicBool,
    tell: &mpsc::SyncSender<anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let units = encode_loop().context("the test loop could not be encoded")?;
    let mut rtc = Box::new(peer::config().build(Instant::now()));
    let mut change = rtc.sdp_api();
    let video = change.add_media(MediaKind::Video, Direction::SendOnly, None, None, None);
    let audio = change.add_media(MediaKind::Audio, Direction::SendOnly, None, None, None);
    let (offer, pending) = change.apply().context("no offer")?;
    let client = signal::client()?;
    let session = signal::offer(&client, endpoint, Some(key), &offer.to_sdp_string()).await?;
    let mut peer = Peer::accept(rtc, pending, &session.answer).await?;
    connect(&mut peer).await?;
    let video = Line { mid: video, pt: payload_type(&mut peer.rtc, video, Codec::H264)? };
    let audio = Line { mid: audio, pt: payload_type(&mut peer.rtc, audio, Codec::Opus)? };
    let _ = tell.send(Ok(()));
    let sent = send(&mut peer, video, audio, &units, stop).await;
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

async fn send(
    peer: &mut Peer,
    video: Line,
    audio: Line,
    units: &[Unit],
    stop: &AtomicBool,
) -> anyhow::Result<()> {
    let start = Instant::now();
    let mut tone = Tone::new()?;
    let (mut frame, mut at) = (0u64, 0usize);
    while !stop.load(Ordering::Relaxed) && peer.rtc.is_alive() {
        let video_due = Span::from_micros((frame * 1_000_000 / u64::from(FPS)) as i64);
        let due = video_due.min(tone.due());
        let due_at = start + Duration::from_micros(due.as_micros() as u64);
        if Instant::now() < due_at {
            let mut wants_keyframe = false;
            let mut on_event = |event| wants_keyframe |= matches!(event, Event::KeyframeRequest(_));
            peer.step(due_at, &mut on_event).await?;
            if wants_keyframe {
                at = next_key(units, at);
            }
            continue;
        }
        let now = Instant::now();
        if due == video_due {
            let time = MediaTime::from_90khz(frame * 90_000 / u64::from(FPS));
            write(peer, video, now, time, annex_b(&units[at]))?;
            (frame, at) = (frame + 1, (at + 1) % units.len());
        } else {
            let (pts, packet) = tone.packet()?;
            // The tone's first PTS lies one encoder delay before zero, and RTP time here starts at a second.
            let samples = (Span::from_secs(1) + pts).as_micros() as u64 * 48 / 1_000;
            let time = MediaTime::new(samples, Frequency::FORTY_EIGHT_KHZ);
            write(peer, audio, now, time, packet.to_vec())?;
        }
        peer.drain(&mut |_| {})?;
    }
    Ok(())
}

fn write(peer: &mut Peer, line: Line, now: Instant, time: MediaTime, data: Vec<u8>) -> anyhow::Result<()> {
    let writer = peer.rtc.writer(line.mid).context("the track is gone")?;
    writer.write(line.pt, now, time, data)?;
    Ok(())
}

/// The next keyframe of the loop: an IDR picture may follow anything.
fn next_key(units: &[Unit], at: usize) -> usize {
    (at..at + units.len()).map(|n| n % units.len()).find(|&n| units[n].key).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyframe_request_jumps_to_the_next_keyframe() {
        let unit = |key| Unit { head: Vec::new(), slices: Vec::new(), key };
        let units = [unit(true), unit(false), unit(true), unit(false)];
        assert_eq!((next_key(&units, 0), next_key(&units, 1), next_key(&units, 3)), (0, 2, 0));
    }
}
