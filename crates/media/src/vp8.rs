//! VP8 as far as a server must read it: the frame tag and the keyframe header (RFC 6386 §9.1).

/// Configuration of a VP8 track: the format has no parameter sets, a keyframe says all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vp8Config {
    /// `version` of the frame tag, 0 to 3.
    pub profile: u8,
    /// Width in pixels, 1 to 16383.
    pub width: u32,
    /// Height in pixels, 1 to 16383.
    pub height: u32,
}

/// Why a VP8 frame was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Shorter than its header.
    #[error("VP8 frame of {0} bytes is truncated")]
    Short(usize),
    /// A keyframe without `9d 01 2a`.
    #[error("VP8 keyframe without its start code")]
    StartCode,
    /// A keyframe without a size.
    #[error("VP8 keyframe of no size")]
    Size,
}

/// What the first bytes of a frame say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The configuration of a keyframe; `None` for every other frame.
    pub key: Option<Vp8Config>,
    /// False for a frame that is only a reference.
    pub is_shown: bool,
}

impl Header {
    /// Parses the start of a frame.
    pub fn parse(frame: &[u8]) -> Result<Self, Error> {
        let short = Error::Short(frame.len());
        let &[tag, _, _] = frame.first_chunk().ok_or(short)?;
        let is_shown = tag & 0x10 != 0;
        if tag & 1 == 1 {
            return Ok(Self { key: None, is_shown });
        }
        let rest: &[u8; 10] = frame.first_chunk().ok_or(short)?;
        if rest[3..6] != [0x9d, 0x01, 0x2a] {
            return Err(Error::StartCode);
        }
        // Two bits of scaling hint stand above each side.
        let side = |low: u8, high: u8| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
        let (width, height) = (side(rest[6], rest[7]), side(rest[8], rest[9]));
        if width == 0 || height == 0 {
            return Err(Error::Size);
        }
        Ok(Self { key: Some(Vp8Config { profile: tag >> 1 & 7, width, height }), is_shown })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyframe_gives_its_size() {
        let header =
            Header::parse(&[0x50, 0x42, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x41, 9]).expect("valid");
        assert_eq!(header.key, Some(Vp8Config { profile: 0, width: 640, height: 360 }));
        assert!(header.is_shown);
    }

    #[test]
    fn other_frames_are_no_keyframes() {
        assert_eq!(Header::parse(&[0x31, 0, 0]), Ok(Header { key: None, is_shown: true }));
    }

    #[test]
    fn what_is_broken_is_said() {
        assert_eq!(Header::parse(&[0x50, 0]), Err(Error::Short(2)));
        assert_eq!(Header::parse(&[0x50, 0, 0, 0x9d, 0x01]), Err(Error::Short(5)));
        assert_eq!(Header::parse(&[0x50, 0, 0, 1, 2, 3, 0, 0, 0, 0]), Err(Error::StartCode));
        assert_eq!(Header::parse(&[0x50, 0, 0, 0x9d, 0x01, 0x2a, 0, 0, 1, 0]), Err(Error::Size));
    }
}
