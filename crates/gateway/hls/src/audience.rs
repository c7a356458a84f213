//! How many players there are, as far as requests can tell.

use parking_lot::Mutex;
use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::{BuildHasher, Hash},
    sync::Arc,
    time::{Duration, Instant},
};

use unisono_hub::{Refused, Session, Ticket};

/// A player that has asked for nothing this long is gone. One that plays asks twice a second.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(10);
/// Players told apart per stream; more are not counted.
const PLAYERS_MAX: usize = 10_000;

/// Distinct clients of one stream, by address and user agent. Approximate: players behind one proxy look alike.
#[derive(Debug, Default)]
pub(crate) struct Audience {
    hasher: RandomState,
    seen: Mutex<HashMap<u64, Player>>,
}

/// One client.
#[derive(Debug)]
struct Player {
    last: Instant,
    ticket: Ticket,
}

/// Why a player gets nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotServed {
    /// No place for one more.
    #[error(transparent)]
    Refused(Refused),
    /// Somebody sent it away.
    #[error("{0}")]
    SentAway(String),
}

impl Audience {
    /// A request came from `client`; the first one of a player asks `enter` for its place among the node's sessions.
    /// `None` for a player beyond those told apart. Who was sent away stays away until it has been silent for 10 s.
    pub(crate) fn saw(
        &self,
        client: impl Hash,
        now: Instant,
        enter: impl FnOnce() -> Result<Ticket, Refused>,
    ) -> Result<Option<Arc<Session>>, NotServed> {
        let client = self.hasher.hash_one(client);
        let mut seen = self.seen.lock();
        if let Some(player) = seen.get_mut(&client) {
            player.last = now;
            return match player.ticket.session().stop_words() {
                Some(words) => Err(NotServed::SentAway(words.to_owned())),
                None => Ok(Some(player.ticket.session().clone())),
            };
        }
        if seen.len() >= PLAYERS_MAX {
            return Ok(None);
        }
        let ticket = enter().map_err(NotServed::Refused)?;
        let session = ticket.session().clone();
        seen.insert(client, Player { last: now, ticket });
        Ok(Some(session))
    }

    /// Players now.
    pub(crate) fn count(&self, now: Instant) -> usize {
        let mut seen = self.seen.lock();
        seen.retain(|_, player| now.saturating_duration_since(player.last) < FORGOTTEN_AFTER);
        seen.values().filter(|player| player.ticket.session().stop_words().is_none()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unisono_base::{KeyId, StreamId};
    use unisono_hub::{Entrance, Hub, Limits, Role};

    fn entrance() -> Entrance {
        Entrance {
            role: Role::Viewer,
            protocol: "hls",
            stream: StreamId::local("live/x".parse().expect("valid")),
            address: None,
            who: KeyId::new("anyone"),
            token: None,
            since: Instant::now(),
        }
    }

    #[test]
    fn a_player_counts_once_and_is_forgotten() {
        let (audience, hub) = (Audience::default(), Hub::new(Limits::default()));
        let start = Instant::now();
        let saw = |client: &str, after: u64| {
            let at = start + Duration::from_secs(after);
            audience.saw(client, at, || hub.enter(entrance())).expect("let in")
        };
        saw("a", 0);
        saw("a", 1);
        saw("b", 5);
        assert_eq!(hub.sessions().count(), 2);
        assert_eq!(audience.count(start + Duration::from_secs(6)), 2);
        assert_eq!(audience.count(start + Duration::from_secs(12)), 1);
        assert_eq!(audience.count(start + Duration::from_secs(15)), 0);
        assert_eq!(hub.sessions().count(), 0, "its place came back");
    }

    #[test]
    fn who_was_sent_away_stays_away_until_it_was_silent() {
        let (audience, hub) = (Audience::default(), Hub::new(Limits::default()));
        let start = Instant::now();
        let enter = || hub.enter(entrance());
        let session = audience.saw("a", start, enter).expect("let in").expect("listed");
        session.stop("sent away");
        let refused = audience.saw("a", start + Duration::from_secs(1), enter).expect_err("away");
        assert_eq!(refused, NotServed::SentAway("sent away".to_owned()));
        assert_eq!(audience.count(start + Duration::from_secs(2)), 0, "it does not watch");
        assert!(audience.saw("b", start, enter).is_ok(), "others do");
        assert_eq!(audience.count(start + Duration::from_secs(30)), 0);
        assert!(audience.saw("a", start + Duration::from_secs(31), enter).is_ok());
    }
}
