//! A store that forgets: for tests.

use super::{Kv, KvError, LIST_MAX, Versioned, check};
use crate::BoxFuture;
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// Values in memory, gone with the process.
#[derive(Debug, Default)]
pub struct MemoryKv(Mutex<BTreeMap<String, Versioned>>);

impl Kv for MemoryKv {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Versioned>, KvError>> {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        Box::pin(async move { Ok(found) })
    }

    fn put_if<'a>(
        &'a self,
        key: &'a str,
        expected: Option<u64>,
        value: String,
    ) -> BoxFuture<'a, Result<u64, KvError>> {
        Box::pin(async move {
            check(key, &value)?;
            let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if values.get(key).map(|found| found.version) != expected {
                return Err(KvError::Conflict { key: key.to_owned() });
            }
            let version = expected.unwrap_or(0) + 1;
            values.insert(key.to_owned(), Versioned { version, value });
            Ok(version)
        })
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<bool, KvError>> {
        let gone = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key).is_some();
        Box::pin(async move { Ok(gone) })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<(String, Versioned)>, KvError>> {
        Box::pin(async move {
            let values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let from = values.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
            Ok(from.take(LIST_MAX).map(|(key, value)| (key.clone(), value.clone())).collect())
        })
    }
}
