//! Recordings in a bucket of S3, or of what speaks like it.

use super::{Entries, Shelf, StorageError};
use crate::Bucket;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::{
    BackoffConfig, ClientOptions, GetOptions, GetRange, ObjectStore, ObjectStoreExt as _, PutPayload,
    RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    path::Path,
};
use std::{ops::Range, time::Duration};
use unisono_store::BoxFuture;

/// One request; what fails is tried again by whoever asked, with words about it.
const WITHIN: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug)]
pub(crate) struct BucketShelf {
    store: AmazonS3,
    prefix: String,
    place: String,
}

impl BucketShelf {
    /// Nothing is asked of the bucket yet.
    pub(crate) fn open(bucket: &Bucket) -> Result<Self, StorageError> {
        let place = format!("s3://{}", bucket.name);
        let mut builder =
            AmazonS3Builder::from_env().with_bucket_name(&bucket.name).with_retry(RetryConfig {
                max_retries: 1,
                retry_timeout: WITHIN,
                backoff: BackoffConfig::default(),
            });
        let mut options = ClientOptions::new().with_timeout(WITHIN).with_connect_timeout(WITHIN / 2);
        if let Some(endpoint) = &bucket.endpoint {
            options = options.with_allow_http(endpoint.starts_with("http://"));
            builder = builder.with_endpoint(endpoint);
        }
        if let Some(region) = &bucket.region {
            builder = builder.with_region(region);
        }
        if let Some((id, secret)) = &bucket.credentials {
            builder = builder.with_access_key_id(id).with_secret_access_key(secret);
        }
        let store = builder.with_client_options(options).build();
        let failed =
            |error: object_store::Error| StorageError::Failed { place: place.clone(), reason: words(&error) };
        let store = store.map_err(failed)?;
        Ok(Self { store, prefix: bucket.prefix.trim_matches('/').to_owned(), place })
    }

    fn at(&self, path: &str) -> Path {
        Path::from(format!("{}/{path}", self.prefix))
    }

    fn failed(&self, path: &str, error: &object_store::Error) -> StorageError {
        match error {
            object_store::Error::NotFound { .. } => StorageError::Missing(format!("{}/{path}", self.place)),
            error => StorageError::Failed { place: self.place.clone(), reason: words(error) },
        }
    }

    async fn remove_all(&self, folder: &str) -> object_store::Result<()> {
        let at = self.at(folder);
        let found = self.store.list(Some(&at)).map_ok(|object| object.location).boxed();
        let gone = self.store.delete_stream(found);
        gone.try_for_each(|_| std::future::ready(Ok(()))).await
    }
}

impl Shelf for BucketShelf {
    fn put<'a>(&'a self, path: &'a str, chunks: Vec<Bytes>) -> BoxFuture<'a, Result<(), StorageError>> {
        Box::pin(async move {
            let put = self.store.put(&self.at(path), PutPayload::from_iter(chunks)).await;
            put.map(drop).map_err(|error| self.failed(path, &error))
        })
    }

    fn extend<'a>(
        &'a self,
        path: &'a str,
        whole: Bytes,
        _: usize,
    ) -> BoxFuture<'a, Result<(), StorageError>> {
        self.put(path, vec![whole])
    }

    fn get<'a>(
        &'a self,
        path: &'a str,
        range: Option<Range<u64>>,
    ) -> BoxFuture<'a, Result<Bytes, StorageError>> {
        Box::pin(async move {
            let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
            let found = self.store.get_opts(&self.at(path), options).await;
            let found = found.map_err(|error| self.failed(path, &error))?;
            found.bytes().await.map_err(|error| self.failed(path, &error))
        })
    }

    fn len<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<u64, StorageError>> {
        Box::pin(async move {
            let head = self.store.head(&self.at(path)).await;
            head.map(|meta| meta.size).map_err(|error| self.failed(path, &error))
        })
    }

    fn list<'a>(
        &'a self,
        folder: &'a str,
        what: Entries,
    ) -> BoxFuture<'a, Result<Vec<String>, StorageError>> {
        Box::pin(async move {
            let listed = self.store.list_with_delimiter(Some(&self.at(folder))).await;
            let listed = listed.map_err(|error| self.failed(folder, &error))?;
            let name = |path: &Path| path.filename().map(str::to_owned);
            let mut names: Vec<String> = match what {
                Entries::Files => listed.objects.iter().filter_map(|object| name(&object.location)).collect(),
                Entries::Folders => listed.common_prefixes.iter().filter_map(name).collect(),
            };
            names.sort_unstable();
            Ok(names)
        })
    }

    fn remove<'a>(&'a self, folder: &'a str) -> BoxFuture<'a, Result<(), StorageError>> {
        Box::pin(async move { self.remove_all(folder).await.map_err(|error| self.failed(folder, &error)) })
    }

    fn check(&self) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(async move {
            self.put(PROBE, Vec::new()).await?;
            // A bucket that keeps everything is one to record into all the same.
            if let Err(error) = self.store.delete(&self.at(PROBE)).await {
                let (place, reason) = (&self.place, words(&error));
                tracing::warn!(
                    place,
                    reason,
                    "what is recorded there cannot be taken away again; {PROBE} stays"
                );
            }
            Ok(())
        })
    }
}

/// Written and taken away again to see whether the bucket can be written to.
const PROBE: &str = ".writable";

/// The error with what caused it, on one line.
fn words(error: &object_store::Error) -> String {
    let mut words = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_words = cause.to_string();
        if !words.contains(&cause_words) {
            words.push_str(": ");
            words.push_str(&cause_words);
        }
        source = cause.source();
    }
    words.replace('\n', " ")
}
