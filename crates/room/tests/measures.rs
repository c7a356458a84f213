//! Bans that are given at the same moment all stand after a restart.

use futures_util::future::join_all;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};
use unisono_base::{MediaTime, NodeClock, RoomId, Span, Tenant};
use unisono_hub::{Hub, Limits};
use unisono_room::{Keeper, Measure, Rooms, RoomsLimits};
use unisono_store::{BoxFuture, Kv, KvError, MemoryKv, MemoryLog, Versioned};
use unisono_timeline::audit::Signer;

/// Who asks first is answered last.
#[derive(Default)]
struct Unfair {
    kept: MemoryKv,
    asked: AtomicUsize,
}

impl Kv for Unfair {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Versioned>, KvError>> {
        let turns = 20_usize.saturating_sub(self.asked.fetch_add(1, Ordering::Relaxed));
        let found = self.kept.get(key);
        Box::pin(async move {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            found.await
        })
    }

    fn put_if<'a>(
        &'a self,
        key: &'a str,
        expected: Option<u64>,
        value: String,
    ) -> BoxFuture<'a, Result<u64, KvError>> {
        self.kept.put_if(key, expected, value)
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<bool, KvError>> {
        self.kept.delete(key)
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<(String, Versioned)>, KvError>> {
        self.kept.list(prefix)
    }
}

async fn open(kept: &Arc<Unfair>, log: &Arc<MemoryLog>) -> Arc<Rooms> {
    let clock = NodeClock::new(Instant::now(), MediaTime::from_micros(1_700_000_000_000_000));
    let signer = Arc::new(Signer::from_seed(&[5; 32]).expect("32 bytes"));
    let keeper = Keeper::new(kept.clone());
    Rooms::open(Hub::new(Limits::default()), log.clone(), clock, (keeper, signer), RoomsLimits::default())
        .await
        .expect("opens")
}

#[tokio::test]
async fn bans_given_at_once_all_stand_after_a_restart() {
    let (kept, log) = (Arc::new(Unfair::default()), Arc::new(MemoryLog::default()));
    let room = RoomId::parse(Tenant::default(), "live:alice").expect("valid");
    let first = open(&kept, &log).await;
    let bans = (0..12).map(|n| {
        let (first, room) = (first.clone(), room.clone());
        let ban = Measure::Ban { person: format!("~{n}").into(), dur: Span::from_secs(600) };
        async move { first.measure(&room, &ban).await }
    });
    assert!(join_all(bans).await.iter().all(Result::is_ok));
    let before = first.discipline(&room).expect("open");
    first.close().await;
    let after = open(&kept, &log).await.discipline(&room).expect("open");
    assert_eq!(after, before);
    assert!((0..12).all(|n| format!("{after:?}").contains(&format!("\"~{n}\""))), "{after:?}");
}
