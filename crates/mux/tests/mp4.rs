//! Kept segments become one file: what its tables point at are the samples.

use bytes::Bytes;
use mp4_atom::{Atom, Decode, Moov};
use proptest::prelude::*;
use unisono_media::{CodecConfig, OpusConfig};
use unisono_mux::{
    fmp4::{self, Chunking, Fragment, Reference},
    mp4::{self, Edit, Segment, Track},
};

fn opus() -> CodecConfig {
    CodecConfig::Opus(OpusConfig { channels: 2, pre_skip: 0 })
}

/// A kept segment of these samples: duration and bytes.
fn segment(decode_time: u64, samples: &[(u32, Vec<u8>)], chunking: Chunking) -> Bytes {
    let samples: Vec<_> = samples
        .iter()
        .map(|(duration, payload)| fmp4::Sample {
            duration: *duration,
            composition_offset: 0,
            is_sync: true,
            payload: payload.clone().into(),
        })
        .collect();
    let reference = Reference { ntp: 0, media_time: decode_time };
    let fragment =
        Fragment { sequence: 1, decode_time, reference, messages: &[], samples: &samples, chunking };
    fragment.encode().expect("written")
}

fn samples() -> impl Strategy<Value = Vec<(u32, Vec<u8>)>> {
    let sample = (1u32..5_000, proptest::collection::vec(any::<u8>(), 1..40));
    proptest::collection::vec(sample, 1..12)
}

proptest! {
    #[test]
    fn every_sample_is_where_the_tables_say(
        segments in proptest::collection::vec(samples(), 1..5),
        gap in 0u64..100_000,
        whole in any::<bool>(),
    ) {
        let header = fmp4::header(&opus()).expect("written");
        let mut track = Track::new(&header).expect("a track");
        let (mut media, mut decode_time) = (Vec::new(), 1_000u64);
        let chunking = if whole { Chunking::Whole } else { Chunking::PerSample };
        for samples in &segments {
            let file = segment(decode_time, samples, chunking);
            let read = Segment::read(&file, 5_000_000).expect("read");
            prop_assert_eq!(read.samples.len(), samples.len());
            prop_assert_eq!(read.samples[0].decode, 5_000_000 + decode_time as i64);
            track.push(media.len() as u64, &read.samples).expect("taken");
            for place in read.places {
                media.extend_from_slice(&file[place]);
            }
            decode_time += samples.iter().map(|(duration, _)| u64::from(*duration)).sum::<u64>() + gap;
        }
        let first = 5_000_000 + 1_000;
        let edit = Edit { from: first + 10, to: first + 100 };
        let head = mp4::head(&[(&track, edit)], media.len() as u64).expect("written");
        let mut file = head.to_vec();
        file.extend_from_slice(&media);

        let at = file.windows(4).position(|window| window == b"moov").expect("a moov") - 4;
        let mut rest = &file[at..];
        let moov = Moov::decode(&mut rest).expect("read");
        let stbl = &moov.trak[0].mdia.minf.stbl;
        let mp4_atom::StszSamples::Different { sizes } = &stbl.stsz.samples else { panic!("sizes") };
        let expected: Vec<&(u32, Vec<u8>)> = segments.iter().flatten().collect();
        prop_assert_eq!(sizes.len(), expected.len());
        let counts = segments.iter().map(Vec::len);
        let offsets = &stbl.co64.as_ref().expect("places").entries;
        let mut all = expected.iter();
        for (offset, count) in offsets.iter().zip(counts) {
            let mut place = *offset as usize;
            for (_, payload) in all.by_ref().take(count) {
                prop_assert_eq!(&file[place..place + payload.len()], &payload[..]);
                place += payload.len();
            }
        }
        let lasts: u64 = stbl.stts.entries.iter().map(|run| u64::from(run.sample_count) * u64::from(run.sample_delta)).sum();
        prop_assert_eq!(lasts, moov.trak[0].mdia.mdhd.duration);
        prop_assert_eq!(lasts, decode_time - 1_000 - gap, "what is missing makes the one before last longer");
        let edits = &moov.trak[0].edts.as_ref().expect("edits").elst.as_ref().expect("a list").entries;
        prop_assert_eq!((edits.len(), edits[0].media_time), (1, Some(10)));
        let _ = Moov::KIND;
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Segment::read(&bytes, 0);
        let _ = Track::new(&bytes).map(drop);
    }

    #[test]
    fn a_damaged_segment_never_points_beyond_itself(at in 0usize..300, byte in any::<u8>()) {
        let mut file = segment(7, &[(20, vec![1; 30]), (20, vec![2; 30])], Chunking::Whole).to_vec();
        let at = at % file.len();
        file[at] = byte;
        if let Ok(read) = Segment::read(&file, 0) {
            prop_assert!(read.places.iter().all(|place| place.end <= file.len()));
        }
    }
}

#[test]
fn another_codec_does_not_go_into_the_same_track() {
    let mut track = Track::new(&fmp4::header(&opus()).expect("written")).expect("a track");
    track.describe(&fmp4::header(&opus()).expect("written")).expect("the same");
    let aac = unisono_media::AacConfig::parse(Bytes::from_static(&[0x11, 0x90])).expect("valid");
    let refused = track.describe(&fmp4::header(&CodecConfig::Aac(aac)).expect("written"));
    let words = refused.expect_err("refused").to_string();
    assert!(words.contains("Opus") && words.contains("Mp4a"), "{words}");
}
