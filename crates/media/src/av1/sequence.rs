//! The sequence header OBU (AV1 bitstream specification §5.5).

use super::Error;
use crate::bits::Bits;

/// Longest sequence header we look at, in bytes; real ones are under 32.
const LENGTH_MAX: usize = 256;
/// `CP_UNSPECIFIED`, `TC_UNSPECIFIED`, `MC_UNSPECIFIED`.
const UNSPECIFIED: u8 = 2;
/// Largest picture side accepted, in pixels.
const SIDE_MAX: u32 = 16_384;

/// The fields of a sequence header that we use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceHeader {
    /// `seq_profile`: 0 Main, 1 High, 2 Professional.
    pub profile: u8,
    /// `seq_level_idx[0]`: 4 is level 3.0, 8 is 4.0.
    pub level_idx: u8,
    /// `seq_tier[0]`.
    pub is_high_tier: bool,
    /// Bits per sample: 8, 10 or 12.
    pub bit_depth: u8,
    /// No chroma.
    pub is_monochrome: bool,
    /// Chroma has half the columns.
    pub subsampling_x: bool,
    /// Chroma has half the rows.
    pub subsampling_y: bool,
    /// Colour primaries, transfer characteristics and matrix coefficients (ISO/IEC 23091-2); 2 is unspecified.
    pub colour: [u8; 3],
    /// Samples use the whole range of values.
    pub is_full_range: bool,
    /// `chroma_sample_position`, 0 unknown.
    pub chroma_sample_position: u8,
    /// `max_frame_width_minus_1 + 1`, in pixels.
    pub width: u32,
    /// `max_frame_height_minus_1 + 1`, in pixels.
    pub height: u32,
    /// Frames per second times 1000, where it says that all have one distance.
    pub millifps: Option<u32>,
}

impl SequenceHeader {
    /// Parses the payload of a sequence header OBU.
    pub fn parse(payload: &[u8]) -> Result<Self, Error> {
        let length = Error::SequenceLength(payload.len());
        if payload.len() > LENGTH_MAX {
            return Err(length);
        }
        parse(&mut Bits::new(payload)).ok_or(length)?
    }
}

fn parse(bits: &mut Bits<'_>) -> Option<Result<SequenceHeader, Error>> {
    let profile = bits.read(3)? as u8;
    if profile > 2 {
        return Some(Err(Error::SequenceValue("seq_profile")));
    }
    bits.flag()?; // still_picture
    let is_reduced = bits.flag()?;
    let points = if is_reduced {
        Points { level_idx: bits.read(5)? as u8, ..Points::default() }
    } else {
        parse_points(bits)?
    };
    let (width_bits, height_bits) = (bits.read(4)? + 1, bits.read(4)? + 1);
    let (width, height) =
        (bits.read(width_bits)?.saturating_add(1), bits.read(height_bits)?.saturating_add(1));
    if width > SIDE_MAX || height > SIDE_MAX {
        return Some(Err(Error::SequenceValue("picture size")));
    }
    if !is_reduced && bits.flag()? {
        bits.skip(7); // delta_frame_id_length_minus_2, additional_frame_id_length_minus_1
    }
    bits.skip(3); // use_128x128_superblock, enable_filter_intra, enable_intra_edge_filter
    if !is_reduced {
        skip_tools(bits)?;
    }
    bits.skip(3); // enable_superres, enable_cdef, enable_restoration
    let colour = parse_colour(bits, profile)?;
    Some(Ok(SequenceHeader {
        profile,
        level_idx: points.level_idx,
        is_high_tier: points.is_high_tier,
        bit_depth: colour.bit_depth,
        is_monochrome: colour.is_monochrome,
        subsampling_x: colour.subsampling.0,
        subsampling_y: colour.subsampling.1,
        colour: colour.description,
        is_full_range: colour.is_full_range,
        chroma_sample_position: colour.chroma_sample_position,
        width,
        height,
        millifps: points.millifps,
    }))
}

/// What the timing and operating point part says.
#[derive(Default)]
struct Points {
    level_idx: u8,
    is_high_tier: bool,
    millifps: Option<u32>,
}

fn parse_points(bits: &mut Bits<'_>) -> Option<Points> {
    let mut points = Points::default();
    let mut delay_bits = None;
    if bits.flag()? {
        let (tick, scale) = (u64::from(bits.read(32)?), u64::from(bits.read(32)?));
        if bits.flag()? {
            let ticks_per_picture = u64::from(uvlc(bits)?) + 1;
            let fps = (scale * 1_000).checked_div(tick * ticks_per_picture);
            points.millifps = fps.and_then(|f| u32::try_from(f).ok()).filter(|f| (1..=1_000_000).contains(f));
        }
        if bits.flag()? {
            delay_bits = Some(bits.read(5)? as usize + 1);
            bits.skip(32 + 5 + 5); // num_units_in_decoding_tick and two lengths
        }
    }
    let has_display_delay = bits.flag()?;
    let count = bits.read(5)? + 1;
    for point in 0..count {
        bits.skip(12); // operating_point_idc
        let level_idx = bits.read(5)? as u8;
        let is_high_tier = level_idx > 7 && bits.flag()?;
        if point == 0 {
            (points.level_idx, points.is_high_tier) = (level_idx, is_high_tier);
        }
        if let Some(delay_bits) = delay_bits
            && bits.flag()?
        {
            bits.skip(2 * delay_bits + 1); // two delays, low_delay_mode_flag
        }
        if has_display_delay && bits.flag()? {
            bits.skip(4); // initial_display_delay_minus_1
        }
    }
    Some(points)
}

/// From `enable_interintra_compound` to `order_hint_bits_minus_1`.
fn skip_tools(bits: &mut Bits<'_>) -> Option<()> {
    bits.skip(4);
    let has_order_hint = bits.flag()?;
    if has_order_hint {
        bits.skip(2); // enable_jnt_comp, enable_ref_frame_mvs
    }
    // seq_choose_screen_content_tools, or else seq_force_screen_content_tools
    let has_screen_content = bits.flag()? || bits.flag()?;
    if has_screen_content && !bits.flag()? {
        bits.skip(1); // seq_force_integer_mv
    }
    if has_order_hint {
        bits.skip(3);
    }
    Some(())
}

struct Colour {
    bit_depth: u8,
    is_monochrome: bool,
    subsampling: (bool, bool),
    description: [u8; 3],
    is_full_range: bool,
    chroma_sample_position: u8,
}

/// `color_config` (§5.5.2).
fn parse_colour(bits: &mut Bits<'_>, profile: u8) -> Option<Colour> {
    let is_high = bits.flag()?;
    let bit_depth = match (profile, is_high) {
        (_, false) => 8,
        (2, true) => {
            if bits.flag()? {
                12
            } else {
                10
            }
        }
        (_, true) => 10,
    };
    let is_monochrome = profile != 1 && bits.flag()?;
    let mut description = [UNSPECIFIED; 3];
    if bits.flag()? {
        for value in &mut description {
            *value = bits.read(8)? as u8;
        }
    }
    let mut colour = Colour {
        bit_depth,
        is_monochrome,
        subsampling: (true, true),
        description,
        is_full_range: true,
        chroma_sample_position: 0,
    };
    // BT.709 primaries, sRGB transfer, identity matrix: RGB.
    if !is_monochrome && description == [1, 13, 0] {
        colour.subsampling = (false, false);
        return Some(colour);
    }
    colour.is_full_range = bits.flag()?;
    if is_monochrome {
        return Some(colour);
    }
    colour.subsampling = match (profile, bit_depth) {
        (0, _) => (true, true),
        (1, _) => (false, false),
        (_, 12) => {
            let x = bits.flag()?;
            (x, x && bits.flag()?)
        }
        _ => (true, false),
    };
    if colour.subsampling == (true, true) {
        colour.chroma_sample_position = bits.read(2)? as u8;
    }
    Some(colour)
}

/// Variable length unsigned number (§4.10.3).
fn uvlc(bits: &mut Bits<'_>) -> Option<u32> {
    let mut zeros = 0;
    while !bits.flag()? {
        zeros += 1;
        if zeros >= 32 {
            return Some(u32::MAX);
        }
    }
    Some(bits.read(zeros)?.wrapping_add((1u32 << zeros) - 1))
}
