//! Everybody who publishes or watches, by whatever door: for the API to list and to send away.

use crate::OverQuota;
use parking_lot::{Mutex, RwLock};
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    net::IpAddr,
    str::FromStr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use unisono_base::{Doorbell, KeyId, StreamId};
use uuid::Uuid;

/// Sessions listed at once; doors have tighter limits of their own.
const SESSIONS_MAX: usize = 200_000;

/// Names a session in API and logs: a UUIDv7, so that they sort by age. It is no credential, unlike a WHEP session's URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(Uuid);

impl FromStr for SessionKey {
    type Err = uuid::Error;
    fn from_str(s: &str) -> Result<Self, uuid::Error> {
        s.parse().map(Self)
    }
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// Which end of the media a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Sends a stream.
    Publisher,
    /// Takes one.
    Viewer,
    /// Reads its room's events. Counted apart, for most viewers do so beside the picture.
    Reader,
}

/// Who comes in, as the door knows it.
#[derive(Clone, Debug)]
pub struct Entrance {
    /// Which end.
    pub role: Role,
    /// `rtmp`, `whip`, `whep`, `hls`, `websocket`, `sse`.
    pub protocol: &'static str,
    /// What it sends or takes.
    pub stream: StreamId,
    /// The peer's; `None` where nobody is at the other end (the demo).
    pub address: Option<IpAddr>,
    /// Key id, `~subject` of a token, or `anyone`.
    pub who: KeyId,
    /// `jti` of its token.
    pub token: Option<String>,
    /// When it came.
    pub since: Instant,
}

/// A viewer's path as its sender estimates it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PathFigures {
    /// What it carries without a queue building up, bits per second.
    pub bits_per_second: u64,
    /// The queue on it.
    pub queue: Duration,
    /// How fast that grows: milliseconds per second, negative while it empties.
    pub delay_gradient: f32,
    /// Pictures are left out since it cannot take all of them.
    pub is_overloaded: bool,
}

/// One publisher or viewer. Its door writes the figures; anybody may ask it to end.
pub struct Session {
    key: SessionKey,
    entrance: Entrance,
    bytes: AtomicU64,
    packets: AtomicU64,
    /// Millionths, and one more; 0 is unknown.
    loss: AtomicU64,
    /// Microseconds; 0 is unknown.
    rtt: AtomicU64,
    path: Mutex<Option<PathFigures>>,
    /// Where it is, of how many; and where somebody wants it.
    worker: Mutex<Option<(usize, usize)>>,
    wish: Mutex<Option<usize>>,
    stop: OnceLock<String>,
    notice: Mutex<Option<Arc<str>>>,
    /// There is one, so that nobody takes the lock in vain on the way of each frame.
    has_notice: AtomicBool,
    bell: OnceLock<Arc<dyn Doorbell>>,
}

impl Session {
    /// Its name.
    pub fn key(&self) -> SessionKey {
        self.key
    }

    /// Who it is.
    pub fn entrance(&self) -> &Entrance {
        &self.entrance
    }

    /// Media bytes and packets so far, as far as the door knows; doors over TCP know no packets.
    pub fn figures(&self) -> (u64, u64) {
        (self.bytes.load(Ordering::Relaxed), self.packets.load(Ordering::Relaxed))
    }

    /// Sets the totals.
    pub fn set_figures(&self, bytes: u64, packets: u64) {
        self.bytes.store(bytes, Ordering::Relaxed);
        self.packets.store(packets, Ordering::Relaxed);
    }

    /// Share of packets lost on the way, 0 to 1, once it was reported.
    pub fn loss(&self) -> Option<f64> {
        let stored = self.loss.load(Ordering::Relaxed);
        stored.checked_sub(1).map(|millionths| millionths as f64 / 1e6)
    }

    /// Notes the share of packets lost on the way.
    pub fn set_loss(&self, share: f64) {
        self.loss.store((share.clamp(0.0, 1.0) * 1e6) as u64 + 1, Ordering::Relaxed);
    }

    /// More media bytes.
    pub fn add_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Round trip time, once it was measured.
    pub fn rtt(&self) -> Option<Duration> {
        let micros = self.rtt.load(Ordering::Relaxed);
        (micros > 0).then(|| Duration::from_micros(micros))
    }

    /// Notes the round trip time.
    pub fn set_rtt(&self, rtt: Duration) {
        self.rtt.store(rtt.as_micros().max(1) as u64, Ordering::Relaxed);
    }

    /// What the sender's estimator found out about the path, where the viewer's feedback allows it.
    pub fn path(&self) -> Option<PathFigures> {
        *self.path.lock()
    }

    /// Notes it; once a second at most.
    pub fn set_path(&self, path: PathFigures) {
        *self.path.lock() = Some(path);
    }

    /// The worker thread that serves it, and how many there are; `None` where sessions have no place of their own.
    pub fn worker(&self) -> Option<(usize, usize)> {
        *self.worker.lock()
    }

    /// Its door has put it there.
    pub fn set_worker(&self, worker: usize, of: usize) {
        *self.worker.lock() = Some((worker, of));
    }

    /// Asks its door to serve it from another worker. False where there is no such worker, or nothing to move.
    pub fn move_to(&self, worker: usize) -> bool {
        if self.worker().is_none_or(|(_, of)| worker >= of) {
            return false;
        }
        *self.wish.lock() = Some(worker);
        self.ring();
        true
    }

    /// Where somebody wants it; once.
    pub fn take_wish(&self) -> Option<usize> {
        self.wish.lock().take()
    }

    /// The bell that makes its door look at [`Self::stop_words`]. Once.
    pub fn set_bell(&self, bell: Arc<dyn Doorbell>) {
        let _ = self.bell.set(bell);
        // Somebody may have asked meanwhile.
        if self.stop.get().is_some() {
            self.ring();
        }
    }

    /// Asks it to end; the first words count.
    pub fn stop(&self, words: &str) {
        let _ = self.stop.set(words.to_owned());
        self.ring();
    }

    /// Why it shall end, once somebody asked for it.
    pub fn stop_words(&self) -> Option<&str> {
        self.stop.get().map(String::as_str)
    }

    /// Says something to it: one JSON object, in the manner of its door. A newer one takes the place of one not yet sent.
    pub fn tell(&self, message: Arc<str>) {
        *self.notice.lock() = Some(message);
        self.has_notice.store(true, Ordering::Release);
        self.ring();
    }

    /// What is to be said, if `say` can say it now; otherwise it waits. Once.
    pub fn say_notice(&self, say: impl FnOnce(&str) -> bool) {
        if !self.has_notice.load(Ordering::Acquire) {
            return;
        }
        let mut notice = self.notice.lock();
        if notice.as_deref().is_some_and(say) {
            *notice = None;
            self.has_notice.store(false, Ordering::Release);
        }
    }

    /// Takes what is to be said.
    pub fn take_notice(&self) -> Option<Arc<str>> {
        self.has_notice.swap(false, Ordering::AcqRel).then(|| self.notice.lock().take()).flatten()
    }

    fn ring(&self) {
        if let Some(bell) = self.bell.get() {
            bell.ring();
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({})", self.key)
    }
}

/// A session's place in the list; dropping it takes it off.
#[derive(Debug)]
pub struct Ticket {
    session: Arc<Session>,
    sessions: Arc<Sessions>,
}

impl Ticket {
    /// What is listed.
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.sessions.leave(&self.session);
    }
}

/// Why somebody was not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The publisher's key has as many viewers as it may.
    #[error(transparent)]
    OverQuota(#[from] OverQuota),
    /// The list is full.
    #[error("the server has {SESSIONS_MAX} sessions, its limit")]
    Full,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Sessions(RwLock<Open>);

#[derive(Debug, Default)]
struct Open {
    all: BTreeMap<SessionKey, Arc<Session>>,
    counts: Counts,
}

/// Sessions by stream and role.
#[derive(Debug, Default)]
pub(crate) struct Counts(HashMap<(StreamId, Role), usize>);

impl Counts {
    pub(crate) fn of(&self, stream: &StreamId, role: Role) -> usize {
        self.0.get(&(stream.clone(), role)).copied().unwrap_or_default()
    }
}

impl Sessions {
    /// Lists `entrance` if `admits` has nothing against it, which is asked under the lock: two at once never both take
    /// the last place.
    pub(crate) fn enter(
        self: &Arc<Self>,
        entrance: Entrance,
        admits: impl FnOnce(&Counts) -> Result<(), OverQuota>,
    ) -> Result<Ticket, Refused> {
        let mut open = self.0.write();
        if open.all.len() >= SESSIONS_MAX {
            return Err(Refused::Full);
        }
        admits(&open.counts)?;
        *open.counts.0.entry((entrance.stream.clone(), entrance.role)).or_default() += 1;
        let key = SessionKey(Uuid::now_v7());
        let session = Arc::new(Session {
            key,
            entrance,
            bytes: AtomicU64::new(0),
            packets: AtomicU64::new(0),
            loss: AtomicU64::new(0),
            rtt: AtomicU64::new(0),
            path: Mutex::default(),
            worker: Mutex::default(),
            wish: Mutex::default(),
            stop: OnceLock::new(),
            notice: Mutex::default(),
            has_notice: AtomicBool::new(false),
            bell: OnceLock::new(),
        });
        open.all.insert(key, session.clone());
        drop(open);
        Ok(Ticket { session, sessions: self.clone() })
    }

    fn leave(&self, session: &Session) {
        let mut open = self.0.write();
        if open.all.remove(&session.key).is_none() {
            return;
        }
        let place = (session.entrance.stream.clone(), session.entrance.role);
        if let Some(count) = open.counts.0.get_mut(&place) {
            *count -= 1;
            if *count == 0 {
                open.counts.0.remove(&place);
            }
        }
    }

    /// One by its name.
    pub fn get(&self, key: SessionKey) -> Option<Arc<Session>> {
        self.0.read().all.get(&key).cloned()
    }

    /// Those behind `after`, oldest first, at most `max`, for which `wanted` is true.
    pub fn page(
        &self,
        after: Option<SessionKey>,
        max: usize,
        wanted: impl Fn(&Session) -> bool,
    ) -> Vec<Arc<Session>> {
        use std::ops::Bound::{Excluded, Unbounded};
        let open = self.0.read();
        let behind = open.all.range((after.map_or(Unbounded, Excluded), Unbounded));
        behind.map(|(_, session)| session).filter(|s| wanted(s)).take(max).cloned().collect()
    }

    /// The publisher of a stream.
    pub fn publisher(&self, stream: &StreamId) -> Option<Arc<Session>> {
        let is_it = |s: &Session| s.entrance.role == Role::Publisher && s.entrance.stream == *stream;
        // The newest, while one takes over from another.
        self.0.read().all.values().rev().find(|session| is_it(session)).cloned()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.read().all.len()
    }
}

#[cfg(test)]
mod tests;
