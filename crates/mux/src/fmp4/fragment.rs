//! `emsg* prft (moof mdat)+`: one part of a segment.

use super::{Error, Message, TRACK_ID};
use bytes::Bytes;
use mp4_atom::{Encode, Mfhd, Moof, Tfdt, Tfhd, Traf, Trun, TrunEntry};
use unisono_media::CodecConfig;

/// Sample flags (14496-12 §8.8.3.1): depends on no other sample.
const SYNC: u32 = 0x0200_0000;
/// Depends on others, and decoding cannot start here.
const NON_SYNC: u32 = 0x0101_0000;
/// `prft` flags 24: the NTP time is when the picture was taken, as well as we know (14496-12 §8.16.5).
const PRFT_CAPTURED: u32 = 24;

/// One access unit in stored form with its times in ticks.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Until the next sample's decode time.
    pub duration: u32,
    /// Presentation minus decode time.
    pub composition_offset: i32,
    /// Decoding can start here.
    pub is_sync: bool,
    /// The access unit.
    pub payload: Bytes,
}

/// Ties the media timeline to absolute time: the contents of a `prft`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// 64-bit NTP time of T.
    pub ntp: u64,
    /// The same point in ticks on the track's media timeline.
    pub media_time: u64,
}

/// How the samples of a part are laid into CMAF chunks, each a `moof` and its `mdat` (23000-19 §7.3.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunking {
    /// All in one: the smallest.
    Whole,
    /// One each, for about 110 bytes a sample.
    ///
    /// GStreamer's `qtdemux` guesses a frame rate for every `moof`, from the durations in it. Pictures of a browser
    /// are not evenly spaced, so the rate is another one each time, and up to GStreamer 1.22 `decodebin3` answers new
    /// caps by throwing pictures away until the next keyframe. H.264 and H.265 pass a parser that steadies the rate;
    /// VP8, VP9 and AV1 have none. Of a `moof` with a single sample it guesses no rate at all.
    PerSample,
}

impl Chunking {
    /// What suits a track of this configuration.
    pub fn of(config: &CodecConfig) -> Self {
        match config {
            CodecConfig::Vp8(_) | CodecConfig::Vp9(_) | CodecConfig::Av1(_) => Self::PerSample,
            CodecConfig::H264(_)
            | CodecConfig::H265(_)
            | CodecConfig::Aac(_)
            | CodecConfig::Opus(_)
            | CodecConfig::Events => Self::Whole,
        }
    }
}

/// One part: its samples with what belongs to them.
#[derive(Clone, Copy, Debug)]
pub struct Fragment<'a> {
    /// `mfhd` sequence number of the first chunk; the others count on from it.
    pub sequence: u32,
    /// Decode time of the first sample, in ticks.
    pub decode_time: u64,
    /// Absolute time of the first sample.
    pub reference: Reference,
    /// Event messages, in order.
    pub messages: &'a [Message],
    /// In decode order.
    pub samples: &'a [Sample],
    /// How they are laid out.
    pub chunking: Chunking,
}

/// A `moof` and what its `mdat` holds.
struct Chunk<'a> {
    sequence: u32,
    decode_time: u64,
    samples: &'a [Sample],
}

impl Fragment<'_> {
    /// The boxes as bytes; each payload is copied once, into them.
    pub fn encode(&self) -> Result<Bytes, Error> {
        let media_bytes: usize = self.samples.iter().map(|s| s.payload.len()).sum();
        let messages_bytes: usize = self.messages.iter().map(|m| m.data.len() + 80).sum();
        let boxes_bytes = match self.chunking {
            Chunking::Whole => 16 * self.samples.len() + 200,
            Chunking::PerSample => 128 * self.samples.len() + 32,
        };
        let mut out = Vec::with_capacity(messages_bytes + media_bytes + boxes_bytes);
        for message in self.messages {
            message.encode(&mut out)?;
        }
        self.encode_reference(&mut out);
        for chunk in self.chunks() {
            chunk.encode(&mut out)?;
        }
        Ok(out.into())
    }

    fn chunks(&self) -> impl Iterator<Item = Chunk<'_>> {
        let size = match self.chunking {
            Chunking::Whole => self.samples.len().max(1),
            Chunking::PerSample => 1,
        };
        let mut decode_time = self.decode_time;
        self.samples.chunks(size).zip(0..).map(move |(samples, i)| {
            let chunk = Chunk { sequence: self.sequence.wrapping_add(i), decode_time, samples };
            decode_time += samples.iter().map(|s| u64::from(s.duration)).sum::<u64>();
            chunk
        })
    }

    /// Always version 1 (64-bit media time), so that a reader meets one form only.
    fn encode_reference(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&32u32.to_be_bytes());
        out.extend_from_slice(b"prft");
        out.extend_from_slice(&(1 << 24 | PRFT_CAPTURED).to_be_bytes());
        out.extend_from_slice(&TRACK_ID.to_be_bytes());
        out.extend_from_slice(&self.reference.ntp.to_be_bytes());
        out.extend_from_slice(&self.reference.media_time.to_be_bytes());
    }
}

impl Chunk<'_> {
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        let media_bytes: usize = self.samples.iter().map(|s| s.payload.len()).sum();
        let mdat_size = u32::try_from(media_bytes + 8).map_err(|_| Error::TooLarge("mdat"))?;
        let moof_start = out.len();
        self.moof(0).encode(out)?;
        // The offset field has a fixed size, so the second writing has the length of the first.
        let data_offset = out.len() - moof_start + 8;
        out.truncate(moof_start);
        self.moof(data_offset as i32).encode(out)?;
        out.extend_from_slice(&mdat_size.to_be_bytes());
        out.extend_from_slice(b"mdat");
        for sample in self.samples {
            out.extend_from_slice(&sample.payload);
        }
        Ok(())
    }

    fn moof(&self, data_offset: i32) -> Moof {
        let tfhd = Tfhd {
            track_id: TRACK_ID,
            default_base_is_moof: true,
            default_sample_flags: Some(self.default_flags()),
            default_sample_duration: self.uniform_duration(),
            ..Tfhd::default()
        };
        let traf = Traf {
            tfhd,
            tfdt: Some(Tfdt { base_media_decode_time: self.decode_time }),
            trun: vec![Trun { data_offset: Some(data_offset), samples: self.entries().into() }],
            ..Traf::default()
        };
        Moof { mfhd: Mfhd { sequence_number: self.sequence }, traf: vec![traf] }
    }

    fn default_flags(&self) -> u32 {
        if self.samples.iter().all(|s| s.is_sync) { SYNC } else { NON_SYNC }
    }

    fn uniform_duration(&self) -> Option<u32> {
        let first = self.samples.first()?.duration;
        self.samples.iter().all(|s| s.duration == first).then_some(first)
    }

    fn entries(&self) -> Vec<TrunEntry> {
        let default_flags = self.default_flags();
        let flags = |s: &Sample| if s.is_sync { SYNC } else { NON_SYNC };
        let is_uniform = self.uniform_duration().is_some();
        let only_first_differs = self.samples.iter().skip(1).all(|s| flags(s) == default_flags);
        let is_reordered = self.samples.iter().any(|s| s.composition_offset != 0);
        let entry = |(i, s): (usize, &Sample)| TrunEntry {
            duration: (!is_uniform).then_some(s.duration),
            size: Some(s.payload.len() as u32),
            flags: if only_first_differs {
                (i == 0 && flags(s) != default_flags).then_some(flags(s))
            } else {
                Some(flags(s))
            },
            cts: is_reordered.then_some(s.composition_offset.into()),
        };
        self.samples.iter().enumerate().map(entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fmp4::{ID3_SCHEME, id3_private};
    use mp4_atom::{Any, Decode, EmsgTimestamp, ReferenceTime};

    fn sample(duration: u32, offset: i32, is_sync: bool, byte: u8) -> Sample {
        Sample { duration, composition_offset: offset, is_sync, payload: Bytes::from(vec![byte; 3]) }
    }

    fn boxes(bytes: &Bytes) -> Vec<Any> {
        let mut rest = &bytes[..];
        std::iter::from_fn(|| (!rest.is_empty()).then(|| Any::decode(&mut rest).expect("a box"))).collect()
    }

    #[test]
    fn the_order_is_messages_reference_moof_mdat() {
        let message =
            Message { timescale: 90_000, at: 42, duration: 0, id: 7, data: id3_private("unisono", b"{}") };
        let reference = Reference { ntp: 11, media_time: 5 };
        let samples = [sample(3_000, 0, true, 1), sample(3_000, 0, false, 2)];
        let fragment = Fragment {
            sequence: 9,
            decode_time: 5,
            reference,
            messages: &[message],
            samples: &samples,
            chunking: Chunking::Whole,
        };
        let bytes = fragment.encode().expect("written");
        let [Any::Emsg(emsg), Any::Prft(prft), Any::Moof(moof), Any::Mdat(mdat)] = &boxes(&bytes)[..] else {
            panic!("emsg prft moof mdat")
        };
        assert_eq!(emsg.presentation_time, EmsgTimestamp::Absolute(42));
        assert_eq!((emsg.scheme_id_uri.as_str(), emsg.id), (ID3_SCHEME, 7));
        assert_eq!((prft.ntp_timestamp, prft.media_time), (11, 5));
        assert_eq!(prft.utc_time_semantics, ReferenceTime::RealTime);
        assert_eq!(mdat.data, [1, 1, 1, 2, 2, 2]);
        let run = &moof.traf[0].trun[0];
        let offset = run.data_offset.expect("set") as usize;
        let moof_at = bytes.windows(4).position(|w| w == b"moof").expect("there") - 4;
        assert_eq!(&bytes[moof_at + offset..], [1, 1, 1, 2, 2, 2], "data_offset counts from moof");
        assert_eq!(run.samples.get(0).and_then(|s| s.flags), Some(SYNC));
        assert_eq!(moof.traf[0].tfhd.default_sample_duration, Some(3_000));
    }

    #[test]
    fn reordered_samples_carry_offsets_and_keyframes_inside_their_flags() {
        let samples = [sample(1, 2, false, 1), sample(2, 0, true, 2), sample(1, 4, false, 3)];
        let reference = Reference { ntp: 0, media_time: 2 };
        let fragment = Fragment {
            sequence: 0,
            decode_time: 0,
            reference,
            messages: &[],
            samples: &samples,
            chunking: Chunking::Whole,
        };
        let boxes = boxes(&fragment.encode().expect("written"));
        let Some(Any::Moof(moof)) = boxes.get(1) else { panic!("moof") };
        let entries: Vec<_> = moof.traf[0].trun[0].samples.iter().collect();
        assert_eq!(entries.iter().map(|e| e.cts).collect::<Vec<_>>(), [Some(2), Some(0), Some(4)]);
        assert_eq!(entries[1].flags, Some(SYNC));
        assert_eq!(entries[2].flags, Some(NON_SYNC));
    }

    #[test]
    fn a_chunk_per_sample_goes_on_where_the_one_before_ended() {
        let samples = [sample(3_000, 0, true, 1), sample(2_900, 0, false, 2), sample(3_100, 0, false, 3)];
        let reference = Reference { ntp: 0, media_time: 70 };
        let chunking = Chunking::PerSample;
        let fragment =
            Fragment { sequence: 64, decode_time: 70, reference, messages: &[], samples: &samples, chunking };
        let boxes = boxes(&fragment.encode().expect("written"));
        assert!(matches!(boxes[0], Any::Prft(_)), "one reference, in front");
        let chunks: Vec<_> = boxes[1..].chunks(2).collect();
        let mut decode_time = 70;
        for ((chunk, sample), i) in chunks.iter().zip(&samples).zip(0..) {
            let [Any::Moof(moof), Any::Mdat(mdat)] = chunk else { panic!("moof mdat") };
            assert_eq!(moof.mfhd.sequence_number, 64 + i);
            let traf = &moof.traf[0];
            assert_eq!(traf.tfdt.as_ref().map(|tfdt| tfdt.base_media_decode_time), Some(decode_time));
            assert_eq!(traf.tfhd.default_sample_duration, Some(sample.duration));
            assert_eq!(traf.tfhd.default_sample_flags, Some(if sample.is_sync { SYNC } else { NON_SYNC }));
            assert_eq!((traf.trun[0].samples.len(), &mdat.data[..]), (1, &sample.payload[..]));
            decode_time += u64::from(sample.duration);
        }
        assert_eq!(chunks.len(), samples.len());
    }
}
