//! Lanes, and what to do with an event that comes too late (timeline spec 9, 10).

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What an event belongs to. Within a lane `at` never decreases; across lanes only `seq` orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// A round of a game.
    Round,
    /// Lots and bids.
    Auction,
    /// Polls.
    Poll,
    /// Questions and answers.
    Question,
    /// Advertising.
    Ad,
    /// Words under the picture.
    Caption,
    /// Anything else that is to be seen; the default.
    #[default]
    Alert,
    /// What moderators do.
    Moderation,
    /// Chat; `at` is the sender's displayed T. Travels on feeds only.
    Chat,
    /// Aggregates of 100 ms; neither ordered nor stored.
    Reaction,
    /// Latest value wins; neither ordered nor stored.
    Telemetry,
}

/// What a client does with an event whose frame it has already displayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Late {
    /// Show it at once.
    Show,
    /// Leave it out.
    Skip,
    /// Put it into the history, not into the picture.
    Log,
}

/// A word that is not one of a list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is not a {what}; known are {known}")]
pub struct UnknownWord {
    what: &'static str,
    word: String,
    known: String,
}

impl Lane {
    /// Every lane.
    pub const ALL: [Self; 11] = [
        Self::Round,
        Self::Auction,
        Self::Poll,
        Self::Question,
        Self::Ad,
        Self::Caption,
        Self::Alert,
        Self::Moderation,
        Self::Chat,
        Self::Reaction,
        Self::Telemetry,
    ];

    /// As JSON, logs and metrics spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Round => "round",
            Self::Auction => "auction",
            Self::Poll => "poll",
            Self::Question => "question",
            Self::Ad => "ad",
            Self::Caption => "caption",
            Self::Alert => "alert",
            Self::Moderation => "moderation",
            Self::Chat => "chat",
            Self::Reaction => "reaction",
            Self::Telemetry => "telemetry",
        }
    }

    /// What happens to its late events unless the event says otherwise: who missed the start of a poll still wants
    /// it, who missed a caption does not.
    pub const fn late(self) -> Late {
        match self {
            Self::Round
            | Self::Auction
            | Self::Poll
            | Self::Question
            | Self::Alert
            | Self::Moderation
            | Self::Chat => Late::Show,
            Self::Ad | Self::Caption | Self::Reaction => Late::Skip,
            Self::Telemetry => Late::Log,
        }
    }

    /// Its events get a `seq` and are stored.
    pub const fn is_sequenced(self) -> bool {
        !matches!(self, Self::Reaction | Self::Telemetry)
    }

    /// Its events travel in the media too (data track, `emsg`), not on feeds alone.
    pub const fn is_timed(self) -> bool {
        !matches!(self, Self::Chat | Self::Reaction | Self::Telemetry)
    }
}

impl Late {
    const ALL: [Self; 3] = [Self::Show, Self::Skip, Self::Log];

    /// As JSON spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Show => "show",
            Self::Skip => "skip",
            Self::Log => "log",
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Lane {
    type Err = UnknownWord;
    fn from_str(s: &str) -> Result<Self, UnknownWord> {
        let found = Self::ALL.into_iter().find(|lane| lane.as_str() == s);
        found.ok_or_else(|| UnknownWord::new("lane", s, &Self::ALL.map(Self::as_str)))
    }
}

impl FromStr for Late {
    type Err = UnknownWord;
    fn from_str(s: &str) -> Result<Self, UnknownWord> {
        let found = Self::ALL.into_iter().find(|late| late.as_str() == s);
        found.ok_or_else(|| UnknownWord::new("late policy", s, &Self::ALL.map(Self::as_str)))
    }
}

impl UnknownWord {
    fn new(what: &'static str, word: &str, known: &[&str]) -> Self {
        Self { what, word: word.chars().take(40).collect(), known: known.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_has_one_spelling() {
        for lane in Lane::ALL {
            assert_eq!(lane.as_str().parse(), Ok(lane));
            assert_eq!(serde_json::to_value(lane).expect("a word"), lane.as_str());
        }
        let error = "polls".parse::<Lane>().expect_err("unknown").to_string();
        assert!(error.contains("polls") && error.contains("poll, question"), "{error}");
    }
}
