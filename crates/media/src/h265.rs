//! H.265 / HEVC as far as a server must read it: NAL units, SPS, the stored form of an access unit.

mod vui;

use crate::{
    bits::{Bits, unescape},
    h264::length_prefixed,
};
use bytes::{BufMut, Bytes, BytesMut};

/// Largest SPS we look at, in bytes; real ones are under 128.
const SPS_MAX: usize = 1_024;
/// Largest picture side accepted, in pixels.
const SIDE_MAX: u32 = 16_384;

/// Bytes of a NAL unit's header.
pub const HEADER_BYTES: usize = 2;

/// NAL unit type (ITU-T H.265 table 7-1); bits 1 to 6 of the first of two header bytes.
pub mod nal {
    /// Largest type of a slice that is not an intra random access point.
    pub const LAST_TRAILING: u8 = 15;
    /// First intra random access point (BLA_W_LP).
    pub const FIRST_IRAP: u8 = 16;
    /// Clean random access: the last kind of random access point in use.
    pub const CRA: u8 = 21;
    /// Video parameter set.
    pub const VPS: u8 = 32;
    /// Sequence parameter set.
    pub const SPS: u8 = 33;
    /// Picture parameter set.
    pub const PPS: u8 = 34;
    /// Access unit delimiter.
    pub const AUD: u8 = 35;
    /// Filler data.
    pub const FILLER: u8 = 38;
}

/// Type of a NAL unit; `None` for one without a whole header.
pub fn nal_type(unit: &[u8]) -> Option<u8> {
    (unit.len() >= 2).then(|| unit[0] >> 1 & 0x3f)
}

/// Why H.265 data was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The SPS ends early or is longer than 1024 bytes.
    #[error("H.265 SPS of {0} bytes is truncated or over-long")]
    SpsLength(usize),
    /// A value no encoder produces.
    #[error("H.265 SPS has an impossible {0}")]
    SpsValue(&'static str),
    /// A configuration that lacks a parameter set.
    #[error("H.265 configuration has no {0}")]
    Missing(&'static str),
    /// A NAL length field points past the end of the access unit.
    #[error("H.265 access unit: {0}")]
    NalLength(crate::h264::Error),
}

/// General part of `profile_tier_level` (H.265 §7.3.3), as `hvcC` and the codecs parameter repeat it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProfileTierLevel {
    /// 0 in every profile so far.
    pub profile_space: u8,
    /// High tier, else Main tier.
    pub is_high_tier: bool,
    /// 1 Main, 2 Main 10.
    pub profile_idc: u8,
    /// `general_profile_compatibility_flag[0]` in the top bit.
    pub compatibility_flags: u32,
    /// The 48 bits from `general_progressive_source_flag` on.
    pub constraint_flags: [u8; 6],
    /// Thirty times the level: 93 is 3.1.
    pub level_idc: u8,
}

/// The fields of a sequence parameter set that we use (ITU-T H.265 §7.3.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sps {
    /// Profile, tier and level.
    pub profile: ProfileTierLevel,
    /// `sps_max_sub_layers_minus1 + 1`, 1 to 7.
    pub sub_layers: u8,
    /// `sps_temporal_id_nesting_flag`.
    pub temporal_id_nesting: bool,
    /// 1 is 4:2:0.
    pub chroma_format_idc: u8,
    /// Bits per luma sample.
    pub bit_depth_luma: u8,
    /// Bits per chroma sample.
    pub bit_depth_chroma: u8,
    /// Displayed width in pixels, cropping applied.
    pub width: u32,
    /// Displayed height in pixels, cropping applied.
    pub height: u32,
    /// `sps_max_num_reorder_pics` of the highest sub-layer.
    pub max_num_reorder: u8,
    /// `transfer_characteristics` (ISO/IEC 23091-2) where the VUI says it: 16 is PQ, 18 HLG.
    pub transfer: Option<u8>,
    /// Frames per second from `vui_time_scale` and `vui_num_units_in_tick`, times 1000, where the VUI says it.
    pub millifps: Option<u32>,
}

impl Sps {
    /// Parses a whole SPS NAL unit, header bytes included.
    pub fn parse(nal_unit: &[u8]) -> Result<Self, Error> {
        if nal_unit.len() < 6 || nal_unit.len() > SPS_MAX {
            return Err(Error::SpsLength(nal_unit.len()));
        }
        let rbsp = unescape(&nal_unit[2..]);
        parse_sps(&mut Bits::new(&rbsp)).ok_or(Error::SpsLength(nal_unit.len()))?
    }

    /// A decoder that was opened for `self` decodes `other`, too: size and level may differ, the kind of samples and
    /// whether pictures are reordered may not.
    pub fn decodes_like(&self, other: &Self) -> bool {
        let kind = |sps: &Self| {
            let profile = &sps.profile;
            let samples = (sps.chroma_format_idc, sps.bit_depth_luma, sps.bit_depth_chroma);
            (
                profile.profile_space,
                profile.profile_idc,
                profile.is_high_tier,
                samples,
                sps.max_num_reorder > 0,
            )
        };
        kind(self) == kind(other)
    }
}

fn parse_sps(bits: &mut Bits<'_>) -> Option<Result<Sps, Error>> {
    bits.read(4)?; // sps_video_parameter_set_id
    let sub_layers = bits.read(3)? as u8 + 1;
    if sub_layers > 7 {
        return Some(Err(Error::SpsValue("sps_max_sub_layers_minus1")));
    }
    let temporal_id_nesting = bits.flag()?;
    let profile = parse_profile_tier_level(bits, sub_layers)?;
    bits.ue()?; // sps_seq_parameter_set_id
    let chroma_format_idc = bits.ue()?;
    if chroma_format_idc > 3 {
        return Some(Err(Error::SpsValue("chroma_format_idc")));
    }
    if chroma_format_idc == 3 {
        bits.flag()?; // separate_colour_plane_flag
    }
    let (full_width, full_height) = (u64::from(bits.ue()?), u64::from(bits.ue()?));
    let mut crop = [0u64; 4];
    if bits.flag()? {
        for side in &mut crop {
            *side = u64::from(bits.ue()?);
        }
    }
    let (unit_x, unit_y) = match chroma_format_idc {
        1 => (2, 2),
        2 => (2, 1),
        _ => (1, 1),
    };
    let side = |full: u64, cut: u64| {
        full.checked_sub(cut).filter(|s| (1..=u64::from(SIDE_MAX)).contains(s)).map(|s| s as u32)
    };
    let width = side(full_width, (crop[0] + crop[1]) * unit_x);
    let (Some(width), Some(height)) = (width, side(full_height, (crop[2] + crop[3]) * unit_y)) else {
        return Some(Err(Error::SpsValue("picture size")));
    };
    let (luma, chroma) = (bits.ue()?, bits.ue()?);
    if luma > 8 || chroma > 8 {
        return Some(Err(Error::SpsValue("bit depth")));
    }
    let Some(order_count_bits) = bits.ue()?.checked_add(4).filter(|bits| *bits <= 16) else {
        return Some(Err(Error::SpsValue("log2_max_pic_order_cnt_lsb_minus4")));
    };
    let listed = if bits.flag()? { sub_layers } else { 1 };
    let mut max_num_reorder = 0;
    for _ in 0..listed {
        bits.ue()?; // sps_max_dec_pic_buffering_minus1
        max_num_reorder = bits.ue()?.min(255) as u8;
        bits.ue()?; // sps_max_latency_increase_plus1
    }
    // A rest that cannot be read costs its fields, not the stream.
    let vui = vui::find(bits, order_count_bits).unwrap_or_default();
    Some(Ok(Sps {
        profile,
        sub_layers,
        temporal_id_nesting,
        chroma_format_idc: chroma_format_idc as u8,
        bit_depth_luma: 8 + luma as u8,
        bit_depth_chroma: 8 + chroma as u8,
        width,
        height,
        max_num_reorder,
        transfer: vui.transfer,
        millifps: vui.millifps,
    }))
}

fn parse_profile_tier_level(bits: &mut Bits<'_>, sub_layers: u8) -> Option<ProfileTierLevel> {
    let profile_space = bits.read(2)? as u8;
    let is_high_tier = bits.flag()?;
    let profile_idc = bits.read(5)? as u8;
    let compatibility_flags = bits.read(32)?;
    let mut constraint_flags = [0; 6];
    for byte in &mut constraint_flags {
        *byte = bits.read(8)? as u8;
    }
    let level_idc = bits.read(8)? as u8;
    let mut skipped = 0;
    for _ in 1..sub_layers {
        let (has_profile, has_level) = (bits.flag()?, bits.flag()?);
        skipped += if has_profile { 88 } else { 0 } + if has_level { 8 } else { 0 };
    }
    if sub_layers > 1 {
        bits.skip(2 * (9 - usize::from(sub_layers))); // reserved_zero_2bits
    }
    bits.skip(skipped);
    Some(ProfileTierLevel {
        profile_space,
        is_high_tier,
        profile_idc,
        compatibility_flags,
        constraint_flags,
        level_idc,
    })
}

/// H.265 parameter sets: whole NAL units, header bytes included, no start code, no length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HevcConfig {
    /// Video parameter set as received.
    pub vps_nal: Bytes,
    /// Sequence parameter set as received.
    pub sps_nal: Bytes,
    /// Picture parameter sets as received, at least one.
    pub pps_nals: Vec<Bytes>,
    /// The parsed SPS.
    pub sps: Sps,
}

impl HevcConfig {
    /// From one VPS, one SPS and their PPSs. Errors when one is missing or the SPS cannot be parsed.
    pub fn new(vps_nal: Bytes, sps_nal: Bytes, pps_nals: Vec<Bytes>) -> Result<Self, Error> {
        let sps = Sps::parse(&sps_nal)?;
        if vps_nal.is_empty() {
            return Err(Error::Missing("VPS"));
        }
        if pps_nals.is_empty() {
            return Err(Error::Missing("PPS"));
        }
        Ok(Self { vps_nal, sps_nal, pps_nals, sps })
    }

    /// No later frame refers to this access unit: its pictures are no references in the highest sub-layer.
    pub fn is_droppable(&self, unit: &AccessUnit) -> bool {
        unit.is_non_reference && unit.temporal_id + 1 >= self.sps.sub_layers
    }

    /// The codecs parameter (ISO/IEC 14496-15 Annex E.3): `hvc1.1.6.L93.B0`.
    pub fn rfc6381(&self) -> String {
        let profile = &self.sps.profile;
        let space = ["", "A", "B", "C"][usize::from(profile.profile_space & 3)];
        let tier = if profile.is_high_tier { 'H' } else { 'L' };
        let flags = profile.compatibility_flags.reverse_bits();
        let mut codec = format!("hvc1.{space}{}.{flags:X}.{tier}{}", profile.profile_idc, profile.level_idc);
        let used = profile.constraint_flags.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        for byte in &profile.constraint_flags[..used] {
            codec.push_str(&format!(".{byte:X}"));
        }
        codec
    }
}

/// What ingest learns from one access unit besides its bytes.
#[derive(Debug, Default)]
pub struct AccessUnit {
    /// Stored form: slices and SEI, each behind a 4-byte length. Empty without a slice.
    pub payload: Bytes,
    /// Its slices are an intra random access point: decoding can start here.
    pub key: bool,
    /// All slices are sub-layer non-reference pictures (§7.4.2.2); see [`HevcConfig::is_droppable`].
    pub is_non_reference: bool,
    /// Lowest `nuh_temporal_id_plus1 - 1` of its slices.
    pub temporal_id: u8,
    /// VPS found in band, last one wins.
    pub vps: Option<Bytes>,
    /// SPS found in band, last one wins.
    pub sps: Option<Bytes>,
    /// PPSs found in band.
    pub pps: Vec<Bytes>,
}

/// Sorts the NAL units of one access unit into stored form. Units are taken as given (no start code, no length);
/// such as are too short for a header are skipped.
pub fn store<'a>(units: impl Iterator<Item = &'a Bytes>) -> AccessUnit {
    let mut unit = AccessUnit { is_non_reference: true, temporal_id: 7, ..AccessUnit::default() };
    let mut has_slice = false;
    let mut payload = BytesMut::new();
    for bytes in units {
        let Some(kind) = nal_type(bytes) else { continue };
        match kind {
            nal::VPS => unit.vps = Some(bytes.clone()),
            nal::SPS => unit.sps = Some(bytes.clone()),
            nal::PPS => unit.pps.push(bytes.clone()),
            nal::AUD..=nal::FILLER => {}
            _ => {
                has_slice |= unit.note_slice(bytes);
                payload.reserve(4 + bytes.len());
                payload.put_u32(bytes.len() as u32);
                payload.extend_from_slice(bytes);
            }
        }
    }
    unit.is_non_reference &= has_slice;
    unit.payload = if has_slice { payload.freeze() } else { Bytes::new() };
    unit
}

/// [`store`] for an access unit that is already length-prefixed (FLV, MP4): when nothing has to be taken out, the
/// payload is a view of `access_unit` and no byte is copied.
pub fn store_length_prefixed(access_unit: &Bytes) -> Result<AccessUnit, Error> {
    let units = length_prefixed(access_unit).collect::<Result<Vec<_>, _>>().map_err(Error::NalLength)?;
    if !units.iter().all(is_kept) {
        return Ok(store(units.iter()));
    }
    let mut unit = AccessUnit { is_non_reference: true, temporal_id: 7, ..AccessUnit::default() };
    let has_slice = units.iter().filter(|bytes| unit.note_slice(bytes)).count() > 0;
    unit.is_non_reference &= has_slice;
    unit.payload = if has_slice { access_unit.clone() } else { Bytes::new() };
    Ok(unit)
}

/// Belongs into the stored form as it is.
fn is_kept(unit: &Bytes) -> bool {
    nal_type(unit).is_some_and(|kind| !matches!(kind, nal::VPS..=nal::FILLER))
}

impl AccessUnit {
    /// Takes in what the header of a slice says; false for a unit that is none.
    fn note_slice(&mut self, unit: &[u8]) -> bool {
        let Some(kind) = nal_type(unit).filter(|kind| *kind <= nal::CRA) else { return false };
        self.key |= kind >= nal::FIRST_IRAP;
        self.is_non_reference &= kind < nal::LAST_TRAILING && kind % 2 == 0;
        self.temporal_id = self.temporal_id.min((unit[1] & 7).saturating_sub(1));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// x265, 640x360, Main, level 2.1, zerolatency.
    const SPS: [u8; 45] = [
        0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00,
        0x3f, 0xa0, 0x05, 0x02, 0x01, 0x71, 0xf2, 0xe5, 0xba, 0x4a, 0x4c, 0x2f, 0x01, 0x68, 0x08, 0x00, 0x00,
        0x03, 0x00, 0x08, 0x00, 0x00, 0x03, 0x00, 0xf0, 0x40, 0x00, 0x00,
    ];
    /// The same with `bframes=2`.
    const SPS_REORDERED: [u8; 43] = [
        0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00,
        0x3f, 0xa0, 0x05, 0x02, 0x01, 0x69, 0x65, 0x95, 0x92, 0x49, 0x32, 0xbc, 0x05, 0xa0, 0x20, 0x00, 0x00,
        0x03, 0x00, 0x20, 0x00, 0x00, 0x03, 0x03, 0xc1, 0x00,
    ];

    fn config(sps: &'static [u8]) -> HevcConfig {
        let pps = vec![Bytes::from_static(&[0x44, 0x01, 0xc0])];
        HevcConfig::new(Bytes::from_static(&[0x40, 0x01, 0x0c]), Bytes::from_static(sps), pps).expect("valid")
    }

    #[test]
    fn an_sps_gives_size_profile_and_order() {
        let sps = Sps::parse(&SPS).expect("valid");
        assert_eq!((sps.width, sps.height), (640, 360));
        assert_eq!((sps.chroma_format_idc, sps.bit_depth_luma, sps.sub_layers), (1, 8, 1));
        assert_eq!(sps.max_num_reorder, 0);
        assert_eq!(Sps::parse(&SPS_REORDERED).expect("valid").max_num_reorder, 2);
    }

    /// Found by fuzzing: 2^32 - 2 bits of picture order count.
    #[test]
    fn an_impossible_order_count_is_refused() {
        let sps = [
            0x3f, 0x50, 0x42, 0x01, 0x01, 0x02, 0x22, 0x00, 0x60, 0x22, 0x01, 0x00, 0x22, 0x22, 0x22, 0x22,
            0x50, 0x22, 0x22, 0x22, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0x31, 0x00, 0xff,
            0xff, 0xff, 0xff, 0xa6, 0xaf, 0x00, 0x03, 0x00, 0x50, 0x50, 0x50, 0x50, 0xde, 0x90, 0x00, 0x10,
        ];
        assert_eq!(Sps::parse(&sps), Err(Error::SpsValue("log2_max_pic_order_cnt_lsb_minus4")));
    }

    #[test]
    fn the_codecs_parameter_follows_the_standard() {
        assert_eq!(config(&SPS).rfc6381(), "hvc1.1.6.L63.90");
    }

    #[test]
    fn parameter_sets_and_delimiters_are_taken_out() {
        let units = [&[0x46u8, 1][..], &[0x42, 1, 9], &[0x44, 1, 9], &[0x40, 1, 9], &[0x26, 1, 7]];
        let units: Vec<_> = units.iter().map(|unit| Bytes::copy_from_slice(unit)).collect();
        let unit = store(units.iter());
        assert_eq!(&unit.payload[..], &[0, 0, 0, 3, 0x26, 1, 7]);
        assert!(unit.key && unit.vps.is_some() && unit.sps.is_some() && unit.pps.len() == 1);
    }

    #[test]
    fn a_picture_nobody_refers_to_is_droppable() {
        let store_one = |header: [u8; 2]| store([Bytes::copy_from_slice(&header)].iter());
        assert!(config(&SPS).is_droppable(&store_one([0x00, 1])));
        assert!(!config(&SPS).is_droppable(&store_one([0x02, 1])));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..1100)) {
            let _ = Sps::parse(&bytes);
            let _ = store_length_prefixed(&Bytes::from(bytes));
        }
    }
}
