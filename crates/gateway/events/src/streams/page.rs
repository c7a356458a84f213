//! The list of streams a page at a time.

use serde::Deserialize;
use unisono_api::{Problem, StreamList, StreamView};

/// Streams in a page, at most and by default: as many as a node holds.
const LIMIT_MAX: usize = 1_000;

/// Query of the list.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    limit: Option<usize>,
    /// The name that the page before ended with. Names, not places: nothing is left out when streams come and go.
    cursor: Option<String>,
}

impl Page {
    /// By name, from behind the cursor.
    pub(super) fn cut(&self, mut streams: Vec<StreamView>) -> Result<StreamList, Problem> {
        let limit = self.limit.unwrap_or(LIMIT_MAX);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Problem::bad_request(format!("limit must be from 1 to {LIMIT_MAX}")));
        }
        if let Some(cursor) = &self.cursor {
            streams.retain(|stream| stream.name > *cursor);
        }
        streams.sort_by(|a, b| a.name.cmp(&b.name));
        let has_more = streams.len() > limit;
        streams.truncate(limit);
        let next = has_more.then(|| streams.last().map(|stream| stream.name.clone())).flatten();
        Ok(StreamList { streams, next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unisono_api::{StreamState, Viewers};

    fn stream(name: &str) -> StreamView {
        StreamView {
            name: name.to_owned(),
            state: StreamState::Lost,
            protocol: None,
            epoch: None,
            viewers: Viewers::default(),
            tracks: Vec::new(),
            notes: Vec::new(),
            diagnosis: Vec::new(),
        }
    }

    #[test]
    fn pages_follow_each_other_without_gap_or_repetition() {
        let all = || ["live/c", "live/a", "live/b"].map(stream).to_vec();
        let page = |limit, cursor: Option<String>| {
            let list = Page { limit: Some(limit), cursor }.cut(all()).expect("a page");
            (list.streams.into_iter().map(|s| s.name).collect::<Vec<_>>(), list.next)
        };
        let (first, next) = page(2, None);
        assert_eq!(first, ["live/a", "live/b"]);
        assert_eq!(page(2, next), (vec!["live/c".to_owned()], None));
        assert!(Page { limit: Some(0), cursor: None }.cut(all()).is_err());
    }
}
