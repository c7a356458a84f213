//! The samples of a kept segment, found without copying any.

use super::Error;
use mp4_atom::{Decode, Moof, Traf};
use std::ops::Range;

/// Sample flag (14496-12 §8.8.3.1): decoding cannot start here.
const IS_NON_SYNC: u32 = 0x0001_0000;

/// One sample's place in time, in ticks of its track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When it is decoded.
    pub decode: i64,
    /// Until the next one, as its segment says.
    pub duration: u32,
    /// Presentation minus decode time.
    pub offset: i32,
    /// Decoding can start here.
    pub is_sync: bool,
    /// Bytes.
    pub size: u32,
}

impl Sample {
    /// When it is shown.
    pub fn shown(&self) -> i64 {
        self.decode + i64::from(self.offset)
    }
}

/// A segment as it was kept: `(emsg* prft (moof mdat)+)+`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// In decode order.
    pub samples: Vec<Sample>,
    /// Where the bytes of each sample are in the file.
    pub places: Vec<Range<usize>>,
}

impl Segment {
    /// Finds the samples. `origin`: what the segment's own time 0 is on the caller's clock, in ticks.
    pub fn read(file: &[u8], origin: i64) -> Result<Self, Error> {
        let mut segment = Self::default();
        let mut at = 0;
        while at < file.len() {
            let (kind, size) = box_at(file, at)?;
            if &kind == b"moof" {
                let mut rest = &file[at..at + size];
                let moof = Moof::decode(&mut rest)?;
                for traf in &moof.traf {
                    segment.take(traf, at, file.len(), origin)?;
                }
            }
            at += size;
        }
        Ok(segment)
    }

    fn take(&mut self, traf: &Traf, moof: usize, end: usize, origin: i64) -> Result<(), Error> {
        let start = traf.tfdt.as_ref().ok_or(Error::Damaged("a fragment without its time"))?;
        let start = i64::try_from(start.base_media_decode_time);
        let mut decode = origin + start.map_err(|_| Error::Damaged("a time out of range"))?;
        for run in &traf.trun {
            let offset = run.data_offset.and_then(|offset| usize::try_from(offset).ok());
            let mut place = moof + offset.ok_or(Error::Damaged("a run without its place"))?;
            for sample in run.samples.iter() {
                let size = sample.size.or(traf.tfhd.default_sample_size);
                let size = size.ok_or(Error::Damaged("a sample without its size"))?;
                let duration = sample.duration.or(traf.tfhd.default_sample_duration).unwrap_or(0);
                let flags = sample.flags.or(traf.tfhd.default_sample_flags).unwrap_or(0);
                let offset = sample.cts.unwrap_or(0).clamp(i32::MIN.into(), i32::MAX.into()) as i32;
                let is_sync = flags & IS_NON_SYNC == 0;
                let behind = place.checked_add(size as usize).filter(|behind| *behind <= end);
                let behind = behind.ok_or(Error::Damaged("a sample reaches beyond the file"))?;
                self.samples.push(Sample { decode, duration, offset, is_sync, size });
                self.places.push(place..behind);
                place = behind;
                decode += i64::from(duration);
            }
        }
        Ok(())
    }
}

/// The kind and size of the box that begins at `at`.
fn box_at(file: &[u8], at: usize) -> Result<([u8; 4], usize), Error> {
    let head: [u8; 8] =
        file.get(at..at + 8).and_then(|head| head.try_into().ok()).ok_or(Error::Damaged("a torn box"))?;
    let [a, b, c, d, kind @ ..] = head;
    let size = u32::from_be_bytes([a, b, c, d]) as usize;
    let fits = size >= 8 && at.checked_add(size).is_some_and(|end| end <= file.len());
    if fits { Ok((kind, size)) } else { Err(Error::Damaged("a box of an impossible size")) }
}
