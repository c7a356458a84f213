//! Finishes what a program that died left open.

use crate::{
    Ended, Entries, Head, Index, Line, Rendition, SegmentLine, Shelf, StorageError,
    live::{self, Live},
    manifest::INDEX,
};
use bytes::Bytes;
use std::sync::Arc;

/// Last segments of each rendition whose files are looked at: a line is written after its file is safe, so that only a disk
/// that lied can have lines without.
const LOOKED_AT: usize = 4;

/// The lines whose files are there. The files of the index that have others are written anew without them, each by itself: whoever
/// dies between two of them loses no line.
pub(crate) async fn repaired(shelf: &dyn Shelf, head: &Head) -> Result<Index, StorageError> {
    let folder = live::folder(head);
    let (mut index, mut pages) = read_pages(shelf, &folder).await?;
    for rendition in Rendition::ALL {
        for _ in 0..LOOKED_AT {
            let Some(last) = index.segments(rendition).last().filter(|line| line.is_kept()).cloned() else {
                break;
            };
            let found = shelf.len(&format!("{folder}/{}", last.name())).await;
            match found {
                Ok(bytes) if bytes == last.bytes => break,
                Ok(_) | Err(StorageError::Missing(_)) => {}
                Err(error) => return Err(error),
            }
            index.lose_last(rendition);
            pages.iter_mut().for_each(|page| page.lose(&last));
        }
    }
    for page in pages.iter().filter(|page| page.is_changed) {
        let text: String = page.lines.iter().map(Line::to_text).collect();
        shelf.put(&page.path, vec![Bytes::from(text)]).await?;
    }
    Ok(index)
}

/// One file of an index.
struct Page {
    path: String,
    /// Those that can be read and follow.
    lines: Vec<Line>,
    /// There are others in it.
    is_changed: bool,
}

impl Page {
    fn lose(&mut self, lost: &SegmentLine) {
        let count = self.lines.len();
        self.lines.retain(|line| !matches!(line, Line::Segment(line) if line == lost));
        self.is_changed |= self.lines.len() < count;
    }
}

async fn read_pages(shelf: &dyn Shelf, folder: &str) -> Result<(Index, Vec<Page>), StorageError> {
    let (mut index, mut pages) = (Index::default(), Vec::new());
    for name in shelf.list(&format!("{folder}/{INDEX}"), Entries::Files).await? {
        if !name.ends_with(".jsonl") {
            continue;
        }
        let path = format!("{folder}/{INDEX}/{name}");
        let (text, damaged) = (shelf.get(&path, None).await?, index.damaged());
        let whole = text.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
        let lines = whole.filter_map(|line| index.read_line(&line[..line.len() - 1])).collect();
        pages.push(Page { path, lines, is_changed: index.damaged() > damaged });
    }
    Ok((index, pages))
}

/// A recording as if it had just been written, to be finished.
pub(crate) fn as_live(head: Head, index: &Index, queue: crate::queue::Queue) -> Arc<Live> {
    let live = Arc::new(Live::new(head, queue));
    index.headers().iter().cloned().for_each(|header| live.push(Line::Header(header)));
    for rendition in Rendition::ALL {
        index.segments(rendition).iter().cloned().for_each(|line| live.push(Line::Segment(line)));
    }
    live.queue.close();
    live
}

/// What the finished head says.
pub(crate) const ENDED: Ended = Ended::Repaired;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Gap,
        index::tests::{lines, segment},
        keep::LINES_MAX,
        manifest::tests::head,
        storage::FolderShelf,
    };
    use std::{collections::HashSet, fs};

    #[tokio::test]
    async fn whoever_dies_while_it_repairs_loses_no_line() {
        let root = std::env::temp_dir().join(format!("unisono-repair-{}", std::process::id()));
        let shelf = FolderShelf::open(&root, 0).expect("a folder");
        let head = head();
        let (folder, count) = (live::folder(&head), LINES_MAX as u64);
        // A line that cannot be read in the first file, headers and a segment that has no file in the second.
        let gap = |n| SegmentLine {
            gap: Some(Gap::Silent),
            bytes: 0,
            sha256: None,
            ..segment(Rendition::Video, n)
        };
        let mut first: String = (1..count).map(|n| Line::Segment(gap(n)).to_text()).collect();
        first.insert_str(0, "{}\n");
        let lost = Line::Segment(segment(Rendition::Video, count + 1));
        let second = [lines(0), vec![Line::Segment(gap(count)), lost.clone()]].concat();
        let second: String = second.iter().map(Line::to_text).collect();
        for (number, text) in [first, second].into_iter().enumerate() {
            let path = crate::keep::page_name(&folder, number);
            shelf.put(&path, vec![Bytes::from(text)]).await.expect("written");
        }
        // The second cannot be written.
        let blocked = root.join(&folder).join("index/000001.jsonl.part");
        fs::create_dir(&blocked).expect("a folder");
        repaired(&shelf, &head).await.expect_err("it stops in the middle");
        fs::remove_dir(&blocked).expect("gone");

        let index = repaired(&shelf, &head).await.expect("repaired");
        let again = crate::catalog::read_index(&shelf, &folder).await.expect("its lines");
        let _ = fs::remove_dir_all(&root);
        for index in [index, again] {
            let numbers: HashSet<u64> =
                index.segments(Rendition::Video).iter().map(|line| line.segment).collect();
            assert_eq!(numbers, (1..=count).map(|n| gap(n).segment).collect());
            assert_eq!(index.headers().len(), 2);
        }
    }
}
