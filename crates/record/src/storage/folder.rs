//! Recordings in a folder. A file is safe when its bytes and its name were fsynced; blocking calls run beside the runtime.

use super::{Entries, Shelf, StorageError};
use bytes::{Bytes, BytesMut};
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _},
    ops::Range,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};
use unisono_store::BoxFuture;

/// Added to a name while the file is not whole.
const UNFINISHED: &str = ".part";
/// Where folders are while they are taken away: so that one that was cut off is no recording any more. No app has this name.
const GONE: &str = "~gone";

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct FolderShelf {
    root: Arc<Path>,
    free_bytes_min: u64,
}

impl FolderShelf {
    /// Makes the folder where there is none.
    pub(crate) fn open(root: &Path, free_bytes_min: u64) -> Result<Self, StorageError> {
        let shelf = Self { root: root.into(), free_bytes_min };
        // Now: a disk that is full may have no room for another folder.
        make_folders(&root.join(GONE)).map_err(|error| shelf.failed(root, &error))?;
        Ok(shelf)
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn failed(&self, path: &Path, error: &io::Error) -> StorageError {
        let place = path.display().to_string();
        match error.kind() {
            ErrorKind::NotFound => StorageError::Missing(place),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                StorageError::Full { place, reason: error.to_string() }
            }
            _ => StorageError::Failed { place, reason: error.to_string() },
        }
    }

    /// Others write to the same disk, the rooms' logs before all.
    fn has_room(&self) -> Result<(), StorageError> {
        let place = self.root.display().to_string();
        let free = nix::sys::statvfs::statvfs(&*self.root);
        let free =
            free.map_err(|error| StorageError::Failed { place: place.clone(), reason: error.to_string() })?;
        let bytes = free.blocks_available().saturating_mul(free.fragment_size());
        if bytes >= self.free_bytes_min {
            return Ok(());
        }
        let mib = |bytes: u64| bytes >> 20;
        let reason = format!("{} MiB are free; {} must stay so", mib(bytes), mib(self.free_bytes_min));
        Err(StorageError::Full { place, reason })
    }

    /// Runs beside the runtime's threads.
    fn blocking<'a, T: Send + 'static>(
        &self,
        path: &str,
        work: impl FnOnce(&Self, &Path) -> Result<T, StorageError> + Send + 'static,
    ) -> BoxFuture<'a, Result<T, StorageError>> {
        let (shelf, path) = (self.clone(), self.at(path));
        Box::pin(async move {
            let place = path.display().to_string();
            let done = tokio::task::spawn_blocking(move || work(&shelf, &path)).await;
            done.unwrap_or_else(|_| Err(StorageError::Failed { place, reason: "the node goes down".into() }))
        })
    }
}

impl Shelf for FolderShelf {
    fn put<'a>(&'a self, path: &'a str, chunks: Vec<Bytes>) -> BoxFuture<'a, Result<(), StorageError>> {
        self.blocking(path, move |shelf, path| {
            shelf.has_room()?;
            replace(path, &chunks).map_err(|error| shelf.failed(path, &error))
        })
    }

    fn extend<'a>(
        &'a self,
        path: &'a str,
        whole: Bytes,
        new: usize,
    ) -> BoxFuture<'a, Result<(), StorageError>> {
        self.blocking(path, move |shelf, path| {
            extend(path, &whole, new).map_err(|error| shelf.failed(path, &error))
        })
    }

    fn get<'a>(
        &'a self,
        path: &'a str,
        range: Option<Range<u64>>,
    ) -> BoxFuture<'a, Result<Bytes, StorageError>> {
        self.blocking(path, move |shelf, path| read(path, range).map_err(|error| shelf.failed(path, &error)))
    }

    fn len<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<u64, StorageError>> {
        self.blocking(path, |shelf, path| {
            fs::metadata(path).map(|meta| meta.len()).map_err(|error| shelf.failed(path, &error))
        })
    }

    fn list<'a>(
        &'a self,
        folder: &'a str,
        what: Entries,
    ) -> BoxFuture<'a, Result<Vec<String>, StorageError>> {
        self.blocking(folder, move |shelf, path| match names(path, what) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            names => names.map_err(|error| shelf.failed(path, &error)),
        })
    }

    fn remove<'a>(&'a self, folder: &'a str) -> BoxFuture<'a, Result<(), StorageError>> {
        self.blocking(folder, |shelf, path| {
            take_away(&shelf.root, path).map_err(|error| shelf.failed(path, &error))?;
            // The folders of a stream that has nothing left; others are not empty and stay.
            let parents = path.ancestors().skip(1).take_while(|parent| **parent != *shelf.root);
            parents.take(2).for_each(|parent| drop(fs::remove_dir(parent)));
            Ok(())
        })
    }

    fn tidy(&self) -> BoxFuture<'_, Result<(), StorageError>> {
        self.blocking(GONE, |shelf, path| {
            let names = names(path, Entries::Folders).map_err(|error| shelf.failed(path, &error))?;
            let all = names.iter().try_for_each(|name| remove_all(&path.join(name)));
            all.map_err(|error| shelf.failed(path, &error))
        })
    }

    fn check(&self) -> BoxFuture<'_, Result<(), StorageError>> {
        self.blocking("", |shelf, path| {
            shelf.has_room()?;
            let probe = path.join(".writable");
            replace(&probe, &[]).map_err(|error| shelf.failed(path, &error))?;
            fs::remove_file(&probe).map_err(|error| shelf.failed(path, &error))
        })
    }
}

/// With each new folder's name synced: what lies in a folder that has no name after a power cut is gone with it.
fn make_folders(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        make_folders(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists || !path.is_dir() => Err(error),
        _ => sync_folder(path),
    }
}

/// The name of a new file or folder is safe only when the folder it lies in was synced.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => File::open(".")?.sync_all(),
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// In one step out of sight, then file by file.
fn take_away(root: &Path, path: &Path) -> io::Result<()> {
    match hide(root, path) {
        Ok(gone) => remove_all(&gone),
        // Not there, or on another disk below a link: where it is, then.
        Err(_) => remove_all(path),
    }
}

/// Where it lies then.
fn hide(root: &Path, path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
    let gone = root.join(GONE).join(name);
    remove_all(&gone)?;
    fs::rename(path, &gone)?;
    sync_folder(path)?;
    sync_folder(&gone)?;
    Ok(gone)
}

fn remove_all(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whole under its name, or not there.
fn replace(path: &Path, chunks: &[Bytes]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        make_folders(folder)?;
    }
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(UNFINISHED);
    let unfinished = PathBuf::from(unfinished);
    let written = (|| {
        let mut file = File::create(&unfinished)?;
        chunks.iter().try_for_each(|chunk| file.write_all(chunk))?;
        file.sync_data()?;
        fs::rename(&unfinished, path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    written.and_then(|()| sync_folder(path))
}

/// Brings the file to be `whole`, of which `new` bytes are new. A torn end of an earlier try is cut off first.
fn extend(path: &Path, whole: &[u8], new: usize) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        make_folders(folder)?;
    }
    let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    let known = (whole.len() - new.min(whole.len())) as u64;
    let is_new = file.metadata()?.len() == 0;
    let from = if file.metadata()?.len() < known { 0 } else { known };
    file.set_len(from)?;
    file.seek(SeekFrom::Start(from))?;
    file.write_all(&whole[from as usize..])?;
    file.sync_data()?;
    if is_new { sync_folder(path) } else { Ok(()) }
}

fn read(path: &Path, range: Option<Range<u64>>) -> io::Result<Bytes> {
    let mut file = File::open(path)?;
    let Some(range) = range else {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        return Ok(bytes.into());
    };
    file.seek(SeekFrom::Start(range.start))?;
    let length = range.end.saturating_sub(range.start) as usize;
    let mut bytes = BytesMut::zeroed(length);
    file.read_exact(&mut bytes)?;
    Ok(bytes.freeze())
}

fn names(folder: &Path, what: Entries) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_wanted = entry.file_type()?.is_dir() == (what == Entries::Folders);
        if let Some(name) = entry.file_name().to_str().filter(|_| is_wanted) {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Root(PathBuf);

    impl Root {
        fn new() -> Self {
            static NUMBER: AtomicUsize = AtomicUsize::new(0);
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            Self(std::env::temp_dir().join(format!("unisono-shelf-{}-{number}", std::process::id())))
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[tokio::test]
    async fn what_is_taken_away_is_whole_or_out_of_sight() {
        let root = Root::new();
        let shelf = FolderShelf::open(&root.0, 0).expect("a folder");
        let (path, file) = ("live/x/1/recording.json", Bytes::from_static(b"{}"));
        shelf.put(path, vec![file]).await.expect("written");
        shelf.remove("live/x/1").await.expect("gone");
        assert!(!root.0.join("live").exists(), "with its parents");
        assert_eq!(shelf.list(GONE, Entries::Folders).await, Ok(vec![]));
        shelf.remove("live/x/1").await.expect("twice is once");
    }

    #[tokio::test]
    async fn what_a_cut_off_removal_left_goes_at_the_next_start() {
        let root = Root::new();
        let shelf = FolderShelf::open(&root.0, 0).expect("a folder");
        shelf.put("live/x/1/1/video/7.m4s", vec![Bytes::from_static(b"left")]).await.expect("written");
        // Died after the first step of two.
        let gone = hide(&root.0, &root.0.join("live/x/1")).expect("moved");
        assert!(gone.join("1/video/7.m4s").exists());
        assert_eq!(shelf.list("live/x", Entries::Folders).await, Ok(vec![]), "no recording any more");
        let shelf = FolderShelf::open(&root.0, 0).expect("a folder");
        shelf.tidy().await.expect("tidied");
        assert_eq!(shelf.list(GONE, Entries::Folders).await, Ok(vec![]));
    }
}
