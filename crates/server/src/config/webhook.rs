//! `[[webhook]]`, and the service that decides about viewers.

use anyhow::bail;
use reqwest::Url;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, fmt};
use unisono_auth::Pattern;
use unisono_webhook::{EventKind, Unanswered};

/// One receiver of events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Webhook {
    /// Where events are posted to: https, or http on this machine.
    pub(crate) url: Hidden,
    /// Each signs every message, so that a receiver can change over.
    pub(crate) secrets: Vec<Hidden>,
    /// Empty: all.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(crate) events: Vec<EventKind>,
    /// Absent: all.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) streams: Option<Pattern>,
}

/// Refuses two receivers at one address: what waits for a receiver is stored under its address.
pub(crate) fn check(webhooks: &[Webhook]) -> anyhow::Result<()> {
    let mut seen = HashMap::new();
    // What is no address is refused where it is opened.
    let urls = webhooks.iter().map(|hook| Url::parse(&hook.url.0));
    for (number, mut url) in (1..).zip(urls).filter_map(|(number, url)| Some((number, url.ok()?))) {
        let Some(before) = seen.insert(url.to_string(), number) else { continue };
        // Without what may be secret in it.
        url.set_query(None);
        let place = format!("{}{}", url.host_str().unwrap_or_default(), url.path());
        bail!(
            "[[webhook]] number {before} and number {number} have the same url, {place}: put their events and streams into one \
             section, or make the addresses differ (a query such as ?a at the end is enough)"
        );
    }
    Ok(())
}

/// A text that no log shows.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct Hidden(pub(crate) String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// What is decided about a viewer while the service does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WhenUnanswered {
    /// Nobody new gets in.
    #[default]
    Refuse,
    /// Everybody gets in.
    Allow,
}

impl From<WhenUnanswered> for Unanswered {
    fn from(when: WhenUnanswered) -> Self {
        match when {
            WhenUnanswered::Refuse => Self::Refuse,
            WhenUnanswered::Allow => Self::Allow,
        }
    }
}
