//! Parts, segments and what is in them.

use crate::common::{FPS, Live, START, Server, attribute, id, media};
use bytes::Bytes;
use mp4_atom::{Any, Decode, EmsgTimestamp, Moof, Prft};
use unisono_base::{MediaTime, Span};
use unisono_hub::Stream;
use unisono_media::Frame;

fn boxes(bytes: &Bytes) -> Vec<Any> {
    let mut rest = &bytes[..];
    std::iter::from_fn(|| (!rest.is_empty()).then(|| Any::decode(&mut rest).expect("a box"))).collect()
}

fn parts_of(playlist: &str) -> Vec<String> {
    let parts = playlist.lines().filter(|l| l.starts_with("#EXT-X-PART:"));
    parts.map(|l| attribute(l, "URI").expect("a name").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_concatenate_into_their_segment() {
    let server = Server::start().await;
    let mut live = Live::publish(&server.hub, media(6));
    live.run_to(6_000);
    for kind in ["video", "audio"] {
        let playlist = server.text(&format!("hls/{kind}.m3u8")).await;
        let parts = parts_of(&playlist);
        let segments: Vec<_> =
            playlist.lines().filter(|l| l.ends_with(".m4s") && !l.starts_with('#')).collect();
        assert!(segments.len() >= 2, "{playlist}");
        for segment in segments {
            let whole = server.bytes(&format!("hls/{segment}")).await;
            let stem = segment.trim_end_matches("m4s");
            let mut joined = Vec::new();
            for part in parts.iter().filter(|p| p.starts_with(stem)) {
                joined.extend_from_slice(&server.bytes(&format!("hls/{part}")).await);
            }
            assert!(whole == joined, "{segment}");
        }
    }
}

/// T of the first frame of a part, by `prft` and by `tfdt`, in microseconds.
fn times(part: &Bytes, epoch: i64, rate: i64) -> (MediaTime, i64, Moof) {
    let (mut prft, mut moof) = (None, None);
    for one in boxes(part) {
        match one {
            Any::Prft(found) => prft = Some(found),
            Any::Moof(found) => moof = Some(found),
            _ => {}
        }
    }
    let (prft, moof): (Prft, Moof) = (prft.expect("prft"), moof.expect("moof"));
    let tfdt = moof.traf[0].tfdt.as_ref().expect("tfdt").base_media_decode_time;
    assert_eq!(prft.media_time, tfdt, "nothing is reordered here");
    (MediaTime::from_ntp(prft.ntp_timestamp), tfdt as i64 + (epoch - 86_400) * rate, moof)
}

#[tokio::test(flavor = "multi_thread")]
async fn t_is_exact_in_prft_and_tfdt_of_every_part() {
    let server = Server::start().await;
    let mut live = Live::publish(&server.hub, media(5));
    live.run_to(5_000);
    let epoch = i64::from(live.publication.epoch().0);
    let mut frames = 0;
    for part in parts_of(&server.text("hls/video.m3u8").await) {
        let (t, ticks, moof) = times(&server.bytes(&format!("hls/{part}")).await, epoch, 90_000);
        assert_eq!(t, live.video_t(frames), "prft is T to the microsecond");
        assert_eq!(ticks, t.to_ticks(90_000), "tfdt is T to the tick");
        let mut at = ticks;
        for sample in moof.traf[0].trun[0].samples.iter() {
            assert_eq!(at, live.video_t(frames).to_ticks(90_000), "and so is every frame between");
            at +=
                i64::from(sample.duration.or(moof.traf[0].tfhd.default_sample_duration).expect("a duration"));
            frames += 1;
        }
    }
    assert!(frames as i64 >= 4 * FPS);
    let mut frames = 0;
    for part in parts_of(&server.text("hls/audio.m3u8").await) {
        let (t, ticks, moof) = times(&server.bytes(&format!("hls/{part}")).await, epoch, 48_000);
        assert_eq!(t, live.audio_t(frames));
        assert!((ticks - t.to_ticks(48_000)).abs() <= 1, "samples are counted inside a segment");
        frames += moof.traf[0].trun[0].samples.len();
    }
}

fn event(stream: &Stream, seq: u64, at: MediaTime) -> Vec<u8> {
    let json = format!(
        r#"{{"room":"live:alice","epoch":1,"seq":{seq},"id":"018f0000-0000-7000-8000-{seq:012}","lane":"poll","type":"x","at":{},"late":"show","data":{{"seq":7}}}}"#,
        at.as_micros()
    );
    stream.append_event(Frame::new(at, at, Bytes::from(json.clone())));
    json.into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_in_the_part_of_the_first_frame_at_or_after_it() {
    let server = Server::start().await;
    let mut live = Live::publish(&server.hub, media(6));
    live.run_to(2_300);
    server.text("index.m3u8").await;
    let stream = server.hub.stream(&id()).expect("live");
    // Between two frames; after the last frame of a part; long past when it is posted.
    let ats = [2_710, 2_990, 100].map(|ms| START + Span::from_millis(ms));
    let jsons: Vec<_> = ats.iter().zip(1..).map(|(at, seq)| event(&stream, seq, *at)).collect();
    live.run_to(4_500);
    let origin = (i64::from(live.publication.epoch().0) - 86_400) * 90_000;
    let mut found = Vec::new();
    // Held until the second segment is whole: the packager has read all of the above.
    let second = live.publication.epoch().0 + 1;
    for part in parts_of(&server.text(&format!("hls/video.m3u8?_HLS_msn={second}")).await) {
        let bytes = server.bytes(&format!("hls/{part}")).await;
        let (first, ..) = times(&bytes, live.publication.epoch().0.into(), 90_000);
        for one in boxes(&bytes) {
            let Any::Emsg(emsg) = one else { continue };
            assert_eq!(
                (emsg.scheme_id_uri.as_str(), emsg.value.as_str()),
                ("https://aomedia.org/emsg/ID3", "")
            );
            let EmsgTimestamp::Absolute(at) = emsg.presentation_time else { panic!("version 1") };
            found.push((
                emsg.id,
                (first - START).as_micros() / 100_000,
                at as i64 + origin,
                emsg.message_data,
            ));
        }
    }
    let summary: Vec<_> = found.iter().map(|(id, part, ..)| (*id, *part)).collect();
    assert_eq!(summary, [(3, 20), (1, 25), (2, 30)], "the late one first, in the part that was open");
    for (id, _, at, data) in found {
        let i = id as usize - 1;
        assert_eq!(at, ats[i].to_ticks(90_000), "`at` is kept to the tick");
        assert!(data.starts_with(b"ID3\x04") && data.ends_with(&jsons[i]));
    }
}
