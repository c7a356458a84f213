//! VP9 as far as a server must read it: the start of the uncompressed header (VP9 bitstream specification §6.2).

use crate::bits::Bits;

/// Configuration of a VP9 track, from its last keyframe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vp9Config {
    /// 0 to 3: 0 is 8 bit 4:2:0, 2 is 10 or 12 bit 4:2:0.
    pub profile: u8,
    /// Bits per sample: 8, 10 or 12.
    pub bit_depth: u8,
    /// `color_space` (§7.2.2): 2 is BT.709.
    pub color_space: u8,
    /// Samples use the whole range of values.
    pub is_full_range: bool,
    /// Chroma has half the columns.
    pub subsampling_x: bool,
    /// Chroma has half the rows.
    pub subsampling_y: bool,
    /// Width in pixels, 1 to 65536.
    pub width: u32,
    /// Height in pixels, 1 to 65536.
    pub height: u32,
}

impl Vp9Config {
    /// Ten times the lowest level (VP9 levels, Annex A) whose picture size and side hold this one. The bitstream
    /// does not say a level; a player only checks it against what it can decode.
    pub fn level(&self) -> u8 {
        const LEVELS: [(u8, u64, u32); 9] = [
            (10, 36_864, 512),
            (11, 73_728, 768),
            (20, 122_880, 960),
            (21, 245_760, 1_344),
            (30, 552_960, 2_048),
            (31, 983_040, 2_752),
            (40, 2_228_224, 4_160),
            (50, 8_912_896, 8_384),
            (60, 35_651_584, 16_832),
        ];
        let samples = u64::from(self.width) * u64::from(self.height);
        let side = self.width.max(self.height);
        LEVELS.iter().find(|(_, most, longest)| samples <= *most && side <= *longest).map_or(62, |l| l.0)
    }

    /// `chromaSubsampling` of `vpcC`: 1 is 4:2:0 with samples beside luma's, 2 is 4:2:2, 3 is 4:4:4.
    pub const fn chroma_subsampling(&self) -> u8 {
        match (self.subsampling_x, self.subsampling_y) {
            (true, true) => 1,
            (true, false) => 2,
            (false, _) => 3,
        }
    }

    /// Colour primaries, transfer characteristics and matrix coefficients (ISO/IEC 23091-2) of `color_space`.
    pub const fn colour(&self) -> [u8; 3] {
        match self.color_space {
            1 => [5, 6, 5],
            2 => [1, 1, 1],
            3 => [6, 6, 6],
            4 => [7, 7, 7],
            5 => [9, 14, 9],
            7 => [1, 13, 0],
            _ => [2, 2, 2],
        }
    }

    /// The codecs parameter (VP codec ISO media file format binding): `vp09.00.30.08`.
    pub fn rfc6381(&self) -> String {
        format!("vp09.{:02}.{:02}.{:02}", self.profile, self.level(), self.bit_depth)
    }
}

/// Why a VP9 frame was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Ends inside its header.
    #[error("VP9 frame of {0} bytes is truncated")]
    Short(usize),
    /// Does not begin with the frame marker.
    #[error("VP9 frame without its frame marker")]
    Marker,
    /// A keyframe without `49 83 42`.
    #[error("VP9 keyframe without its sync code")]
    SyncCode,
}

/// What the first bytes of a frame say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The configuration of a keyframe; `None` for every other frame.
    pub key: Option<Vp9Config>,
    /// False for a frame that is only a reference.
    pub is_shown: bool,
}

impl Header {
    /// Parses the start of a frame, or of a superframe's first frame.
    pub fn parse(frame: &[u8]) -> Result<Self, Error> {
        parse(&mut Bits::new(frame)).ok_or(Error::Short(frame.len()))?
    }
}

fn parse(bits: &mut Bits<'_>) -> Option<Result<Header, Error>> {
    if bits.read(2)? != 2 {
        return Some(Err(Error::Marker));
    }
    let profile = (bits.read(1)? | bits.read(1)? << 1) as u8;
    if profile == 3 {
        bits.read(1)?; // reserved_zero
    }
    if bits.flag()? {
        return Some(Ok(Header { key: None, is_shown: true })); // show_existing_frame
    }
    let is_key = !bits.flag()?;
    let is_shown = bits.flag()?;
    bits.read(1)?; // error_resilient_mode
    if !is_key {
        return Some(Ok(Header { key: None, is_shown }));
    }
    if bits.read(24)? != 0x49_83_42 {
        return Some(Err(Error::SyncCode));
    }
    let bit_depth = if profile >= 2 { if bits.flag()? { 12 } else { 10 } } else { 8 };
    let color_space = bits.read(3)? as u8;
    let has_subsampling = profile % 2 == 1;
    let (is_full_range, subsampling_x, subsampling_y) = if color_space == 7 {
        if has_subsampling {
            bits.read(1)?; // reserved_zero
        }
        (true, false, false)
    } else {
        let range = bits.flag()?;
        match has_subsampling {
            true => {
                let (x, y) = (bits.flag()?, bits.flag()?);
                bits.read(1)?; // reserved_zero
                (range, x, y)
            }
            false => (range, true, true),
        }
    };
    let (width, height) = (bits.read(16)? + 1, bits.read(16)? + 1);
    let key = Vp9Config {
        profile,
        bit_depth,
        color_space,
        is_full_range,
        subsampling_x,
        subsampling_y,
        width,
        height,
    };
    Some(Ok(Header { key: Some(key), is_shown }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Profile 0, shown keyframe, BT.601, 640x360, as libvpx writes it.
    const KEY: [u8; 10] = [0x82, 0x49, 0x83, 0x42, 0x20, 0x27, 0xf0, 0x16, 0x70, 0x00];

    #[test]
    fn a_keyframe_gives_its_configuration() {
        let config = Header::parse(&KEY).expect("valid").key.expect("a keyframe");
        assert_eq!((config.width, config.height), (640, 360));
        assert_eq!((config.profile, config.bit_depth, config.chroma_subsampling()), (0, 8, 1));
        assert_eq!(config.rfc6381(), "vp09.00.21.08");
    }

    #[test]
    fn other_frames_are_no_keyframes() {
        assert_eq!(Header::parse(&[0x86, 0]), Ok(Header { key: None, is_shown: true }));
    }

    #[test]
    fn what_is_broken_is_said() {
        assert_eq!(Header::parse(&[0x00, 0]), Err(Error::Marker));
        assert_eq!(Header::parse(&[0x82, 0x49, 0x83]), Err(Error::Short(3)));
        assert_eq!(Header::parse(&[0x82, 1, 2, 3, 4, 5, 6, 7, 8]), Err(Error::SyncCode));
    }
}
