//! What only an operator sees of a stream.

use crate::Context;
use std::time::Instant;
use unisono_api::{HealthView, PublisherView, RenditionView, StreamDetail, StreamView};
use unisono_base::{Shown, Span};
use unisono_hub::{Ring, State, Stream};
use unisono_media::Kind;

/// Figures are of this much media.
const WINDOW: Span = Span::from_secs(5);

pub(super) fn of(context: &Context, view: StreamView, stream: &Stream) -> StreamDetail {
    let now = context.rooms.clock_micros();
    StreamDetail {
        stream: view,
        publisher: publisher(context, stream, now),
        health: health(stream, now),
        renditions: [Kind::Video, Kind::Audio]
            .into_iter()
            .flat_map(|kind| renditions(stream, kind))
            .collect(),
    }
}

fn publisher(context: &Context, stream: &Stream, now: i64) -> Option<PublisherView> {
    let State::Live { source, .. } = stream.state() else { return None };
    let session = context.hub.sessions().publisher(stream.id());
    let entrance = session.as_ref().map(|session| session.entrance());
    let age = |since: Instant| since.elapsed().as_micros() as i64;
    Some(PublisherView {
        protocol: source.protocol.to_owned(),
        key: stream.key().to_string(),
        session: session.as_ref().map(|session| session.key().to_string()),
        address: entrance.and_then(|e| e.address).map(|address| Shown::from(address).to_string()),
        since: entrance.map(|entrance| now - age(entrance.since)),
    })
}

fn health(stream: &Stream, now: i64) -> HealthView {
    let of = |kind| stream.source(kind).map(|ring| ring.health(WINDOW));
    let (video, audio) = (of(Kind::Video), of(Kind::Audio));
    let arrived = |health: Option<unisono_hub::TrackHealth>| health.and_then(|health| health.last_arrived);
    let last = arrived(video).max(arrived(audio));
    let interval = video.and_then(|video| video.group_interval);
    HealthView {
        bitrate_kbps: stream.bitrate_bps().map(|bps| bps / 1_000),
        last_frame_age_ms: last.map(|last| (now - last.as_micros()).max(0) / 1_000),
        keyframe_interval_ms: interval.map(|interval| interval.as_micros() / 1_000),
        frames: stream.ingested().0,
        frames_dropped: stream.dropped(),
    }
}

fn renditions(stream: &Stream, kind: Kind) -> Vec<RenditionView> {
    let view = |(index, ring): (usize, std::sync::Arc<Ring>)| {
        let (config, health) = (ring.config()?, ring.health(WINDOW));
        Some(RenditionView {
            kind: kind.as_str().to_owned(),
            rendition: if index == 0 { "source" } else { "made" }.to_owned(),
            codec: config.name().to_owned(),
            fps: health.fps.map(|fps| (fps * 100.0).round() / 100.0),
            bitrate_kbps: health.bitrate_bps.map(|bps| bps / 1_000),
        })
    };
    stream.renditions(kind).into_iter().enumerate().filter_map(view).collect()
}
