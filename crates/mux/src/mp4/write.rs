//! Sample tables, and the boxes in front of the media.

use super::{Error, Sample};
use bytes::Bytes;
use mp4_atom::{
    Co64, Codec, Ctts, CttsEntry, Decode, DecodeMaybe, Edts, Elst, ElstEntry, Encode, FixedPoint, FourCC,
    Ftyp, Moov, Mvhd, Stbl, Stsc, StscEntry, Stss, Stsz, StszSamples, Stts, SttsEntry, Trak,
};

/// Ticks per second of the file as a whole.
const MOVIE_TIMESCALE: u32 = 90_000;
/// Samples of one track: a day of sound. Its tables take some 40 MB then.
const SAMPLES_MAX: usize = 5_000_000;
/// Length of the `mdat` box's own head, with a 64-bit size.
const MDAT_HEAD: u64 = 16;

/// One track's sample tables, filled in the order of its samples.
pub struct Track {
    /// As its header has it; the tables are filled at the end.
    trak: Trak,
    codecs: Vec<Codec>,
    /// Which of them the next samples are of, from 1.
    description: u32,
    first: Option<i64>,
    /// The last sample's decode time in the file, and how long it lasts by itself.
    last: Option<(i64, u32)>,
    durations: Vec<SttsEntry>,
    offsets: Vec<CttsEntry>,
    sizes: Vec<u32>,
    sync: Vec<u32>,
    chunks: Vec<Chunk>,
}

/// Samples that follow each other in the file.
struct Chunk {
    /// Bytes of media before it.
    at: u64,
    samples: u32,
    description: u32,
}

/// What of a track is shown, in ticks of the track on the clock that its samples' times were given in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edit {
    /// From here on.
    pub from: i64,
    /// Up to here.
    pub to: i64,
}

impl Track {
    /// A track of what a kept `init-{n}.mp4` describes.
    pub fn new(header: &[u8]) -> Result<Self, Error> {
        let (trak, codec) = described(header)?;
        Ok(Self {
            trak,
            codecs: vec![codec],
            description: 1,
            first: None,
            last: None,
            durations: Vec::new(),
            offsets: Vec::new(),
            sizes: Vec::new(),
            sync: Vec::new(),
            chunks: Vec::new(),
        })
    }

    /// The samples from here on are of this header. Fails where they cannot be in the same track.
    pub fn describe(&mut self, header: &[u8]) -> Result<(), Error> {
        let (trak, codec) = described(header)?;
        let before = &self.codecs[0];
        if name(before) != name(&codec) || trak.mdia.mdhd.timescale != self.timescale() {
            return Err(Error::Mixed { before: name(before), after: name(&codec) });
        }
        let known = self.codecs.iter().position(|known| *known == codec);
        let index = known.unwrap_or_else(|| {
            self.codecs.push(codec);
            self.codecs.len() - 1
        });
        self.description = index as u32 + 1;
        Ok(())
    }

    /// Ticks per second; never zero.
    pub fn timescale(&self) -> u32 {
        self.trak.mdia.mdhd.timescale.max(1)
    }

    /// Samples that stand `at` bytes behind the beginning of the media, one after the other. Their decode times are those of
    /// one clock throughout: what is missing between two of them makes the one before last longer.
    pub fn push<'a>(&mut self, at: u64, samples: impl IntoIterator<Item = &'a Sample>) -> Result<(), Error> {
        let before = self.sizes.len();
        for sample in samples {
            self.sample(sample)?;
        }
        let samples = (self.sizes.len() - before) as u32;
        if samples > 0 {
            self.chunks.push(Chunk { at, samples, description: self.description });
        }
        Ok(())
    }

    /// How many samples it has.
    pub fn len(&self) -> usize {
        self.sizes.len()
    }

    /// Nothing was pushed.
    pub fn is_empty(&self) -> bool {
        self.sizes.is_empty()
    }

    fn sample(&mut self, sample: &Sample) -> Result<(), Error> {
        if self.sizes.len() >= SAMPLES_MAX {
            return Err(Error::TooLong { max: SAMPLES_MAX });
        }
        // Decode times rise in a file, whatever a publisher's return made of them.
        let decode = self.last.map_or(sample.decode, |(last, _)| sample.decode.max(last + 1));
        if let Some((last, _)) = self.last {
            self.lasts(decode - last);
        }
        self.first.get_or_insert(decode);
        self.last = Some((decode, sample.duration));
        let offset = sample.shown() - decode;
        match self.offsets.last_mut() {
            Some(run) if run.sample_offset == offset => run.sample_count += 1,
            _ => self.offsets.push(CttsEntry { sample_count: 1, sample_offset: offset }),
        }
        self.sizes.push(sample.size);
        if sample.is_sync {
            self.sync.push(self.sizes.len() as u32);
        }
        Ok(())
    }

    fn lasts(&mut self, ticks: i64) {
        let sample_delta = ticks.clamp(1, u32::MAX.into()) as u32;
        match self.durations.last_mut() {
            Some(run) if run.sample_delta == sample_delta => run.sample_count += 1,
            _ => self.durations.push(SttsEntry { sample_count: 1, sample_delta }),
        }
    }

    /// The track as a box; `before`: bytes in front of the media.
    fn written(&self, id: u32, edit: Edit, before: u64, starts: i64) -> Trak {
        let rate = self.timescale();
        let first = self.first.unwrap_or(edit.from);
        let (last, lasts) = self.last.unwrap_or((first, 0));
        let mut durations = self.durations.clone();
        durations.push(SttsEntry { sample_count: 1, sample_delta: lasts.max(1) });
        let mut trak = self.trak.clone();
        trak.tkhd.track_id = id;
        trak.tkhd.duration = movie_ticks(edit.to - edit.from, rate);
        trak.edts = Some(Edts { elst: Some(self.edits(edit, first, starts)) });
        trak.mdia.mdhd.duration = (last + i64::from(lasts) - first).max(0) as u64;
        let is_plain = self.offsets.iter().all(|run| run.sample_offset == 0);
        let is_all_sync = self.sync.len() == self.sizes.len();
        let entries = self.chunks.iter().map(|chunk| before + chunk.at).collect();
        trak.mdia.minf.stbl = Stbl {
            stsd: mp4_atom::Stsd { codecs: self.codecs.clone() },
            stts: Stts { entries: durations },
            ctts: (!is_plain).then(|| Ctts { entries: self.offsets.clone() }),
            stss: (!is_all_sync).then(|| Stss { entries: self.sync.clone() }),
            stsc: Stsc { entries: self.chunk_runs() },
            stsz: Stsz { samples: StszSamples::Different { sizes: self.sizes.clone() } },
            co64: Some(Co64 { entries }),
            ..Stbl::default()
        };
        trak
    }

    /// Shown from `edit.from` on, which is not the first sample's time where decoding had to begin earlier. A track that
    /// begins later than the file waits that long.
    fn edits(&self, edit: Edit, first: i64, starts: i64) -> Elst {
        let rate = self.timescale();
        let one = FixedPoint::from(1);
        let mut entries = Vec::with_capacity(2);
        let begins = edit.from.max(first);
        if begins > starts {
            let segment_duration = movie_ticks(begins - starts, rate);
            entries.push(ElstEntry { segment_duration, media_time: None, media_rate: one });
        }
        let segment_duration = movie_ticks(edit.to - begins, rate);
        let media_time = Some((begins - first).max(0) as u64);
        entries.push(ElstEntry { segment_duration, media_time, media_rate: FixedPoint::from(1) });
        Elst { entries }
    }

    fn chunk_runs(&self) -> Vec<StscEntry> {
        let mut runs: Vec<StscEntry> = Vec::new();
        for (i, chunk) in self.chunks.iter().enumerate() {
            let is_same = runs.last().is_some_and(|run| {
                (run.samples_per_chunk, run.sample_description_index) == (chunk.samples, chunk.description)
            });
            if !is_same {
                runs.push(StscEntry {
                    first_chunk: i as u32 + 1,
                    samples_per_chunk: chunk.samples,
                    sample_description_index: chunk.description,
                });
            }
        }
        runs
    }
}

/// Everything in front of the media, which has `media_bytes`: `ftyp`, `moov` and the head of `mdat`. Each track with what of
/// it is shown; all edits begin at the same moment.
pub fn head(tracks: &[(&Track, Edit)], media_bytes: u64) -> Result<Bytes, Error> {
    let ftyp = Ftyp {
        major_brand: FourCC::new(b"isom"),
        minor_version: 0x200,
        compatible_brands: vec![FourCC::new(b"isom"), FourCC::new(b"iso6"), FourCC::new(b"mp41")],
    };
    let mut out = Vec::new();
    ftyp.encode(&mut out)?;
    let front = out.len();
    moov(tracks, 0).encode(&mut out)?;
    // Places have a fixed size, so the second writing is as long as the first.
    let before = out.len() as u64 + MDAT_HEAD;
    out.truncate(front);
    moov(tracks, before).encode(&mut out)?;
    out.extend_from_slice(&1u32.to_be_bytes());
    out.extend_from_slice(b"mdat");
    out.extend_from_slice(&(media_bytes + MDAT_HEAD).to_be_bytes());
    Ok(out.into())
}

fn moov(tracks: &[(&Track, Edit)], before: u64) -> Moov {
    let trak =
        |(i, (track, edit)): (usize, &(&Track, Edit))| track.written(i as u32 + 1, *edit, before, edit.from);
    let duration = tracks.iter().map(|(track, edit)| movie_ticks(edit.to - edit.from, track.timescale()));
    Moov {
        mvhd: Mvhd {
            timescale: MOVIE_TIMESCALE,
            duration: duration.max().unwrap_or(0),
            rate: FixedPoint::from(1),
            volume: FixedPoint::from(1),
            next_track_id: tracks.len() as u32 + 1,
            ..Mvhd::default()
        },
        trak: tracks.iter().enumerate().map(trak).collect(),
        ..Moov::default()
    }
}

fn movie_ticks(ticks: i64, rate: u32) -> u64 {
    (i128::from(ticks.max(0)) * i128::from(MOVIE_TIMESCALE) / i128::from(rate)) as u64
}

/// The one track of a kept header, and how its samples are coded.
fn described(header: &[u8]) -> Result<(Trak, Codec), Error> {
    let mut rest = header;
    Ftyp::decode(&mut rest)?;
    let moov = Moov::decode_maybe(&mut rest)?.ok_or(Error::Damaged("a header without its end"))?;
    let trak = moov.trak.into_iter().next().ok_or(Error::Damaged("a header without a track"))?;
    let codec = trak.mdia.minf.stbl.stsd.codecs.first().cloned();
    let codec = codec.ok_or(Error::Damaged("a header without a codec"))?;
    Ok((trak, codec))
}

/// What kind of sample entry it is.
fn name(codec: &Codec) -> String {
    let text = format!("{codec:?}");
    text.split(['(', ' ', '{']).next().unwrap_or_default().to_owned()
}
