//! What is wrong with a publisher's stream, said once in the log, with what to set.

use tracing::warn;
use unisono_base::{MediaTime, Span, StreamId};
use unisono_mux::flv::FlvError;

/// Longest time without a keyframe that goes without a word.
const KEYFRAME_WAIT: Span = Span::from_secs(10);

/// Watches one publisher's video and audio.
#[derive(Debug, Default)]
pub(crate) struct Diagnosis {
    newest_pts: Option<Span>,
    last_dts: [Option<Span>; 2],
    last_key: Option<MediaTime>,
    said_reordered: bool,
    said_backwards: bool,
    said_no_key: bool,
    said_malformed: bool,
    said_other_track: [bool; 2],
}

/// Which track a timestamp belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Line {
    Video = 0,
    Audio = 1,
}

impl Diagnosis {
    /// A video frame arrived.
    pub(crate) fn video(&mut self, stream: &StreamId, pts: Span, key: bool, arrived: MediaTime) {
        if self.newest_pts.is_some_and(|newest| pts < newest) && !self.said_reordered {
            self.said_reordered = true;
            warn!(
                %stream,
                "the encoder sends B-frames: browsers cannot play them by WebRTC, so viewers get HLS only; set B-frames \
                 to 0 (OBS: Max B-frames 0, or tune zerolatency with x264; ffmpeg: -bf 0, or for x265 tune zerolatency)"
            );
        }
        self.newest_pts = self.newest_pts.max(Some(pts));
        let since = *self.last_key.get_or_insert(arrived);
        if key {
            self.last_key = Some(arrived);
            self.said_no_key = false;
        } else if arrived - since > KEYFRAME_WAIT && !self.said_no_key {
            self.said_no_key = true;
            warn!(
                %stream,
                "no keyframe for 10 s: viewers wait that long to join; set the keyframe interval to 2 s (OBS: Keyframe \
                 Interval 2 s; ffmpeg: -g with twice the frame rate)"
            );
        }
    }

    /// A tag was dropped because it cannot be read.
    pub(crate) fn malformed(&mut self, stream: &StreamId, line: Line, error: &FlvError) {
        if !std::mem::replace(&mut self.said_malformed, true) {
            warn!(%stream, ?line, %error, "a tag cannot be read and is dropped; said once per publisher");
        }
    }

    /// A tag of a further track (Enhanced RTMP Multitrack) was left out.
    pub(crate) fn other_track(&mut self, stream: &StreamId, line: Line, id: u8) {
        if !std::mem::replace(&mut self.said_other_track[line as usize], true) {
            warn!(
                %stream, ?line, id,
                "the encoder sends more than one track of a kind (Multitrack): the first is taken and the others are \
                 left out; switch multitrack off in the encoder to save its bandwidth"
            );
        }
    }

    /// A tag's own time. That it goes back is a fault of the encoder; the frame is taken all the same.
    pub(crate) fn timestamp(&mut self, stream: &StreamId, line: Line, dts: Span) {
        let last = self.last_dts[line as usize].replace(dts).unwrap_or(dts);
        if dts < last && !std::mem::replace(&mut self.said_backwards, true) {
            warn!(%stream, ?line, by = %(last - dts), "the encoder's timestamps go back; said once per publisher");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_complaint_is_made_once_until_it_is_mended() {
        let stream = StreamId::local("live/a".parse().expect("valid"));
        let mut diagnosis = Diagnosis::default();
        let at = |s: i64| MediaTime::from_micros(s * 1_000_000);
        diagnosis.video(&stream, Span::from_millis(80), true, at(0));
        assert!(!diagnosis.said_reordered);
        diagnosis.video(&stream, Span::from_millis(40), false, at(11));
        assert!(diagnosis.said_reordered && diagnosis.said_no_key);
        diagnosis.video(&stream, Span::from_millis(120), true, at(12));
        assert!(!diagnosis.said_no_key);
    }

    #[test]
    fn tracks_are_watched_apart() {
        let stream = StreamId::local("live/a".parse().expect("valid"));
        let mut diagnosis = Diagnosis::default();
        diagnosis.timestamp(&stream, Line::Video, Span::from_millis(40));
        diagnosis.timestamp(&stream, Line::Audio, Span::from_millis(20));
        assert!(!diagnosis.said_backwards);
        diagnosis.timestamp(&stream, Line::Video, Span::from_millis(39));
        assert!(diagnosis.said_backwards);
    }
}
