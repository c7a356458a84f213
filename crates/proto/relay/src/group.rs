//! A group on its own stream: a head, then its frames in decode order.
//!
//! ```text
//! | head: subscription track epoch group segment first index config |
//! | frame: flags layer  t-before  t-dts  arrived-t  duration  after-before  [horizon-t]  payload ... |
//! | frame ...
//! ```

use crate::{
    codec,
    message::{SubscriptionId, read_id},
    wire::{ITEM_BYTES_MAX, Items, Malformed, Reader, Writer, micros},
};
use bytes::Bytes;
use std::sync::Arc;
use unisono_base::{Epoch, MediaTime, Span};
use unisono_media::{CodecConfig, Frame};

const KEY: u8 = 1;
const DROPPABLE: u8 = 2;
const HAS_HORIZON: u8 = 4;
const FLAGS: u8 = KEY | DROPPABLE | HAS_HORIZON;

/// What all frames of a group share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupHead {
    /// Whose frames these are.
    pub id: SubscriptionId,
    /// Which track of it.
    pub track: u32,
    /// Run of the timeline.
    pub epoch: Epoch,
    /// Group number as the origin has it.
    pub group: u64,
    /// Segment in force at the group's first frame.
    pub segment: u64,
    /// Number in the origin's ring of the first frame on this stream.
    pub first: u64,
    /// Its index in the group; above 0 only where a subscription resumes.
    pub index: u32,
    /// What its frames are decoded with.
    pub config: Arc<CodecConfig>,
}

/// A frame on its way.
#[derive(Debug)]
pub struct RelayedFrame {
    /// As the origin has it.
    pub frame: Frame,
    /// Control messages of the subscription that it stands behind.
    pub after: u64,
    /// No border will be added at a T below this one.
    pub horizon: Option<MediaTime>,
}

/// Writes one group.
#[derive(Debug, Default)]
pub struct GroupEncoder {
    t: i64,
    after: u64,
}

impl GroupEncoder {
    /// The head's bytes, and the encoder for what follows.
    pub fn begin(head: &GroupHead) -> (Self, Bytes) {
        let mut writer = Writer::default();
        writer.number(head.id.0.into()).number(head.track.into()).number(head.epoch.0.into());
        writer.number(head.group).number(head.segment).number(head.first).number(head.index.into());
        codec::write(&mut writer, &head.config);
        (Self::default(), writer.item(0))
    }

    /// The bytes in front of the frame's payload, which is to be sent right behind them as it is.
    pub fn frame(&mut self, frame: &Frame, after: u64, horizon: Option<MediaTime>) -> Bytes {
        let t = frame.t.as_micros();
        let flags = u8::from(frame.key) * KEY
            + u8::from(frame.droppable) * DROPPABLE
            + u8::from(horizon.is_some()) * HAS_HORIZON;
        let mut writer = Writer::default();
        writer.number(flags.into()).number(frame.layer.into());
        writer.signed(t.wrapping_sub(self.t)).signed((frame.t - frame.dts).as_micros());
        writer.signed((frame.arrived - frame.t).as_micros()).signed(frame.duration.as_micros());
        writer.number(after.saturating_sub(self.after));
        if let Some(horizon) = horizon {
            writer.signed((horizon - frame.t).as_micros());
        }
        (self.t, self.after) = (t, after.max(self.after));
        writer.item(frame.payload.len())
    }
}

/// Something read from a group's stream.
#[derive(Debug)]
pub enum GroupItem {
    /// First of all.
    Head(GroupHead),
    /// Each after that.
    Frame(RelayedFrame),
}

/// Reads one group.
#[derive(Debug)]
pub struct GroupDecoder {
    items: Items,
    has_head: bool,
    t: i64,
    after: u64,
}

impl Default for GroupDecoder {
    fn default() -> Self {
        Self { items: Items::new(ITEM_BYTES_MAX), has_head: false, t: 0, after: 0 }
    }
}

impl GroupDecoder {
    /// Takes what has come.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        self.items.handle_bytes(bytes);
    }

    /// The next whole item.
    pub fn poll(&mut self) -> Result<Option<GroupItem>, Malformed> {
        let Some(item) = self.items.poll()? else { return Ok(None) };
        let mut reader = Reader::new(item);
        if self.has_head {
            return self.frame(reader).map(|frame| Some(GroupItem::Frame(frame)));
        }
        let head = GroupHead {
            id: read_id(&mut reader)?,
            track: reader.u32("track")?,
            epoch: Epoch(reader.u32("epoch")?),
            group: reader.up_to("group", u64::MAX >> 1)?,
            segment: reader.up_to("segment", u64::MAX >> 1)?,
            first: reader.up_to("first frame", u64::MAX >> 1)?,
            index: reader.u32("index")?,
            config: Arc::new(codec::read(&mut reader)?),
        };
        reader.end("head of a group")?;
        self.has_head = true;
        Ok(Some(GroupItem::Head(head)))
    }

    /// True where the stream may end: nothing of an unfinished item is left.
    pub fn is_whole(&self) -> bool {
        self.has_head && self.items.is_empty()
    }

    fn frame(&mut self, mut reader: Reader) -> Result<RelayedFrame, Malformed> {
        let flags = reader.up_to("flags", FLAGS.into())? as u8;
        let layer = reader.u8("layer")?;
        let t = micros("T", self.t.wrapping_add(reader.signed("T")?))?;
        let dts = t - reader.span("decode time")?;
        let arrived = t + reader.span("arrival")?;
        let duration = reader.span("duration")?;
        let after = reader.up_to("order", u64::from(u32::MAX))?.saturating_add(self.after);
        let horizon = match flags & HAS_HORIZON {
            0 => None,
            _ => Some(t + reader.span("horizon")?),
        };
        (self.t, self.after) = (t.as_micros(), after);
        let mut frame = Frame::new(t, arrived, reader.rest());
        (frame.dts, frame.duration, frame.layer) = (dts, duration.max(Span::ZERO), layer);
        (frame.key, frame.droppable) = (flags & KEY != 0, flags & DROPPABLE != 0);
        Ok(RelayedFrame { frame, after, horizon })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use unisono_media::OpusConfig;

    fn head() -> GroupHead {
        let config = Arc::new(CodecConfig::Opus(OpusConfig { channels: 2, pre_skip: 0 }));
        let (id, epoch) = (SubscriptionId(3), Epoch(1_700_000_000));
        GroupHead { id, track: 1, epoch, group: 9, segment: 1_700_000_004, first: 70, index: 0, config }
    }

    fn frame(t: i64, payload: Vec<u8>) -> Frame {
        let t = MediaTime::from_micros(t);
        Frame::new(t, t + Span::from_millis(20), Bytes::from(payload))
    }

    #[test]
    fn a_group_comes_back_as_it_was() {
        let (mut encoder, mut bytes) = {
            let (encoder, bytes) = GroupEncoder::begin(&head());
            (encoder, bytes.to_vec())
        };
        let base = 1_760_000_000_000_000;
        let mut frames = [frame(base, vec![1; 300]), frame(base - 33_000, vec![2])];
        frames[0].key = true;
        frames[0].dts = frames[0].t - Span::from_millis(66);
        frames[1].droppable = true;
        let horizon = Some(MediaTime::from_micros(base));
        for (after, frame) in [4, 5].into_iter().zip(&frames) {
            bytes.extend(encoder.frame(frame, after, horizon));
            bytes.extend(&frame.payload);
        }
        let mut decoder = GroupDecoder::default();
        decoder.handle_bytes(&bytes);
        assert!(matches!(decoder.poll(), Ok(Some(GroupItem::Head(found))) if found == head()));
        for (after, frame) in [4, 5].into_iter().zip(&frames) {
            let Ok(Some(GroupItem::Frame(found))) = decoder.poll() else { panic!("a frame") };
            assert_eq!((found.after, found.horizon), (after, horizon));
            let fields = |f: &Frame| (f.t, f.dts, f.arrived, f.duration, f.key, f.droppable, f.layer);
            assert_eq!(fields(&found.frame), fields(frame));
            assert_eq!(found.frame.payload, frame.payload);
        }
        assert!(decoder.is_whole());
    }

    proptest! {
        #[test]
        fn bytes_from_outside_never_panic(bytes: Vec<u8>, cut in 0usize..200) {
            let mut decoder = GroupDecoder::default();
            let (_, start) = GroupEncoder::begin(&head());
            decoder.handle_bytes(&start[..cut.min(start.len())]);
            decoder.handle_bytes(&bytes);
            while let Ok(Some(_)) = decoder.poll() {}
        }
    }
}
