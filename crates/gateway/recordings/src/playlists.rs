//! The text of media playlists. That of a day has megabytes: it is made once for all who ask, and compressed once.

use crate::sendings::Sendings;
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use parking_lot::Mutex;
use std::{collections::VecDeque, io::Write as _, sync::Arc, time::Duration};
use tokio::sync::Semaphore;
use unisono_api::Problem;
use unisono_record::{
    Index, RecordingId, Rendition,
    vod::{self, Growth, Within},
};

/// Texts kept, with their compressed forms, in bytes.
const KEPT_BYTES_MAX: usize = 64 << 20;
/// Texts that are made at once.
const MAKING_MAX: usize = 2;
/// How long a request waits for its turn to make one.
const TURN_WITHIN: Duration = Duration::from_secs(5);

/// Which playlist it is. A recording's lines are only ever added to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Which {
    pub(crate) recording: RecordingId,
    pub(crate) rendition: Rendition,
    pub(crate) growth: Growth,
    pub(crate) span: Within,
}

/// One text in both forms.
#[derive(Debug)]
pub(crate) struct Text {
    plain: Bytes,
    gzip: Bytes,
}

#[derive(Debug)]
struct Kept {
    of: Which,
    segments: usize,
    text: Arc<Text>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Playlists {
    kept: Mutex<VecDeque<Kept>>,
    turns: Semaphore,
}

impl Default for Playlists {
    fn default() -> Self {
        Self { kept: Mutex::default(), turns: Semaphore::new(MAKING_MAX) }
    }
}

impl Playlists {
    /// The text; `None` while nothing of the rendition is kept in that span. 503 when too many others are made before.
    pub(crate) async fn text(&self, of: Which, index: Arc<Index>) -> Result<Option<Arc<Text>>, Problem> {
        let segments = index.segments(of.rendition).len();
        if let Some(text) = self.known(&of, segments) {
            return Ok(Some(text));
        }
        let busy = || Problem::unavailable("many playlists are made just now; try again").retry_after(1);
        let turn = tokio::time::timeout(TURN_WITHIN, self.turns.acquire()).await;
        let _turn = turn.map_err(|_| busy())?.map_err(|_| busy())?;
        // Somebody else may have made it meanwhile.
        if let Some(text) = self.known(&of, segments) {
            return Ok(Some(text));
        }
        let made = tokio::task::spawn_blocking(move || Text::make(&index, of)).await;
        let Some(text) = made.map_err(|_| busy())?.map(Arc::new) else { return Ok(None) };
        if of.is_kept() {
            self.keep(Kept { of, segments, text: text.clone() });
        }
        Ok(Some(text))
    }

    fn known(&self, of: &Which, segments: usize) -> Option<Arc<Text>> {
        let kept = self.kept.lock();
        let found = kept.iter().find(|kept| kept.of == *of && kept.segments == segments);
        found.map(|kept| kept.text.clone())
    }

    fn keep(&self, new: Kept) {
        let mut kept = self.kept.lock();
        let is_same =
            |old: &Kept| (old.of.recording, old.of.rendition) == (new.of.recording, new.of.rendition);
        kept.retain(|old| !is_same(old));
        kept.push_back(new);
        let bytes = |kept: &VecDeque<Kept>| kept.iter().map(|kept| kept.text.bytes()).sum::<usize>();
        while bytes(&kept) > KEPT_BYTES_MAX {
            kept.pop_front();
        }
    }
}

impl Text {
    fn make(index: &Index, of: Which) -> Option<Self> {
        let plain = Bytes::from(vod::media(index, of.rendition, of.growth, of.span)?);
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        // Writing to memory cannot fail.
        let _ = encoder.write_all(&plain);
        let gzip = encoder.finish().unwrap_or_default().into();
        Some(Self { plain, gzip })
    }

    fn bytes(&self) -> usize {
        self.plain.len() + self.gzip.len()
    }

    /// The answer with it, compressed for whoever takes that. A clip's text is held by its answer alone, so that takes a
    /// place among `sendings`; 503 while there is none.
    pub(crate) fn answer(
        &self,
        of: &Which,
        request: &HeaderMap,
        sendings: &Sendings,
    ) -> Result<Response, Problem> {
        let is_coded = accepts_gzip(request);
        let text = if is_coded { &self.gzip } else { &self.plain };
        let length = (header::CONTENT_LENGTH, text.len().to_string());
        let body = if of.is_kept() {
            Body::from(text.clone())
        } else {
            // The form that is not sent is dropped with this.
            Body::from_stream(sendings.begin(text.len() as u64)?.pieces(text.clone()))
        };
        let mut answer = ([(header::VARY, "accept-encoding".to_owned()), length], body).into_response();
        if is_coded {
            answer.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        Ok(answer)
    }
}

impl Which {
    /// Clips are too many to be kept.
    fn is_kept(&self) -> bool {
        self.span == Within::default()
    }
}

/// RFC 9110 §12.5.3; a weight of zero refuses.
fn accepts_gzip(request: &HeaderMap) -> bool {
    let all = request.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_some_and(|weight| weight > 0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_text_of_a_clip_takes_a_place_until_it_is_read() {
        let text = Text { plain: vec![b'a'; 100 << 10].into(), gzip: Bytes::from_static(b"a") };
        let clip = Which {
            recording: "01a2021b-10dc-778a-89fc-b601ab5aa29f".parse().expect("an id"),
            rendition: Rendition::Video,
            growth: Growth::Whole,
            span: Within { from: Some(unisono_base::MediaTime::from_micros(1)), to: None },
        };
        let sendings = Sendings::of(150);
        let answer = |of: &Which| text.answer(of, &HeaderMap::new(), &sendings);
        let first = answer(&clip).expect("room");
        assert_eq!(first.headers()[header::CONTENT_LENGTH], "102400");
        assert!(answer(&clip).is_err(), "slow readers of many clips hold so much at most");
        assert!(
            answer(&Which { span: Within::default(), ..clip }).is_ok(),
            "a whole one is held once for all"
        );
        let read = axum::body::to_bytes(first.into_body(), usize::MAX).await.expect("whole");
        assert_eq!(read.len(), 100 << 10);
        assert!(answer(&clip).is_ok());
    }

    #[test]
    fn gzip_is_for_whoever_takes_it() {
        let accepts = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, value.parse().expect("text"));
            accepts_gzip(&headers)
        };
        assert!(accepts("gzip") && accepts("br, GZIP;q=0.5") && accepts("deflate,gzip"));
        assert!(!accepts("br") && !accepts("gzip;q=0") && !accepts("gzip;q=x"));
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}
