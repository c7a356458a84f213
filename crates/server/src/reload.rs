//! The configuration read again while the server runs: by SIGHUP, by a changed file, by `POST /api/v1/config/reload`.
//!
//! What can change at run time changes at once and drops nobody. What needs a restart is said in words and stays as it
//! is. What cannot be used is refused as a whole, and everything stays.

use crate::{
    cli::Options,
    config::{self, Config},
    doors::Certificate,
    keys::Keys,
    logging,
    rooms::{self, InForce},
};
use anyhow::Context;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::Mutex,
};
use tokio_util::sync::CancellationToken;
use unisono_api::ReloadView;
use unisono_net::Admission;

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Keys and sections in force as soon as they are read. Whatever is not here waits for a restart.
const AT_ONCE: [&str; 11] = [
    "access.token_keys",
    "access.view",
    "http.connections_max",
    "http.connections_per_address_max",
    "https.certificate",
    "https.key",
    "log.level",
    "log.full_addresses",
    "rooms",
    "rtmp.connections_max",
    "rtmp.connections_per_address_max",
];

/// What a reload reaches into. `None` where the door is closed.
pub(crate) struct Reached {
    pub(crate) keys: Arc<Keys>,
    pub(crate) http: Admission,
    pub(crate) rtmp: Option<Admission>,
    pub(crate) certificate: Option<Arc<Certificate>>,
    pub(crate) room_rules: Arc<InForce>,
    pub(crate) log: logging::Switch,
}

/// See the module.
pub(crate) struct Reload {
    options: Options,
    reached: Reached,
    /// In force. Held through a reload: one at a time.
    current: Mutex<Config>,
}

impl Reload {
    /// `config` is what `options` led to at the start.
    pub(crate) fn new(options: Options, config: Config, reached: Reached) -> Arc<Self> {
        Arc::new(Self { options, reached, current: Mutex::new(config) })
    }

    /// Reads everything again and puts in force what can be. `asked_by` is for the log.
    pub(crate) async fn run(&self, asked_by: &str) -> anyhow::Result<ReloadView> {
        let mut current = self.current.lock().await;
        let done = self.change(&mut current);
        match &done {
            Ok(view) => tell(asked_by, view),
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(asked_by, error, "the configuration cannot be used; the one before stays");
            }
        }
        done
    }

    fn change(&self, current: &mut Config) -> anyhow::Result<ReloadView> {
        let (mut new, warnings) = config::read(self.options.config.as_deref(), self.options.overrides())?;
        if self.options.data_dir.is_none() && self.options.is_demo {
            new.data_dir.clone_from(&current.data_dir);
        }
        let (applied, needs_restart) = changes(current, &new);
        let in_force = keep(current, &new, &needs_restart)?;
        if !applied.is_empty() {
            self.apply(&in_force)?;
        }
        *current = in_force;
        Ok(ReloadView { applied, needs_restart, warnings })
    }

    /// First everything is read that may be missing or broken, then all of it is put in force.
    fn apply(&self, config: &Config) -> anyhow::Result<()> {
        let Reached { keys, http, rtmp, certificate, room_rules, log } = &self.reached;
        let rules = keys.prepare_rules(&config.access)?;
        let in_rooms = rooms::prepare(&config.rooms)?;
        let filter = logging::filter(&config.log)?;
        if let Some(certificate) = certificate {
            certificate.reopen(&config.https)?;
        }
        rules.apply(keys);
        room_rules.set(in_rooms);
        log.set(filter, config.log.full_addresses).context("the log cannot be changed")?;
        http.set_limits(config.http.connections_max, config.http.connections_per_address_max);
        if let Some(rtmp) = rtmp {
            rtmp.set_limits(config.rtmp.connections_max, config.rtmp.connections_per_address_max);
        }
        Ok(())
    }

    /// Reloads at SIGHUP and when the file changes, until `stop`. A demo does not: SIGHUP is how its terminal ends it.
    pub(crate) async fn follow(self: Arc<Self>, stop: CancellationToken) {
        if self.options.is_demo {
            return;
        }
        let mut hangup = match signal(SignalKind::hangup()) {
            Ok(hangup) => hangup,
            Err(error) => return tracing::error!(%error, "SIGHUP cannot be heard; the API reloads"),
        };
        let mut seen = self.written();
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        loop {
            let asked_by = tokio::select! {
                () = stop.cancelled() => return,
                Some(()) = hangup.recv() => "SIGHUP",
                _ = ticks.tick() => "a change of the file",
            };
            let now = self.written();
            let is_changed = std::mem::replace(&mut seen, now) != now;
            if is_changed || asked_by == "SIGHUP" {
                // The outcome is in the log.
                let _ = self.run(asked_by).await;
            }
        }
    }

    /// When the file was written and how long it is; `None` while there is none.
    fn written(&self) -> Option<(SystemTime, u64)> {
        let file = self.options.config.clone().unwrap_or_else(|| PathBuf::from(config::DEFAULT_FILE));
        let data = fs::metadata(file).ok()?;
        Some((data.modified().ok()?, data.len()))
    }
}

fn tell(asked_by: &str, view: &ReloadView) {
    let ReloadView { applied, needs_restart, warnings } = view;
    if applied.is_empty() && needs_restart.is_empty() {
        tracing::info!(asked_by, "the configuration was read again: nothing changed");
    }
    if !applied.is_empty() {
        tracing::info!(
            asked_by,
            keys = applied.join(", "),
            "the configuration was read again and is in force"
        );
    }
    if !needs_restart.is_empty() {
        tracing::warn!(
            asked_by,
            keys = needs_restart.join(", "),
            "changed in the configuration, and in force only after a restart"
        );
    }
    for warning in warnings {
        tracing::warn!("{warning}");
    }
}

/// Where the key sets of others are.
fn key_sets(config: &Config) -> impl Iterator<Item = &str> {
    config.access.token_keys.iter().filter_map(|key| key.jwks.as_deref())
}

/// Keys that differ: those in force at once, and those that wait for a restart.
fn changes(old_config: &Config, new_config: &Config) -> (Vec<String>, Vec<String>) {
    let (old, new) = (leaves(old_config), leaves(new_config));
    let differs = |key: &&String| old.get(*key) != new.get(*key);
    let all: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).filter(differs).cloned().collect();
    // Key sets are fetched by tasks that the start makes.
    let sets_differ = key_sets(old_config).ne(key_sets(new_config));
    all.into_iter().partition(|key| is_at_once(key) && !(sets_differ && key == "access.token_keys"))
}

fn is_at_once(key: &str) -> bool {
    AT_ONCE.iter().any(|one| key == *one || key.strip_prefix(one).is_some_and(|rest| rest.starts_with('.')))
}

/// Every value by its key, `section.key`. A list is one value.
fn leaves(config: &Config) -> BTreeMap<String, Value> {
    fn collect(prefix: &str, value: Value, leaves: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    let name = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
                    collect(&name, value, leaves);
                }
            }
            value => drop(leaves.insert(prefix.to_owned(), value)),
        }
    }
    let mut all = BTreeMap::new();
    collect("", serde_json::to_value(config).unwrap_or_default(), &mut all);
    all
}

/// `new`, with the values of `old` at `kept`.
fn keep(old: &Config, new: &Config, kept: &[String]) -> anyhow::Result<Config> {
    let old = serde_json::to_value(old)?;
    let mut merged = serde_json::to_value(new)?;
    for key in kept {
        let pointer = format!("/{}", key.replace('.', "/"));
        let value = old.pointer(&pointer).cloned().unwrap_or(Value::Null);
        if let Some(place) = merged.pointer_mut(&pointer) {
            *place = value;
        }
    }
    serde_json::from_value(merged).context("the configuration in force")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Door, Hidden, View, WhenUnanswered};

    #[test]
    fn what_waits_for_a_restart_stays_and_the_rest_changes() {
        let old = Config::default();
        let mut new = old.clone();
        new.access.view = View::Token;
        new.log.level = "debug".to_owned();
        new.http.listen = Door::Closed;
        new.webrtc.workers = 7;
        let (applied, waits) = changes(&old, &new);
        assert_eq!(applied, ["access.view", "log.level"]);
        assert_eq!(waits, ["http.listen", "webrtc.workers"]);
        let in_force = keep(&old, &new, &waits).expect("a configuration");
        assert_eq!((in_force.http.listen, in_force.webrtc.workers), (old.http.listen, 0));
        assert_eq!(in_force.access.view, View::Token);
        assert_eq!(changes(&in_force, &new).1, waits, "said again the next time");
    }

    #[test]
    fn the_service_that_is_asked_about_viewers_waits_for_a_restart() {
        let old = Config::default();
        let mut new = old.clone();
        new.access.view = View::Token;
        new.access.webhook = Some(Hidden("https://example.com/may-watch".to_owned()));
        new.access.webhook_secrets = vec![Hidden("whsec_x".to_owned())];
        new.access.webhook_unanswered = WhenUnanswered::Allow;
        let (applied, waits) = changes(&old, &new);
        assert_eq!(applied, ["access.view"]);
        assert_eq!(waits, ["access.webhook", "access.webhook_secrets", "access.webhook_unanswered"]);
        let in_force = keep(&old, &new, &waits).expect("a configuration");
        assert_eq!((&in_force.access.webhook, in_force.access.view), (&None, View::Token));
        let back = keep(&new, &old, &changes(&new, &old).1).expect("a configuration");
        assert_eq!((back.access.webhook, back.access.view), (new.access.webhook, View::Open));
    }

    #[test]
    fn every_key_that_changes_at_once_exists() {
        let leaves = leaves(&Config::default());
        for key in AT_ONCE {
            let section = format!("{key}.");
            assert!(leaves.keys().any(|leaf| leaf == key || leaf.starts_with(&section)), "{key}");
        }
    }
}
