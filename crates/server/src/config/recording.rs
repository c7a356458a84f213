//! `[recording]`: what is kept of streams.

use anyhow::{Context, bail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use unisono_auth::Pattern;
use unisono_record as record;

/// Longest list of patterns.
const STREAMS_MAX: usize = 1_000;
/// Least memory for what waits to be written: some segments of one good stream.
const QUEUE_MIB_MIN: u32 = 16;

/// Recordings: the segments of LL-HLS, kept; docs/recording.md.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recording {
    /// Streams that are recorded whenever they are live, such as `live/*`; others by `PUT /api/v1/streams/{app}/{name}/recording`.
    #[schemars(with = "Vec<String>")]
    pub(crate) streams: Vec<Pattern>,
    /// Folder of the recordings; empty = `recordings` in the data directory.
    pub(crate) path: Option<PathBuf>,
    /// In place of `path`: a bucket of S3 or what speaks like it, `s3://bucket/prefix`.
    pub(crate) url: Option<String>,
    /// `https://…` of a store other than Amazon's.
    pub(crate) endpoint: Option<String>,
    /// Region of the bucket; otherwise what `AWS_REGION` says.
    pub(crate) region: Option<String>,
    /// File with two lines, access key id and secret; otherwise `AWS_ACCESS_KEY_ID` and its like, or the machine's own role.
    pub(crate) credentials_file: Option<PathBuf>,
    /// Days after which a recording is taken away; 0 keeps it.
    pub(crate) keep_days: u32,
    /// GiB of all recordings above which the oldest is taken away; 0 is no limit.
    pub(crate) keep_gib: u32,
    /// MiB that stay free on the disk of `path`: with less, recording pauses.
    pub(crate) free_mib: u32,
    /// MiB of memory for segments that wait to be written, of all streams together; beyond it they are lost to the recording.
    pub(crate) queue_mib: u32,
}

impl Default for Recording {
    fn default() -> Self {
        Self {
            streams: Vec::new(),
            path: None,
            url: None,
            endpoint: None,
            region: None,
            credentials_file: None,
            keep_days: 0,
            keep_gib: 0,
            free_mib: 1_024,
            queue_mib: 256,
        }
    }
}

impl Recording {
    /// What the recorder takes, or in words what is wrong.
    pub(crate) fn settings(&self, data_dir: &Path) -> anyhow::Result<record::Config> {
        if self.streams.len() > STREAMS_MAX {
            bail!("recording.streams has {} entries; {STREAMS_MAX} are possible", self.streams.len());
        }
        if self.queue_mib < QUEUE_MIB_MIN {
            bail!("recording.queue_mib is {}; at least {QUEUE_MIB_MIN} are needed", self.queue_mib);
        }
        let days = u64::from(self.keep_days);
        Ok(record::Config {
            place: self.place(data_dir)?,
            streams: self.streams.clone(),
            keep_for: (days > 0).then(|| Duration::from_secs(days * 86_400)),
            keep_bytes: (self.keep_gib > 0).then(|| u64::from(self.keep_gib) << 30),
            free_bytes_min: u64::from(self.free_mib) << 20,
            queue_bytes_max: (self.queue_mib as usize) << 20,
        })
    }

    fn place(&self, data_dir: &Path) -> anyhow::Result<record::Place> {
        let of_bucket = [
            ("endpoint", self.endpoint.is_some()),
            ("region", self.region.is_some()),
            ("credentials_file", self.credentials_file.is_some()),
        ];
        let Some(url) = &self.url else {
            if let Some((name, _)) = of_bucket.iter().find(|(_, is_set)| *is_set) {
                bail!("recording.{name} belongs to recording.url, which is not set");
            }
            let path = self.path.clone().unwrap_or_else(|| data_dir.join("recordings"));
            return Ok(record::Place::Folder(path));
        };
        if self.path.is_some() {
            bail!("recording.path and recording.url exclude each other: recordings are kept in one place");
        }
        let rest = url.strip_prefix("s3://").map(|rest| rest.trim_end_matches('/'));
        let Some((name, prefix)) = rest.map(|rest| rest.split_once('/').unwrap_or((rest, ""))) else {
            bail!("recording.url: {url:?} is not of the form s3://bucket/prefix");
        };
        if name.is_empty() || name.contains(['@', ':', '?']) {
            bail!("recording.url: {url:?} is not of the form s3://bucket/prefix");
        }
        if let Some(endpoint) = &self.endpoint
            && !(endpoint.starts_with("https://") || endpoint.starts_with("http://"))
        {
            bail!("recording.endpoint: {endpoint:?} is not of the form https://host");
        }
        Ok(record::Place::Bucket(record::Bucket {
            name: name.to_owned(),
            prefix: prefix.to_owned(),
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            credentials: self.credentials_file.as_deref().map(credentials).transpose()?,
        }))
    }
}

fn credentials(file: &Path) -> anyhow::Result<(String, String)> {
    let place = || format!("recording.credentials_file {}", file.display());
    let text = std::fs::read_to_string(file).with_context(place)?;
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    match (lines.next(), lines.next(), lines.next()) {
        (Some(id), Some(secret), None) => Ok((id.to_owned(), secret.to_owned())),
        _ => bail!("{}: it should have two lines, the access key id and its secret", place()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(change: impl FnOnce(&mut Recording)) -> Result<record::Place, String> {
        let mut rules = Recording::default();
        change(&mut rules);
        rules.settings(Path::new("/d")).map(|config| config.place).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn recordings_are_kept_in_the_data_directory_unless_something_else_is_said() {
        assert_eq!(place(|_| {}), Ok(record::Place::Folder("/d/recordings".into())));
        assert_eq!(place(|r| r.path = Some("/r".into())), Ok(record::Place::Folder("/r".into())));
        let bucket = record::Bucket { name: "b".into(), prefix: "p/q".into(), ..record::Bucket::default() };
        assert_eq!(place(|r| r.url = Some("s3://b/p/q/".into())), Ok(record::Place::Bucket(bucket)));
    }

    #[test]
    fn what_cannot_be_is_refused_in_words() {
        let refused = |change: fn(&mut Recording)| place(change).expect_err("refused");
        assert!(refused(|r| r.url = Some("https://b".into())).contains("s3://bucket/prefix"));
        assert!(refused(|r| r.endpoint = Some("http://x".into())).contains("recording.url"));
        assert!(refused(|r| r.queue_mib = 1).contains("queue_mib"));
        let both = refused(|r| {
            r.url = Some("s3://b".into());
            r.path = Some("/r".into());
        });
        assert!(both.contains("exclude each other"), "{both}");
        let missing = refused(|r| {
            r.url = Some("s3://b".into());
            r.credentials_file = Some("/nonexistent".into());
        });
        assert!(missing.contains("recording.credentials_file"), "{missing}");
    }
}
