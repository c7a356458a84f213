//! Video tags: H.264.

use super::{FlvError, avcc, four_cc};
use bytes::{BufMut, Bytes, BytesMut};
use unisono_base::Span;
use unisono_media::{AvcConfig, h264};

/// `CodecID` AVC.
const AVC: u8 = 7;
/// Top bit of the first byte in Enhanced RTMP: a four-character code follows.
const EXTENDED: u8 = 0x80;
/// `FrameType` of a command to the player, which holds no picture.
const COMMAND: u8 = 5;
/// `AVCPacketType`.
const SEQUENCE_HEADER: u8 = 0;
const NAL_UNITS: u8 = 1;
/// Picture parameter sets kept; the standard allows 256, encoders use one or two.
const PPS_MAX: usize = 32;

/// What a video tag holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VideoTag {
    /// A sequence header that changed something, or the first one.
    Config(AvcConfig),
    /// One access unit.
    Frame {
        /// Parameter sets that came inside this access unit and changed something; in force from it on.
        config: Option<AvcConfig>,
        /// Composition time: PTS minus DTS. Negative only from encoders that get it wrong.
        composition: Span,
        /// Stored form; a view of the tag where nothing had to be taken out. Never empty.
        payload: Bytes,
        /// Holds an IDR slice.
        key: bool,
        /// No later frame refers to it.
        droppable: bool,
    },
    /// No picture: a repeated sequence header, the end of the sequence, a command, parameter sets alone, or
    /// anything before the first configuration.
    Nothing,
}

/// Reads the video tags of one publisher, in order.
#[derive(Clone, Debug)]
pub struct VideoDemuxer {
    config: Option<AvcConfig>,
    length_size: usize,
}

impl Default for VideoDemuxer {
    fn default() -> Self {
        Self { config: None, length_size: 4 }
    }
}

impl VideoDemuxer {
    /// Before the first tag.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a tag body.
    pub fn read(&mut self, tag: &Bytes) -> Result<VideoTag, FlvError> {
        let &first = tag.first().ok_or(FlvError::Short(0))?;
        if first & EXTENDED != 0 {
            return Err(FlvError::VideoCodec(four_cc(&tag[1..])));
        }
        if first >> 4 == COMMAND {
            return Ok(VideoTag::Nothing);
        }
        if first & 0x0f != AVC {
            return Err(FlvError::VideoCodec(codec_name(first & 0x0f)));
        }
        let Some(&[_, packet_type, a, b, c]) = tag.first_chunk() else {
            return Err(FlvError::Short(tag.len()));
        };
        match packet_type {
            // Without extradata some muxers send an empty one; the parameter sets are in band then.
            SEQUENCE_HEADER if tag.len() == 5 => Ok(VideoTag::Nothing),
            SEQUENCE_HEADER => self.sequence_header(&tag.slice(5..)),
            NAL_UNITS => {
                let millis = i32::from_be_bytes([a, b, c, 0]) >> 8;
                self.access_unit(&tag.slice(5..), Span::from_millis(i64::from(millis)))
            }
            _ => Ok(VideoTag::Nothing),
        }
    }

    fn sequence_header(&mut self, record: &Bytes) -> Result<VideoTag, FlvError> {
        let avcc = avcc::parse(record)?;
        self.length_size = avcc.length_size;
        if self.config.as_ref() == Some(&avcc.config) {
            return Ok(VideoTag::Nothing);
        }
        self.config = Some(avcc.config.clone());
        Ok(VideoTag::Config(avcc.config))
    }

    fn access_unit(&mut self, data: &Bytes, composition: Span) -> Result<VideoTag, FlvError> {
        let unit = match self.length_size {
            4 => h264::store_length_prefixed(data)?,
            size => h264::store_length_prefixed(&widen(data, size)?)?,
        };
        let config = match unit.sps.is_some() || !unit.pps.is_empty() {
            true => self.in_band(unit.sps, unit.pps)?,
            false => None,
        };
        if unit.payload.is_empty() || self.config.is_none() {
            // A configuration alone still counts: it is told with the frame that needs it, or here.
            return Ok(config.map_or(VideoTag::Nothing, VideoTag::Config));
        }
        let (key, droppable) = (unit.key, unit.droppable);
        Ok(VideoTag::Frame { config, composition, payload: unit.payload, key, droppable })
    }

    /// Parameter sets between the slices: a new SPS replaces the configuration, a PPS the one of its id.
    fn in_band(&mut self, sps: Option<Bytes>, pps: Vec<Bytes>) -> Result<Option<AvcConfig>, FlvError> {
        let old = self.config.as_ref();
        let sps_is_new = sps.is_some() && sps.as_ref() != old.map(|c| &c.sps_nal);
        let Some(sps_nal) = sps.or_else(|| old.map(|c| c.sps_nal.clone())) else { return Ok(None) };
        let kept = old.filter(|_| !sps_is_new || pps.is_empty()).map(|c| c.pps_nals.clone());
        let mut pps_nals = kept.unwrap_or_default();
        for unit in pps {
            let id = pps_id(&unit);
            match pps_nals.iter().position(|known| pps_id(known) == id) {
                Some(place) => pps_nals[place] = unit,
                None if pps_nals.len() < PPS_MAX => pps_nals.push(unit),
                None => {}
            }
        }
        if pps_nals.is_empty() {
            return Ok(None);
        }
        let copied = |unit: &Bytes| Bytes::copy_from_slice(unit);
        if old.is_some_and(|c| c.sps_nal == sps_nal && c.pps_nals == pps_nals) {
            return Ok(None);
        }
        let config = AvcConfig::new(copied(&sps_nal), pps_nals.iter().map(copied).collect())?;
        self.config = Some(config.clone());
        Ok(Some(config))
    }
}

/// `pic_parameter_set_id`, the first field of a PPS (H.264 §7.3.2.2), or its first byte where that is garbage.
fn pps_id(unit: &Bytes) -> u32 {
    let word = unit.iter().skip(1).chain(&[0; 4]).take(4).fold(0u32, |w, byte| w << 8 | u32::from(*byte));
    match word.leading_zeros() {
        zeros @ 0..=8 => (word >> (31 - 2 * zeros)) - 1,
        _ => word,
    }
}

/// The access unit with its length fields of `size` bytes widened to four.
fn widen(data: &Bytes, size: usize) -> Result<Bytes, FlvError> {
    let mut out = BytesMut::with_capacity(data.len() + data.len() / 16 + 16);
    let mut at = 0;
    while at < data.len() {
        let length = data.iter().skip(at).take(size).fold(0usize, |l, byte| l << 8 | usize::from(*byte));
        let Some(unit) = data.get(at + size..at + size + length) else {
            return Err(h264::Error::NalLength { length, offset: at, total: data.len() }.into());
        };
        out.put_u32(length as u32);
        out.put_slice(unit);
        at += size + length;
    }
    Ok(out.freeze())
}

fn codec_name(id: u8) -> String {
    match id {
        2 => "Sorenson H.263",
        3 | 6 => "Screen video",
        4 | 5 => "VP6",
        8 => "H.263",
        9 => "MPEG-4 part 2",
        12 => "H.265",
        13 => "AV1",
        other => return format!("number {other}"),
    }
    .to_owned()
}

#[cfg(test)]
mod tests;
