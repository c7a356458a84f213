//! Event messages in band: `emsg` version 1 around an ID3v2.4 tag, the one form that hls.js and Safari hand to the
//! page (decisions 21).

use super::Error;
use mp4_atom::{Emsg, EmsgTimestamp, Encode};

/// `scheme_id_uri` of an `emsg` that holds an ID3 tag (AOM "Carriage of ID3 Timed Metadata in CMAF").
pub const ID3_SCHEME: &str = "https://aomedia.org/emsg/ID3";

/// One `emsg` box, version 1: its time is absolute on the track's media timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Ticks per second, the track's.
    pub timescale: u32,
    /// When it is to be shown, in ticks on the track's media timeline.
    pub at: u64,
    /// How long it stays, in ticks; 0 for a point in time.
    pub duration: u32,
    /// Equal ids mean the same message sent again.
    pub id: u32,
    /// The ID3 tag.
    pub data: Vec<u8>,
}

impl Message {
    pub(super) fn encode(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        let emsg = Emsg {
            timescale: self.timescale,
            presentation_time: EmsgTimestamp::Absolute(self.at),
            event_duration: self.duration,
            id: self.id,
            scheme_id_uri: ID3_SCHEME.into(),
            value: String::new(),
            message_data: self.data.clone(),
        };
        Ok(emsg.encode(out)?)
    }
}

/// An ID3v2.4 tag (id3.org, "ID3v2.4.0 Main Structure") with one PRIV frame: `owner`, a zero byte, `data`.
///
/// ```text
/// "ID3" 04 00 00 <size: 4 x 7 bit> | "PRIV" <size: 4 x 7 bit> 00 00 | owner 00 data
/// ```
///
/// Sizes have 28 bits; data beyond that (events are limited to about 1 KiB) is cut off.
pub fn id3_private(owner: &str, data: &[u8]) -> Vec<u8> {
    const SIZE_MAX: usize = (1 << 28) - 1 - 10;
    let body = (owner.len() + 1 + data.len()).min(SIZE_MAX);
    let data = &data[..body.saturating_sub(owner.len() + 1)];
    let mut tag = Vec::with_capacity(20 + body);
    tag.extend_from_slice(b"ID3\x04\x00\x00");
    tag.extend_from_slice(&synchsafe(10 + body));
    tag.extend_from_slice(b"PRIV");
    tag.extend_from_slice(&synchsafe(body));
    tag.extend_from_slice(&[0, 0]);
    tag.extend_from_slice(owner.as_bytes());
    tag.push(0);
    tag.extend_from_slice(data);
    tag
}

/// 28 bits in four bytes whose top bits are zero.
fn synchsafe(size: usize) -> [u8; 4] {
    [21, 14, 7, 0].map(|shift| (size >> shift) as u8 & 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_frame_inside_a_tag() {
        let tag = id3_private("unisono", &[7; 200]);
        assert_eq!(&tag[..10], b"ID3\x04\x00\x00\x00\x00\x01\x5a", "218 = 1 * 128 + 90");
        assert_eq!(&tag[10..20], b"PRIV\x00\x00\x01\x50\x00\x00", "208 = 1 * 128 + 80");
        assert_eq!(&tag[20..28], b"unisono\0");
        assert_eq!(tag.len(), 228);
    }
}
