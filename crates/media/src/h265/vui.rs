//! The rest of an SPS behind the picture sizes, as far as colour and frame rate in its VUI (H.265 §7.3.2.2, Annex E.2.1).

use crate::bits::Bits;

/// Sets of reference pictures an SPS may list (§7.4.3.2).
const REFERENCE_SETS_MAX: u32 = 64;
/// Pictures in one of them; the decoded picture buffer holds 16.
const SET_PICTURES_MAX: u32 = 16;
/// `num_long_term_ref_pics_sps` (§7.4.3.2).
const LONG_TERM_MAX: u32 = 32;
/// `aspect_ratio_idc` that is followed by a ratio.
const EXTENDED_RATIO: u32 = 255;

/// What we use of it.
#[derive(Default)]
pub(super) struct Vui {
    /// `transfer_characteristics`.
    pub(super) transfer: Option<u8>,
    /// Frames per second times 1000.
    pub(super) millifps: Option<u32>,
}

/// Reads on behind the buffering parameters. `None` where the SPS has no VUI or cannot be read that far.
pub(super) fn find(bits: &mut Bits<'_>, order_count_bits: u32) -> Option<Vui> {
    for _ in 0..6 {
        bits.ue()?; // four block sizes, two transform depths
    }
    if bits.flag()? && bits.flag()? {
        skip_scaling_lists(bits)?;
    }
    bits.skip(2); // amp_enabled_flag, sample_adaptive_offset_enabled_flag
    if bits.flag()? {
        bits.skip(8); // two bit depths of PCM samples
        bits.ue()?;
        bits.ue()?;
        bits.skip(1); // pcm_loop_filter_disabled_flag
    }
    skip_reference_sets(bits)?;
    if bits.flag()? {
        let count = bits.ue().filter(|count| *count <= LONG_TERM_MAX)?;
        bits.skip((count * (order_count_bits + 1)) as usize);
    }
    bits.skip(2); // sps_temporal_mvp_enabled_flag, strong_intra_smoothing_enabled_flag
    bits.flag()?.then(|| parse(bits))
}

/// What can be read of the VUI itself.
fn parse(bits: &mut Bits<'_>) -> Vui {
    let mut vui = Vui::default();
    let _ended_early = parse_fields(bits, &mut vui);
    vui
}

fn parse_fields(bits: &mut Bits<'_>, vui: &mut Vui) -> Option<()> {
    if bits.flag()? && bits.read(8)? == EXTENDED_RATIO {
        bits.skip(32); // sar_width, sar_height
    }
    if bits.flag()? {
        bits.skip(1); // overscan_appropriate_flag
    }
    if bits.flag()? {
        bits.skip(4); // video_format, video_full_range_flag
        if bits.flag()? {
            bits.skip(8); // colour_primaries
            vui.transfer = Some(bits.read(8)? as u8);
            bits.skip(8); // matrix_coeffs
        }
    }
    if bits.flag()? {
        bits.ue()?; // chroma_sample_loc_type of both fields
        bits.ue()?;
    }
    bits.skip(3); // neutral_chroma_indication_flag, field_seq_flag, frame_field_info_present_flag
    if bits.flag()? {
        for _ in 0..4 {
            bits.ue()?; // default display window
        }
    }
    if bits.flag()? {
        let (tick, scale) = (u64::from(bits.read(32)?), u64::from(bits.read(32)?));
        let rate = (scale * 1_000).checked_div(tick);
        vui.millifps = rate.and_then(|r| u32::try_from(r).ok()).filter(|r| (1..=1_000_000).contains(r));
    }
    Some(())
}

/// `scaling_list_data` (§7.3.4).
fn skip_scaling_lists(bits: &mut Bits<'_>) -> Option<()> {
    for size in 0..4 {
        // The largest size has two matrices, written in every third place.
        for _ in (0..6).step_by(if size == 3 { 3 } else { 1 }) {
            if !bits.flag()? {
                bits.ue()?; // scaling_list_pred_matrix_id_delta
                continue;
            }
            if size > 1 {
                bits.se()?; // scaling_list_dc_coef_minus8
            }
            for _ in 0..(1 << (4 + 2 * size)).min(64) {
                bits.se()?;
            }
        }
    }
    Some(())
}

/// All `st_ref_pic_set` of the SPS (§7.3.7). One may be written as a change of the one before it.
fn skip_reference_sets(bits: &mut Bits<'_>) -> Option<()> {
    let count = bits.ue().filter(|count| *count <= REFERENCE_SETS_MAX)?;
    let mut pictures = 0;
    for index in 0..count {
        let is_predicted = index > 0 && bits.flag()?;
        pictures = if is_predicted { predicted_set(bits, pictures)? } else { listed_set(bits)? };
    }
    Some(())
}

/// How many pictures a set has that changes one of `before` pictures.
fn predicted_set(bits: &mut Bits<'_>, before: u32) -> Option<u32> {
    bits.skip(1); // delta_rps_sign
    bits.ue()?; // abs_delta_rps_minus1
    let mut pictures = 0;
    for _ in 0..=before {
        let is_used = bits.flag()?;
        let is_kept = is_used || bits.flag()?; // use_delta_flag, which is true where it is not written
        pictures += u32::from(is_kept);
    }
    (pictures <= SET_PICTURES_MAX).then_some(pictures)
}

fn listed_set(bits: &mut Bits<'_>) -> Option<u32> {
    let (earlier, later) = (bits.ue()?, bits.ue()?);
    let pictures = earlier.checked_add(later).filter(|pictures| *pictures <= SET_PICTURES_MAX)?;
    for _ in 0..pictures {
        bits.ue()?; // delta_poc_minus1
        bits.skip(1); // used_by_curr_pic_flag
    }
    Some(pictures)
}
