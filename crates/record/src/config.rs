//! What is recorded, where to, and for how long it is kept.

use std::{path::PathBuf, time::Duration};
use unisono_auth::Pattern;

/// See the fields.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where recordings are kept.
    pub place: Place,
    /// Streams that are recorded without anybody asking.
    pub streams: Vec<Pattern>,
    /// Whole recordings go when their end is this long ago.
    pub keep_for: Option<Duration>,
    /// The oldest recordings go while all together have more bytes.
    pub keep_bytes: Option<u64>,
    /// On disk: nothing is recorded while less than this is free, since others write there, too.
    pub free_bytes_min: u64,
    /// Memory for segments that wait to be written, of all streams together. Beyond it: gaps.
    pub queue_bytes_max: usize,
}

/// Where recordings are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A folder, made with mode 0700.
    Folder(PathBuf),
    /// A bucket of S3 or what speaks like it.
    Bucket(Bucket),
}

/// A bucket. Credentials that are not given come from the environment, as `object_store` reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// Prefix within it, without slashes at the ends; may be empty.
    pub prefix: String,
    /// `https://…` of a store other than Amazon's.
    pub endpoint: Option<String>,
    /// Region; `us-east-1` where nothing says otherwise.
    pub region: Option<String>,
    /// Key id and secret.
    pub credentials: Option<(String, String)>,
}
