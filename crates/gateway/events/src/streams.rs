//! `GET /api/v1/streams`: what is live, and what a viewer should know about it.

mod detail;
mod page;

use crate::{Context, access};
use axum::{
    Extension, Json,
    extract::{ConnectInfo, Path, Query, State, rejection::QueryRejection},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use page::Page;
use std::{net::SocketAddr, sync::Arc};
use unisono_api::{
    Finding, Presented, Problem, Severity, StreamState, StreamView, TrackKind, TrackView, Viewers,
};
use unisono_base::{MediaTime, Span, StreamId, StreamName};
use unisono_hub::{self as hub, Ring, State as Publishing, Stream, Viewer};
use unisono_media::Kind;

/// Target duration that only a stream with long GOPs gets.
const LONG_GOP: Span = Span::from_secs(4);

/// All streams, by name. Where watching needs a token, their names do, too: an admin key's or this machine's.
pub(crate) async fn list(
    State(context): State<Arc<Context>>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    query: Result<Query<Page>, QueryRejection>,
    presented: Presented,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let peer = peer.map(|Extension(ConnectInfo(peer))| peer);
    let admin = access::admin(&context, &presented, peer, &headers);
    let is_admin = admin.is_ok();
    if !context.access.is_open() {
        admin?;
    }
    let now = Some(MediaTime::from_micros(context.rooms.clock_micros()));
    let mut streams: Vec<_> = context.hub.streams().iter().filter_map(|stream| view(stream, now)).collect();
    if !is_admin {
        streams.iter_mut().for_each(without_strangers);
    }
    let Query(page) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let list = page.cut(streams)?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(list)).into_response())
}

/// One stream; 404 while nobody has published it.
pub(crate) async fn one(
    State(context): State<Arc<Context>>,
    Path((app, name)): Path<(String, String)>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    presented: Presented,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let name = StreamName::new(&app, &name).map_err(|error| Problem::bad_request(error.to_string()))?;
    let id = StreamId::local(name.clone());
    let peer = peer.map(|Extension(ConnectInfo(peer))| peer);
    let is_admin = access::admin(&context, &presented, peer, &headers).is_ok();
    if !is_admin {
        access::view(&context, &presented, &id)?;
    }
    let now = Some(MediaTime::from_micros(context.rooms.clock_micros()));
    let found = context.hub.stream(&id).and_then(|stream| Some((view(&stream, now)?, stream)));
    let Some((mut view, stream)) = found else {
        return Err(Problem::not_found(format!("nobody publishes {name} at the moment")).retry_after(1));
    };
    if is_admin {
        let detail = detail::of(&context, view, &stream);
        return Ok(([(header::CACHE_CONTROL, "no-store")], Json(detail)).into_response());
    }
    without_strangers(&mut view);
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(view)).into_response())
}

/// Viewers are not told who was refused at the door: any stranger can make that finding, with an id of their choice.
fn without_strangers(view: &mut StreamView) {
    view.diagnosis.retain(|found| found.code != hub::Code::KeyRefused.as_str());
}

/// `None` for a stream that has just ended.
fn view(stream: &Arc<Stream>, now: Option<MediaTime>) -> Option<StreamView> {
    let (state, protocol, epoch) = match stream.state() {
        Publishing::Live { epoch, source } => {
            (StreamState::Live, Some(source.protocol.to_owned()), Some(epoch.0))
        }
        Publishing::Lost => (StreamState::Lost, None, None),
        Publishing::Ended => return None,
    };
    let rings = [stream.source(Kind::Video), stream.source(Kind::Audio)];
    let tracks: Vec<_> = rings.iter().flatten().filter_map(|ring| track(ring)).collect();
    Some(StreamView {
        name: stream.id().to_string(),
        state,
        protocol,
        epoch,
        viewers: Viewers { webrtc: stream.viewers(Viewer::WebRtc), hls: stream.viewers(Viewer::Hls) },
        notes: notes(stream, state, &tracks),
        tracks,
        diagnosis: stream.diagnosis(now).into_iter().map(finding).collect(),
    })
}

fn finding(found: hub::Finding) -> Finding {
    Finding {
        code: found.code.as_str().to_owned(),
        severity: match found.severity {
            hub::Severity::Error => Severity::Error,
            hub::Severity::Warning => Severity::Warning,
            hub::Severity::Info => Severity::Info,
        },
        words: found.words,
        since: found.since.as_micros(),
    }
}

/// `None` before its first frame.
fn track(ring: &Ring) -> Option<TrackView> {
    let config = ring.config()?;
    let kind = match config.kind() {
        Kind::Video => TrackKind::Video,
        Kind::Audio => TrackKind::Audio,
        Kind::Data => return None,
    };
    let picture = config.picture();
    Some(TrackView {
        kind,
        codec: config.name().to_owned(),
        width: picture.map(|picture| picture.width),
        height: picture.map(|picture| picture.height),
        reordered: picture.map(|picture| picture.reorders || ring.is_reordered()),
    })
}

fn notes(stream: &Stream, state: StreamState, tracks: &[TrackView]) -> Vec<String> {
    let mut notes = Vec::new();
    let mut note = |applies: bool, words: &str| {
        if applies {
            notes.push(words.to_owned());
        }
    };
    let has = |kind| tracks.iter().any(|track| track.kind == kind);
    let cuts = stream.cuts();
    note(state == StreamState::Lost, "The publisher is gone; the stream goes on here when it comes back.");
    note(
        tracks.iter().any(|track| track.reordered == Some(true)),
        "Plays by LL-HLS only: the video has B-frames, which browsers cannot play by WebRTC. To have both, set \
         B-frames to 0 in the encoder (OBS: x264 options bframes=0, or tune zerolatency).",
    );
    note(
        has(TrackKind::Video) && cuts.target.is_some_and(|target| target > LONG_GOP),
        "Keyframes are more than 4 s apart: LL-HLS starts slowly and switches late. Set the keyframe interval to \
         2 s in the encoder.",
    );
    note(
        has(TrackKind::Video) && cuts.list.back().is_some_and(|cut| !cut.independent),
        "Keyframes are so rare that segments begin without one: some HLS players cannot start on them.",
    );
    note(
        state == StreamState::Live && !has(TrackKind::Video) && stream.source(Kind::Video).is_some(),
        "No keyframe has come yet.",
    );
    note(has(TrackKind::Audio) && stream.source(Kind::Video).is_none(), "Sound only.");
    note(
        tracks.iter().any(|track| track.codec == "Opus"),
        "The sound is Opus: iPhones may play it by LL-HLS silently. By WebRTC it is heard everywhere.",
    );
    for (codec, words) in CODEC_NOTES {
        note(tracks.iter().any(|track| track.codec == codec), words);
    }
    notes
}

/// What viewers' devices make of a codec that not all of them can decode.
const CODEC_NOTES: [(&str, &str); 3] = [
    (
        "H.265",
        "The video is H.265: Safari plays it, other browsers only where the device has a decoder for it. For everybody \
         else set the encoder to H.264.",
    ),
    ("AV1", "The video is AV1: iPhones and iPads from before 2023 cannot play it."),
    (
        "VP8",
        "The video is VP8, which browsers play by WebRTC only: LL-HLS carries it to players such as ffmpeg and VLC. For \
         LL-HLS in browsers set the source to H.264, VP9 or AV1.",
    ),
];

#[cfg(test)]
mod tests;
