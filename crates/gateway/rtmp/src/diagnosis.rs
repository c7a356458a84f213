//! What is wrong with what a publisher sends before it becomes frames; the hub watches the frames themselves.

use unisono_base::{MediaTime, Span};
use unisono_hub::{Code, Severity, Stream};
use unisono_mux::flv::FlvError;

/// Watches the timestamps of one publisher's tracks.
#[derive(Debug, Default)]
pub(crate) struct Diagnosis {
    last_dts: [Option<Span>; 2],
}

/// Which track a timestamp belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Line {
    Video = 0,
    Audio = 1,
}

impl Line {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Audio => "audio",
        }
    }
}

impl Diagnosis {
    /// A tag was dropped because it cannot be read.
    pub(crate) fn malformed(stream: &Stream, line: Line, error: &FlvError, arrived: MediaTime) {
        let words = format!(
            "A piece of the {} cannot be read and was dropped: {error}. If it repeats, update the encoder, or choose \
             another one.",
            line.as_str()
        );
        stream.happened(Code::Malformed, Severity::Warning, words, arrived);
    }

    /// A tag of a further track (Enhanced RTMP Multitrack) was left out.
    pub(crate) fn other_track(stream: &Stream, line: Line, id: u8, arrived: MediaTime) {
        let words = format!(
            "The encoder sends more than one {} track (Multitrack, here number {id}): the first is taken and the others \
             are left out. Switch multitrack off in the encoder to save its bandwidth.",
            line.as_str()
        );
        stream.happened(Code::ExtraTracks, Severity::Info, words, arrived);
    }

    /// A tag's own time. That it goes back is a fault of the encoder; the frame is taken all the same.
    pub(crate) fn timestamp(&mut self, stream: &Stream, line: Line, dts: Span, arrived: MediaTime) {
        let last = self.last_dts[line as usize].replace(dts).unwrap_or(dts);
        if dts < last {
            let words = format!(
                "The {} timestamps went back by {}: players may stutter. Restart the encoder; with FFmpeg look at the \
                 input (-fflags +genpts, or +igndts), in OBS at sources that loop.",
                line.as_str(),
                last - dts
            );
            stream.happened(Code::TimestampsBackwards, Severity::Warning, words, arrived);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use unisono_base::{Doorbell, KeyId, StreamId};
    use unisono_hub::{Hub, Limits, Source};

    struct Silent;
    impl Doorbell for Silent {
        fn ring(&self) {}
    }

    #[test]
    fn tracks_are_watched_apart() {
        let id = StreamId::local("live/a".parse().expect("valid"));
        let source = Source { protocol: "rtmp", accepts_pli: false };
        let published =
            Hub::new(Limits::default()).publish(&id, KeyId::new("k"), source, 1, Arc::new(Silent));
        let publication = published.expect("free");
        let stream = publication.stream();
        let mut diagnosis = Diagnosis::default();
        let now = MediaTime::from_micros(1_000_000);
        diagnosis.timestamp(stream, Line::Video, Span::from_millis(40), now);
        diagnosis.timestamp(stream, Line::Audio, Span::from_millis(20), now);
        assert!(stream.diagnosis(Some(now)).is_empty());
        diagnosis.timestamp(stream, Line::Video, Span::from_millis(39), now);
        let found = stream.diagnosis(Some(now)).remove(0);
        assert_eq!(found.code, Code::TimestampsBackwards);
        assert!(found.words.starts_with("The video timestamps went back by 1"), "{}", found.words);
    }
}
