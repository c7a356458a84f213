//! One WHEP viewer: a whole WebRTC session (ICE, DTLS, SRTP, RTCP, NACK) that counts instead of decoding.

use super::{
    audience::Audience,
    capture::Capture,
    frames::{Frames, Part},
    peer::{self, Peer},
    signal, stamp,
};
use anyhow::Context;
use std::{
    rc::Rc,
    time::{Duration, Instant, UNIX_EPOCH},
};
use str0m::{
    Event,
    format::detect_h264_keyframe,
    media::{Direction, Frequency, MediaKind},
    rtp::{Extension, RtpPacket},
};
use tokio::sync::oneshot;

/// No whole keyframe by then is a failed join.
const JOIN_PATIENCE: Duration = Duration::from_secs(10);
/// How often a viewer looks whether it is over.
const LOOK: Duration = Duration::from_millis(200);

/// Number of the header extension in the offer; free in str0m's usual map.
const CAPTURE_TIME_ID: u8 = 5;

/// What one viewer holds between packets.
struct Watching {
    audience: Rc<Audience>,
    frames: Frames,
    captured: Capture,
    has_picture: bool,
}

impl Watching {
    fn on_event(&mut self, event: Event) {
        let Event::RtpPacket(packet) = event else { return };
        let now_us = stamp::unix_micros();
        // The wall clock now, less the time since: `timestamp` has no wall clock of its own.
        let arrived_us = now_us - packet.timestamp.elapsed().as_micros() as u64;
        if packet.payload.is_empty() || !is_video(&packet) {
            return;
        }
        let sent = stamp::find(&packet.payload);
        let key = detect_h264_keyframe(&packet.payload);
        // A send time or an IDR slice stands in the first packet of a frame.
        let starts = key || sent.is_some();
        let marker = packet.header.marker;
        self.frames.push(*packet.seq_no, Part { arrived_us, marker, starts, key, stamp: sent });
        let captured = self.captured.of(packet.header.timestamp, captured_us(&packet));
        if let (Some(origins), Some(sent)) = (&self.audience.origins, sent) {
            origins.learn(captured, sent);
        }
        let mut counts = self.audience.counts.borrow_mut();
        let is_measuring = self.audience.is_measuring.get();
        counts.packets += u64::from(is_measuring);
        while let Some(whole) = self.frames.poll(now_us) {
            self.has_picture |= whole.key;
            let Some(sent) = whole.stamp.filter(|_| is_measuring) else { continue };
            counts.latency.record(Duration::from_micros(whole.arrived_us.saturating_sub(sent)));
            counts.frames += 1;
        }
        let lost = self.frames.take_lost();
        counts.lost += if is_measuring { lost } else { 0 };
    }
}

/// The frame's time on the server's timeline, where the packet carries it.
fn captured_us(packet: &RtpPacket) -> Option<u64> {
    let captured = packet.header.ext_vals.abs_capture_time.as_ref()?.capture_time;
    captured.duration_since(UNIX_EPOCH).ok().map(|since| since.as_micros() as u64)
}

/// Audio and video share the transport; the clock tells them apart.
fn is_video(packet: &RtpPacket) -> bool {
    packet.time.frequency() == Frequency::NINETY_KHZ
}

/// Joins, says on `joined` how long the first whole keyframe took from the POST, and stays until it is over.
pub(super) async fn watch(
    audience: Rc<Audience>,
    endpoint: String,
    joined: oneshot::Sender<anyhow::Result<Duration>>,
) {
    match Box::pin(join(&audience, &endpoint)).await {
        Ok((peer, watching, session, took)) => {
            let _ = joined.send(Ok(took));
            let client = audience.client.clone();
            if let Err(error) = stay(peer, watching).await {
                tracing::warn!(error = format!("{error:#}"), "a viewer broke off");
                audience.counts.borrow_mut().broken += 1;
            }
            session.delete(&client).await;
        }
        Err(error) => {
            let _ = joined.send(Err(error));
        }
    }
}

async fn join(
    audience: &Rc<Audience>,
    endpoint: &str,
) -> anyhow::Result<(Peer, Watching, signal::Session, Duration)> {
    let config =
        peer::config().set_rtp_mode(true).set_extension(CAPTURE_TIME_ID, Extension::AbsoluteCaptureTime);
    let mut rtc = Box::new(config.build(Instant::now()));
    let mut change = rtc.sdp_api();
    change.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
    change.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
    change.add_channel("unisono".to_owned());
    let (offer, pending) = change.apply().context("no offer")?;
    let posted = Instant::now();
    let session = signal::offer(&audience.client, endpoint, None, &offer.to_sdp_string()).await?;
    let mut peer = Peer::accept(rtc, pending, &session.answer).await?;
    let frames = Frames::default();
    let mut watching =
        Watching { audience: audience.clone(), frames, captured: Capture::default(), has_picture: false };
    let give_up = posted + JOIN_PATIENCE;
    while !watching.has_picture {
        let stage = if peer.rtc.is_connected() { "no whole keyframe" } else { "no connection" };
        anyhow::ensure!(Instant::now() < give_up, "{stage} within {} s", JOIN_PATIENCE.as_secs());
        peer.step(give_up, &mut |event| watching.on_event(event)).await?;
    }
    Ok((peer, watching, session, posted.elapsed()))
}

async fn stay(mut peer: Peer, mut watching: Watching) -> anyhow::Result<()> {
    let audience = watching.audience.clone();
    while !audience.is_over.get() {
        anyhow::ensure!(peer.rtc.is_alive(), "the server ended the session");
        peer.step(Instant::now() + LOOK, &mut |event| watching.on_event(event)).await?;
        let bytes = peer.take_received_bytes();
        if audience.is_measuring.get() {
            audience.counts.borrow_mut().bytes += bytes;
        }
    }
    Ok(())
}
