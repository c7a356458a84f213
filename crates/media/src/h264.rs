//! H.264 as far as a server must read it: NAL units, SPS, the stored form of an access unit.

use crate::bits::{Bits, unescape};
use bytes::{BufMut, Bytes, BytesMut};

/// Largest SPS we look at, in bytes; real ones are under 64.
const SPS_MAX: usize = 512;
/// Largest picture side accepted, in pixels.
const SIDE_MAX: u32 = 16_384;

/// NAL unit type (ITU-T H.264 table 7-1); the five low bits of the header byte.
pub mod nal {
    /// Coded slice of a non-IDR picture.
    pub const SLICE: u8 = 1;
    /// Coded slice of an IDR picture.
    pub const IDR: u8 = 5;
    /// Supplemental enhancement information.
    pub const SEI: u8 = 6;
    /// Sequence parameter set.
    pub const SPS: u8 = 7;
    /// Picture parameter set.
    pub const PPS: u8 = 8;
    /// Access unit delimiter.
    pub const AUD: u8 = 9;
    /// Filler data.
    pub const FILLER: u8 = 12;
}

/// Why H.264 data was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The SPS ends early or is longer than 512 bytes.
    #[error("H.264 SPS of {0} bytes is truncated or over-long")]
    SpsLength(usize),
    /// A value no encoder produces.
    #[error("H.264 SPS has an impossible {0}")]
    SpsValue(&'static str),
    /// A NAL length field points past the end of the access unit.
    #[error("H.264 NAL unit of {length} bytes at byte {offset} runs past the access unit of {total} bytes")]
    NalLength {
        /// Claimed length of the unit.
        length: usize,
        /// Where its length field stands.
        offset: usize,
        /// Size of the access unit.
        total: usize,
    },
    /// A configuration without a picture parameter set.
    #[error("H.264 configuration has no PPS")]
    NoPps,
}

/// The fields of a sequence parameter set that we use (ITU-T H.264 §7.3.2.1.1 and Annex E).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sps {
    /// 66 baseline, 77 main, 100 high.
    pub profile_idc: u8,
    /// `constraint_set0_flag` in the top bit.
    pub constraint_flags: u8,
    /// Ten times the level: 31 is 3.1.
    pub level_idc: u8,
    /// Displayed width in pixels, cropping applied.
    pub width: u32,
    /// Displayed height in pixels, cropping applied.
    pub height: u32,
    /// `pic_order_cnt_type`; 2 means output order is decoding order.
    pub poc_type: u8,
    /// `max_num_reorder_frames` where the SPS says it.
    pub max_num_reorder_frames: Option<u8>,
    /// Frames per second from `time_scale` and `num_units_in_tick`, times 1000, where the SPS says it.
    pub millifps: Option<u32>,
    /// `transfer_characteristics` (ISO/IEC 23091-2) where the SPS says it: 16 is PQ, 18 HLG.
    pub transfer: Option<u8>,
}

impl Sps {
    /// Parses a whole SPS NAL unit, header byte included.
    pub fn parse(nal_unit: &[u8]) -> Result<Self, Error> {
        if nal_unit.len() < 4 || nal_unit.len() > SPS_MAX {
            return Err(Error::SpsLength(nal_unit.len()));
        }
        let rbsp = unescape(&nal_unit[1..]);
        parse_sps(&mut Bits::new(&rbsp)).ok_or(Error::SpsLength(nal_unit.len()))?
    }

    /// True when the encoder announces that frames may leave the decoder in another order than they enter it:
    /// the sign of B-frames (decisions 17). Baseline never reorders; without the VUI field the standard lets a
    /// decoder assume the worst, and browsers do, so Main and High without it count only if they use B-frames,
    /// which ingest sees from PTS != DTS.
    pub fn reorders(&self) -> bool {
        self.poc_type != 2 && self.max_num_reorder_frames.is_some_and(|n| n > 0)
    }
}

fn parse_sps(bits: &mut Bits<'_>) -> Option<Result<Sps, Error>> {
    let profile_idc = bits.read(8)? as u8;
    let constraint_flags = bits.read(8)? as u8;
    let level_idc = bits.read(8)? as u8;
    bits.ue()?; // seq_parameter_set_id
    let mut chroma_format_idc = 1;
    if matches!(profile_idc, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135) {
        chroma_format_idc = bits.ue()?;
        if chroma_format_idc == 3 {
            bits.read(1)?; // separate_colour_plane_flag
        }
        bits.ue()?; // bit_depth_luma_minus8
        bits.ue()?; // bit_depth_chroma_minus8
        bits.read(1)?; // qpprime_y_zero_transform_bypass_flag
        if bits.read(1)? == 1 {
            skip_scaling_lists(bits, if chroma_format_idc == 3 { 12 } else { 8 })?;
        }
    }
    bits.ue()?; // log2_max_frame_num_minus4
    let poc_type = bits.ue()?;
    match poc_type {
        0 => {
            bits.ue()?; // log2_max_pic_order_cnt_lsb_minus4
        }
        1 => {
            bits.read(1)?;
            bits.se()?;
            bits.se()?;
            let cycle = bits.ue()?;
            if cycle > 255 {
                return Some(Err(Error::SpsValue("num_ref_frames_in_pic_order_cnt_cycle")));
            }
            for _ in 0..cycle {
                bits.se()?;
            }
        }
        2 => {}
        _ => return Some(Err(Error::SpsValue("pic_order_cnt_type"))),
    }
    bits.ue()?; // max_num_ref_frames
    bits.read(1)?; // gaps_in_frame_num_value_allowed_flag
    let width_mbs = u64::from(bits.ue()?) + 1;
    let height_units = u64::from(bits.ue()?) + 1;
    let frame_mbs_only = bits.read(1)?;
    if frame_mbs_only == 0 {
        bits.read(1)?; // mb_adaptive_frame_field_flag
    }
    bits.read(1)?; // direct_8x8_inference_flag
    let mut crop = [0u32; 4];
    if bits.read(1)? == 1 {
        for side in &mut crop {
            *side = bits.ue()?;
        }
    }
    let full_width = width_mbs * 16;
    let full_height = height_units * 16 * u64::from(2 - frame_mbs_only);
    let (unit_x, unit_y) = match chroma_format_idc {
        1 => (2, 2),
        2 => (2, 1),
        _ => (1, 1),
    };
    let unit_y = unit_y * u64::from(2 - frame_mbs_only);
    let crop_x = (u64::from(crop[0]) + u64::from(crop[1])) * unit_x;
    let crop_y = (u64::from(crop[2]) + u64::from(crop[3])) * unit_y;
    let side = |full: u64, cut: u64| {
        full.checked_sub(cut).filter(|s| (1..=u64::from(SIDE_MAX)).contains(s)).map(|s| s as u32)
    };
    let (Some(width), Some(height)) = (side(full_width, crop_x), side(full_height, crop_y)) else {
        return Some(Err(Error::SpsValue("picture size")));
    };
    let mut sps = Sps {
        profile_idc,
        constraint_flags,
        level_idc,
        width,
        height,
        poc_type: poc_type as u8,
        max_num_reorder_frames: None,
        millifps: None,
        transfer: None,
    };
    // A VUI that ends early costs its fields, not the stream: some encoders write it wrong.
    if bits.read(1)? == 1 {
        parse_vui(bits, &mut sps);
    }
    Some(Ok(sps))
}

/// Annex E.1.1, as far as `bitstream_restriction`.
fn parse_vui(bits: &mut Bits<'_>, sps: &mut Sps) -> Option<()> {
    if bits.read(1)? == 1 && bits.read(8)? == 255 {
        bits.read(32)?; // sar_width, sar_height
    }
    if bits.read(1)? == 1 {
        bits.read(1)?; // overscan_appropriate_flag
    }
    if bits.read(1)? == 1 {
        bits.read(4)?; // video_format, video_full_range_flag
        if bits.read(1)? == 1 {
            bits.read(8)?; // colour_primaries
            sps.transfer = Some(bits.read(8)? as u8);
            bits.read(8)?; // matrix_coefficients
        }
    }
    if bits.read(1)? == 1 {
        bits.ue()?;
        bits.ue()?;
    }
    if bits.read(1)? == 1 {
        let num_units_in_tick = u64::from(bits.read(32)?);
        let time_scale = u64::from(bits.read(32)?);
        bits.read(1)?; // fixed_frame_rate_flag
        if num_units_in_tick > 0 {
            let millifps = time_scale * 1_000 / (2 * num_units_in_tick);
            sps.millifps = u32::try_from(millifps).ok().filter(|f| (1..=1_000_000).contains(f));
        }
    }
    let nal_hrd = bits.read(1)?;
    if nal_hrd == 1 {
        skip_hrd(bits)?;
    }
    let vcl_hrd = bits.read(1)?;
    if vcl_hrd == 1 {
        skip_hrd(bits)?;
    }
    if nal_hrd == 1 || vcl_hrd == 1 {
        bits.read(1)?; // low_delay_hrd_flag
    }
    bits.read(1)?; // pic_struct_present_flag
    if bits.read(1)? == 1 {
        bits.read(1)?; // motion_vectors_over_pic_boundaries_flag
        for _ in 0..4 {
            bits.ue()?;
        }
        sps.max_num_reorder_frames = Some(bits.ue()?.min(255) as u8);
    }
    Some(())
}

fn skip_hrd(bits: &mut Bits<'_>) -> Option<()> {
    let count = bits.ue()?;
    if count > 31 {
        return None;
    }
    bits.read(8)?;
    for _ in 0..=count {
        bits.ue()?;
        bits.ue()?;
        bits.read(1)?;
    }
    bits.read(20)?;
    Some(())
}

fn skip_scaling_lists(bits: &mut Bits<'_>, lists: usize) -> Option<()> {
    for list in 0..lists {
        if bits.read(1)? == 0 {
            continue;
        }
        let size = if list < 6 { 16 } else { 64 };
        let (mut last, mut next) = (8i32, 8i32);
        for _ in 0..size {
            if next != 0 {
                next = last.wrapping_add(bits.se()?).wrapping_add(256) % 256;
            }
            if next != 0 {
                last = next;
            }
        }
    }
    Some(())
}

/// NAL units of an access unit in which each stands behind a 4-byte big-endian length.
pub fn length_prefixed(access_unit: &Bytes) -> impl Iterator<Item = Result<Bytes, Error>> + '_ {
    let mut offset = 0;
    std::iter::from_fn(move || {
        let total = access_unit.len();
        let rest = access_unit.get(offset..).filter(|rest| !rest.is_empty())?;
        let Some(prefix) = rest.first_chunk::<4>() else {
            let error = Error::NalLength { length: rest.len(), offset, total };
            offset = total;
            return Some(Err(error));
        };
        let length = u32::from_be_bytes(*prefix) as usize;
        if length > rest.len() - 4 {
            let error = Error::NalLength { length, offset, total };
            offset = total;
            return Some(Err(error));
        }
        let unit = access_unit.slice(offset + 4..offset + 4 + length);
        offset += 4 + length;
        Some(Ok(unit))
    })
}

/// NAL units of an Annex B byte stream (start codes `00 00 01`), for encoders that produce it.
pub fn annex_b(stream: &[u8]) -> impl Iterator<Item = &[u8]> + '_ {
    let mut starts = memchr_start_codes(stream);
    let mut begin = starts.next();
    std::iter::from_fn(move || {
        let from = begin?;
        begin = starts.next();
        let mut end = begin.map_or(stream.len(), |next| next - 3);
        while end > from && stream[end - 1] == 0 {
            end -= 1; // trailing_zero_8bits, or the first zero of a four-byte start code
        }
        Some(&stream[from..end])
    })
    .filter(|unit| !unit.is_empty())
}

fn memchr_start_codes(stream: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let mut from = 0;
    std::iter::from_fn(move || {
        let at = stream.get(from..)?.windows(3).position(|w| w == [0, 0, 1])?;
        from += at + 3;
        Some(from)
    })
}

/// What ingest learns from one access unit besides its bytes.
#[derive(Debug, Default)]
pub struct AccessUnit {
    /// Stored form: slices and SEI, each behind a 4-byte length.
    pub payload: Bytes,
    /// Holds an IDR slice.
    pub key: bool,
    /// All slices have `nal_ref_idc == 0`.
    pub droppable: bool,
    /// SPS found in band, last one wins.
    pub sps: Option<Bytes>,
    /// PPSs found in band.
    pub pps: Vec<Bytes>,
}

/// Sorts the NAL units of one access unit into stored form. Units are taken as given (no start code, no
/// length); empty ones are skipped.
pub fn store<'a>(units: impl Iterator<Item = &'a Bytes>) -> AccessUnit {
    let mut unit = AccessUnit { droppable: true, ..AccessUnit::default() };
    let mut has_slice = false;
    let mut payload = BytesMut::new();
    for bytes in units.filter(|b| !b.is_empty()) {
        match bytes[0] & 0x1f {
            nal::SPS => unit.sps = Some(bytes.clone()),
            nal::PPS => unit.pps.push(bytes.clone()),
            nal::AUD | nal::FILLER => {}
            kind => {
                if (nal::SLICE..=nal::IDR).contains(&kind) {
                    has_slice = true;
                    unit.key |= kind == nal::IDR;
                    unit.droppable &= bytes[0] & 0x60 == 0;
                }
                payload.reserve(4 + bytes.len());
                payload.put_u32(bytes.len() as u32);
                payload.extend_from_slice(bytes);
            }
        }
    }
    unit.droppable &= has_slice;
    unit.payload = if has_slice { payload.freeze() } else { Bytes::new() };
    unit
}

/// [`store`] for an access unit that is already length-prefixed (FLV, MP4): when nothing has to be taken out,
/// the payload is a view of `access_unit` and no byte is copied.
pub fn store_length_prefixed(access_unit: &Bytes) -> Result<AccessUnit, Error> {
    let units = length_prefixed(access_unit).collect::<Result<Vec<_>, _>>()?;
    let is_kept =
        |u: &Bytes| !u.is_empty() && !matches!(u[0] & 0x1f, nal::SPS | nal::PPS | nal::AUD | nal::FILLER);
    if !units.iter().all(is_kept) {
        return Ok(store(units.iter()));
    }
    let slices = || units.iter().filter(|u| (nal::SLICE..=nal::IDR).contains(&(u[0] & 0x1f)));
    let has_slice = slices().next().is_some();
    Ok(AccessUnit {
        payload: if has_slice { access_unit.clone() } else { Bytes::new() },
        key: slices().any(|u| u[0] & 0x1f == nal::IDR),
        droppable: has_slice && slices().all(|u| u[0] & 0x60 == 0),
        sps: None,
        pps: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// x264 640x360 zerolatency High 3.0 with VUI.
    const SPS_640X360: [u8; 25] = [
        0x67, 0x64, 0x00, 0x1e, 0xac, 0xd9, 0x40, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01,
        0x00, 0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16, 0x2d,
    ];

    #[test]
    fn an_sps_gives_size_and_profile() {
        let sps = Sps::parse(&SPS_640X360).expect("valid");
        assert_eq!((sps.width, sps.height), (640, 360));
        assert_eq!((sps.profile_idc, sps.level_idc), (100, 30));
        assert_eq!(sps.millifps, Some(30_000));
    }

    /// High profile with a scaling list that begins with the largest delta that Exp-Golomb can say, and ones from there on.
    #[test]
    fn a_scaling_list_with_an_absurd_delta_is_passed_over() {
        let head = [0x67, 0x64, 0x00, 0x1e, 0xad, 0x80, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xfe];
        let sps = Sps::parse(&[&head[..], &[0xff; 60]].concat()).expect("what follows is readable");
        assert_eq!((sps.width, sps.height), (16, 16));
    }

    #[test]
    fn a_clean_access_unit_is_not_copied() {
        let au = Bytes::from_static(&[0, 0, 0, 2, 0x65, 0xaa, 0, 0, 0, 1, 0x65]);
        let stored = store_length_prefixed(&au).expect("well formed");
        assert!(stored.key && !stored.droppable);
        assert_eq!(stored.payload.as_ptr(), au.as_ptr());
    }

    #[test]
    fn parameter_sets_and_delimiters_are_taken_out() {
        let au = Bytes::from_static(&[
            0, 0, 0, 2, 0x09, 0xf0, 0, 0, 0, 1, 0x67, 0, 0, 0, 1, 0x68, 0, 0, 0, 2, 0x41, 1,
        ]);
        let stored = store_length_prefixed(&au).expect("well formed");
        assert_eq!(&stored.payload[..], &[0, 0, 0, 2, 0x41, 1]);
        assert_eq!((stored.sps.as_deref(), stored.pps.len(), stored.key), (Some(&[0x67][..]), 1, false));
    }

    #[test]
    fn annex_b_start_codes_of_three_and_four_bytes() {
        let stream = [0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 2, 0, 0, 0, 1, 0x65, 3];
        let units: Vec<_> = annex_b(&stream).collect();
        assert_eq!(units, [&[0x67u8, 1][..], &[0x68, 2], &[0x65, 3]]);
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Sps::parse(&bytes);
            let _ = store_length_prefixed(&Bytes::from(bytes.clone()));
            let _ = annex_b(&bytes).count();
        }
    }
}
