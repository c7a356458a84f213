//! The write-ahead file, looked at before SQLite opens it. SQLite reads it up to the first frame whose checksum is
//! wrong and drops the rest without a word; this finds the words (sqlite.org/fileformat2.html#walformat).
//!
//! ```text
//! header  magic:u32 version:u32 page_size:u32 sequence:u32 salt:u64 checksum:2xu32     big endian
//! frame   page:u32 size_after_commit:u32 salt:u64 checksum:2xu32 | page_size bytes     repeated
//! ```

use std::{
    ffi::OsString,
    fmt,
    fs::{self, File},
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
    time::Duration,
};

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// The lowest bit says in which byte order checksums are taken.
const MAGIC: u32 = 0x377f_0682;
/// Copies of damaged files kept; a further one replaces the last.
const COPIES_MAX: usize = 8;
/// How long they are kept: long enough to be looked at, not for ever, since they hold what people wrote.
const COPIES_FOR: Duration = Duration::from_secs(30 * 86_400);

/// What was wrong with the write-ahead file when it was opened. Everything before it was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Damage {
    /// The last write is incomplete. After a crash that is usual: such a write was not acknowledged. After a power
    /// loss on a disk that lies about `fsync`, or if somebody cut the file, acknowledged entries may be missing.
    Torn {
        /// The file.
        path: PathBuf,
        /// Bytes up to the last whole transaction.
        whole: u64,
        /// Bytes after it that were dropped.
        dropped: u64,
    },
    /// Bytes in its middle were changed. What was written after them is missing, acknowledged or not.
    Broken {
        /// The file.
        path: PathBuf,
        /// Where the first wrong frame begins.
        at: u64,
        /// Frames of the same run from there on.
        frames: u64,
        /// Where a copy of the file was put.
        copy: PathBuf,
    },
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Torn { path, whole, dropped } => write!(
                f,
                "{} ended with an incomplete write, as a crash leaves it: its first {whole} bytes are kept, {dropped} \
                 bytes that belong to no finished write are dropped",
                path.display()
            ),
            Self::Broken { path, at, frames, copy } => write!(
                f,
                "{} is damaged at byte {at}: {frames} pages written from there on are lost, and with them the entries \
                 that were appended last; everything before is kept. A copy is in {}. Check the disk",
                path.display(),
                copy.display()
            ),
        }
    }
}

/// How far a file is whole.
#[derive(Debug, Default, PartialEq, Eq)]
struct Scan {
    len: u64,
    /// Up to the end of the last transaction.
    whole: u64,
    /// The first frame that is not whole.
    wrong_at: Option<u64>,
    /// Frames of the same run after that.
    after: u64,
}

/// Looks at the write-ahead file of the database at `path`; a damaged one is copied before it is lost.
pub(super) fn inspect(path: &Path) -> io::Result<Option<Damage>> {
    let wal = with_suffix(path, "-wal");
    let file = match File::open(&wal) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let len = file.metadata()?.len();
    let scan = scan(BufReader::with_capacity(1 << 16, file), len)?;
    Ok(match scan.wrong_at {
        Some(at) if scan.after > 0 => {
            let copy = put_aside(&wal)?;
            Some(Damage::Broken { path: wal, at, frames: scan.after + 1, copy })
        }
        Some(_) => Some(Damage::Torn { path: wal, whole: scan.whole, dropped: len - scan.whole }),
        None => None,
    })
}

fn scan(mut file: impl Read, len: u64) -> io::Result<Scan> {
    let mut scan = Scan { len, ..Scan::default() };
    let mut header = [0; HEADER];
    if len == 0 || !fill(&mut file, &mut header)? {
        scan.wrong_at = (len > 0).then_some(0);
        return Ok(scan);
    }
    let magic = word(&header, 0);
    let page = word(&header, 8) as usize;
    let mut sum = Sum { is_big: magic & 1 == 1, s: [0, 0] };
    sum.take(&header[..24]);
    let is_header_whole = magic & !1 == MAGIC && sum.is(&header, 24);
    if !is_header_whole || !(512..=65_536).contains(&page) {
        let body = len - HEADER as u64;
        return Ok(Scan { wrong_at: Some(0), after: body / 4_096, ..scan });
    }
    scan.whole = HEADER as u64;
    frames(file, &header[16..24], page, sum, &mut scan)?;
    Ok(scan)
}

fn frames(mut file: impl Read, salt: &[u8], page: usize, mut sum: Sum, scan: &mut Scan) -> io::Result<()> {
    let mut frame = vec![0; FRAME_HEADER + page];
    let size = frame.len() as u64;
    let mut at = HEADER as u64;
    let mut is_uncommitted = false;
    while fill(&mut file, &mut frame)? {
        let is_of_this_run = &frame[8..16] == salt;
        if scan.wrong_at.is_some() {
            scan.after += u64::from(is_of_this_run);
        } else {
            sum.take(&frame[..8]);
            sum.take(&frame[FRAME_HEADER..]);
            if !is_of_this_run || !sum.is(&frame, 16) {
                // A frame of the run before is where this run ends, unless more of this one follow.
                scan.wrong_at = Some(at);
                is_uncommitted |= is_of_this_run;
            } else {
                is_uncommitted = word(&frame, 4) == 0;
                if !is_uncommitted {
                    scan.whole = at + size;
                }
            }
        }
        at += size;
    }
    let is_cut = at < scan.len && scan.wrong_at.is_none();
    if is_cut {
        scan.wrong_at = Some(at);
    } else if scan.after == 0 && !is_uncommitted {
        scan.wrong_at = None;
    } else if is_uncommitted {
        scan.wrong_at = scan.wrong_at.or(Some(scan.whole));
    }
    Ok(())
}

/// Checksum of the format: two sums over pairs of words.
struct Sum {
    is_big: bool,
    s: [u32; 2],
}

impl Sum {
    fn take(&mut self, bytes: &[u8]) {
        for pair in bytes.chunks_exact(8) {
            let word = |at: usize| {
                let bytes = [pair[at], pair[at + 1], pair[at + 2], pair[at + 3]];
                if self.is_big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
            };
            self.s[0] = self.s[0].wrapping_add(word(0)).wrapping_add(self.s[1]);
            self.s[1] = self.s[1].wrapping_add(word(4)).wrapping_add(self.s[0]);
        }
    }

    fn is(&self, bytes: &[u8], at: usize) -> bool {
        self.s == [word(bytes, at), word(bytes, at + 4)]
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// False at the end of the file, or where it ends within.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(buffer) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| true),
    }
}

/// Takes away the copies of the database at `path` that are older than a month.
pub(super) fn forget_old_copies(path: &Path) -> io::Result<()> {
    let is_old = |copy: &Path| {
        let written = fs::metadata(copy).and_then(|data| data.modified());
        written.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > COPIES_FOR))
    };
    forget(copies(&with_suffix(path, "-wal")).filter(|copy| is_old(copy)))
}

/// Takes all of them away: what is erased from the database may stand in them, also what only they hold.
pub(super) fn forget_copies(path: &Path) -> io::Result<()> {
    forget(copies(&with_suffix(path, "-wal")))
}

fn forget(copies: impl Iterator<Item = PathBuf>) -> io::Result<()> {
    for copy in copies.filter(|copy| copy.exists()) {
        fs::remove_file(&copy)?;
    }
    Ok(())
}

fn copies(wal: &Path) -> impl DoubleEndedIterator<Item = PathBuf> + Clone {
    (0..COPIES_MAX).map(move |number| with_suffix(wal, &format!(".damaged.{number}")))
}

fn put_aside(wal: &Path) -> io::Result<PathBuf> {
    let mut names = copies(wal);
    let free = names.clone().find(|name| !name.exists());
    let name = free.or(names.next_back()).unwrap_or_else(|| with_suffix(wal, ".damaged"));
    fs::copy(wal, &name)?;
    Ok(name)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
