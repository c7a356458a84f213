//! Sample entries of video tracks: what `stsd` says of each codec.

use super::Error;
use bytes::Bytes;
use mp4_atom::{
    Av01, Av1c, Avc1, Avcc, AvccExt, Codec, FixedPoint, Hvc1, HvcCArray, Hvcc, Visual, Vp08, Vp09, VpcC,
};
use unisono_media::{Av1Config, AvcConfig, HevcConfig, Picture, Vp8Config, Vp9Config, h265::nal};

/// H.264 High profile: the one whose `avcC` extension is known without more of the SPS (8 bit, 4:2:0).
const PROFILE_HIGH: u8 = 100;
/// Length fields have four bytes in stored form.
const LENGTH_SIZE: u8 = 4;
/// `level` of VP8 in `vpcC`, which has none of its own: 1.0, as its codecs parameter says.
const VP8_LEVEL: u8 = 10;
/// Unspecified colour primaries, transfer characteristics and matrix (ISO/IEC 23091-2).
const UNSPECIFIED: u8 = 2;

pub(super) fn avc(config: &AvcConfig, picture: Picture) -> Result<Codec, Error> {
    let [profile, constraints, level] = config.profile_level_id();
    let avcc = Avcc {
        configuration_version: 1,
        avc_profile_indication: profile,
        profile_compatibility: constraints,
        avc_level_indication: level,
        length_size: LENGTH_SIZE,
        sequence_parameter_sets: vec![parameter_set(&config.sps_nal)?],
        // The count field has eight bits; no encoder comes near.
        picture_parameter_sets: config
            .pps_nals
            .iter()
            .take(255)
            .map(parameter_set)
            .collect::<Result<_, _>>()?,
        ext: (profile == PROFILE_HIGH).then(AvccExt::default),
    };
    Ok(Avc1 { visual: visual(picture)?, avcc, ..Avc1::default() }.into())
}

/// `hvc1`: parameter sets only here, never among the samples (ISO/IEC 14496-15 §8.4).
pub(super) fn hevc(config: &HevcConfig, picture: Picture) -> Result<Codec, Error> {
    let array = |nal_unit_type, units: &[Bytes]| {
        let nalus = units.iter().map(parameter_set).collect::<Result<_, _>>()?;
        Ok::<_, Error>(HvcCArray { completeness: true, nal_unit_type, nalus })
    };
    let (sps, profile) = (&config.sps, &config.sps.profile);
    let hvcc = Hvcc {
        general_profile_space: profile.profile_space,
        general_tier_flag: profile.is_high_tier,
        general_profile_idc: profile.profile_idc,
        general_profile_compatibility_flags: profile.compatibility_flags.to_be_bytes(),
        general_constraint_indicator_flags: profile.constraint_flags,
        general_level_idc: profile.level_idc,
        chroma_format_idc: sps.chroma_format_idc,
        bit_depth_luma_minus8: sps.bit_depth_luma - 8,
        bit_depth_chroma_minus8: sps.bit_depth_chroma - 8,
        num_temporal_layers: sps.sub_layers,
        temporal_id_nested: sps.temporal_id_nesting,
        length_size_minus_one: LENGTH_SIZE - 1,
        arrays: vec![
            array(nal::VPS, std::slice::from_ref(&config.vps_nal))?,
            array(nal::SPS, std::slice::from_ref(&config.sps_nal))?,
            array(nal::PPS, &config.pps_nals)?,
        ],
        ..Hvcc::new()
    };
    Ok(Hvc1 { visual: visual(picture)?, hvcc, ..Hvc1::default() }.into())
}

pub(super) fn vp8(config: &Vp8Config, picture: Picture) -> Result<Codec, Error> {
    let vpcc = VpcC {
        profile: config.profile,
        level: VP8_LEVEL,
        chroma_subsampling: 1,
        color_primaries: UNSPECIFIED,
        transfer_characteristics: UNSPECIFIED,
        matrix_coefficients: UNSPECIFIED,
        ..VpcC::default()
    };
    Ok(Vp08 { visual: visual(picture)?, vpcc, ..Vp08::default() }.into())
}

pub(super) fn vp9(config: &Vp9Config, picture: Picture) -> Result<Codec, Error> {
    let [color_primaries, transfer_characteristics, matrix_coefficients] = config.colour();
    let vpcc = VpcC {
        profile: config.profile,
        level: config.level(),
        bit_depth: config.bit_depth,
        chroma_subsampling: config.chroma_subsampling(),
        video_full_range_flag: config.is_full_range,
        color_primaries,
        transfer_characteristics,
        matrix_coefficients,
        codec_initialization_data: Vec::new(),
    };
    Ok(Vp09 { visual: visual(picture)?, vpcc, ..Vp09::default() }.into())
}

pub(super) fn av1(config: &Av1Config, picture: Picture) -> Result<Codec, Error> {
    let sequence = &config.sequence;
    let av1c = Av1c {
        seq_profile: sequence.profile,
        seq_level_idx_0: sequence.level_idx,
        seq_tier_0: sequence.is_high_tier,
        high_bitdepth: sequence.bit_depth > 8,
        twelve_bit: sequence.bit_depth == 12,
        monochrome: sequence.is_monochrome,
        chroma_subsampling_x: sequence.subsampling_x,
        chroma_subsampling_y: sequence.subsampling_y,
        chroma_sample_position: sequence.chroma_sample_position,
        initial_presentation_delay: None,
        config_obus: config.sequence_obu.to_vec(),
    };
    Ok(Av01 { visual: visual(picture)?, av1c, ..Av01::default() }.into())
}

/// The part all video entries share.
fn visual(picture: Picture) -> Result<Visual, Error> {
    let (width, height) = size(picture)?;
    let dpi = FixedPoint::from(72);
    Ok(Visual {
        data_reference_index: 1,
        width,
        height,
        horizresolution: dpi,
        vertresolution: dpi,
        frame_count: 1,
        depth: 24,
        ..Visual::default()
    })
}

/// Width and height as their 16-bit fields hold them.
pub(super) fn size(picture: Picture) -> Result<(u16, u16), Error> {
    let side = |pixels: u32| u16::try_from(pixels).map_err(|_| Error::TooLarge("picture size"));
    Ok((side(picture.width)?, side(picture.height)?))
}

fn parameter_set(nal: &Bytes) -> Result<Vec<u8>, Error> {
    match u16::try_from(nal.len()) {
        Ok(_) => Ok(nal.to_vec()),
        Err(_) => Err(Error::TooLarge("parameter set")),
    }
}
