//! Where the files of recordings are: a folder, or a bucket.

mod bucket;
mod folder;

pub(crate) use bucket::BucketShelf;
pub(crate) use folder::FolderShelf;

use crate::{Config, Place};
use bytes::Bytes;
use std::{fmt, ops::Range, sync::Arc};
use unisono_store::BoxFuture;

/// Why a file could not be written or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// There is no such file.
    #[error("{0} is not there")]
    Missing(String),
    /// No place is left, or less than must stay free.
    #[error("{place}: {reason}")]
    Full {
        /// Where.
        place: String,
        /// In words.
        reason: String,
    },
    /// It does not answer, or refuses.
    #[error("{place}: {reason}")]
    Failed {
        /// Where.
        place: String,
        /// In the backend's words.
        reason: String,
    },
}

/// Files under paths of plain names and slashes. What was written is safe when the call returns, as far as the place can say so.
pub trait Shelf: Send + Sync + fmt::Debug {
    /// Writes a whole file, in one piece or not at all where it is to replace another.
    fn put<'a>(&'a self, path: &'a str, chunks: Vec<Bytes>) -> BoxFuture<'a, Result<(), StorageError>>;

    /// Makes a file longer. `whole` is all of it, of which `new` bytes at the end are new: a folder appends them, a bucket
    /// takes the file anew.
    fn extend<'a>(
        &'a self,
        path: &'a str,
        whole: Bytes,
        new: usize,
    ) -> BoxFuture<'a, Result<(), StorageError>>;

    /// A file, or a stretch of it.
    fn get<'a>(
        &'a self,
        path: &'a str,
        range: Option<Range<u64>>,
    ) -> BoxFuture<'a, Result<Bytes, StorageError>>;

    /// Length of a file.
    fn len<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<u64, StorageError>>;

    /// Names in a folder, sorted: files, or folders within.
    fn list<'a>(&'a self, folder: &'a str, what: Entries)
    -> BoxFuture<'a, Result<Vec<String>, StorageError>>;

    /// Takes a folder away with all that is in it.
    fn remove<'a>(&'a self, folder: &'a str) -> BoxFuture<'a, Result<(), StorageError>>;

    /// Takes away what a removal left that was cut off.
    fn tidy(&self) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Can it be written to?
    fn check(&self) -> BoxFuture<'_, Result<(), StorageError>>;
}

/// See [`Shelf::list`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entries {
    /// Files directly in it.
    Files,
    /// Folders directly in it.
    Folders,
}

/// Opens the place that the configuration names.
pub(crate) fn open(config: &Config) -> Result<Arc<dyn Shelf>, StorageError> {
    Ok(match &config.place {
        Place::Folder(path) => Arc::new(FolderShelf::open(path, config.free_bytes_min)?),
        Place::Bucket(bucket) => Arc::new(BucketShelf::open(bucket)?),
    })
}
