//! When something takes place: asked for by a host, seen by everybody else; never back within a lane, never before what
//! it is about.

use super::{Moment, Sequencer, refusal::Refusal};
use crate::{
    At, Command, Lane, Refused, Role, Sender, Verb,
    event::{AHEAD_MAX, BEHIND_MAX, MOVED_MAX},
};
use unisono_base::MediaTime;

impl Sequencer {
    /// The `at` of what `command` makes in `lane`. A host says it; what others send belongs to the frame they saw.
    pub(super) fn place(
        &self,
        command: &Command,
        sender: &Sender,
        lane: Lane,
        moment: Moment,
    ) -> Result<MediaTime, Refusal> {
        // What follows from an earlier event, a payment or a bid, is never refused for what else is in the lane.
        if let Verb::Enter | Verb::Confirm | Verb::Release | Verb::Close | Verb::Cancel = command.verb {
            return Ok(self.place_consequence(command, sender, lane, moment));
        }
        let is_asked = sender.role >= Role::Host && (command.at != At::Now || lane != Lane::Chat);
        let at = match is_asked {
            true => resolve(command.at, moment)?,
            false => seen(sender, moment),
        };
        let at = match command.subject.and_then(|subject| self.state.events.get(subject)) {
            Some(subject) if subject.at - at > MOVED_MAX => {
                let words = "what this is about has not taken place yet for who sees the newest frame";
                return Err(Refusal::invalid(words));
            }
            Some(subject) => at.max(subject.at),
            None => at,
        };
        if at - newest(moment) > MOVED_MAX && self.has_open(lane) {
            let words = format!(
                "lane {lane} has an open window or offer, whose events would have to wait: at most 5 s ahead, or another lane"
            );
            return Err(Refusal::invalid(words));
        }
        // Who sees late does not ask for the past: only a lane that is ahead of the newest frame refuses them.
        let least = if is_asked { at } else { at.max(newest(moment)) };
        match self.state.lanes.get(&lane) {
            Some(&last) if last - least > MOVED_MAX => {
                Err(Refused::LaneIsAhead { lane, last: last.as_micros() }.into())
            }
            Some(&last) => Ok(at.max(last)),
            None => Ok(at),
        }
    }

    fn place_consequence(&self, command: &Command, sender: &Sender, lane: Lane, moment: Moment) -> MediaTime {
        let seen = seen(sender, moment);
        let subject = command.subject.and_then(|subject| self.state.events.get(subject));
        self.place_own(lane, subject.map_or(seen, |subject| subject.at.max(seen)))
    }

    fn has_open(&self, lane: Lane) -> bool {
        let windows = self.state.windows.iter().filter_map(|window| window.opened.as_ref());
        let offers = self.state.offers.iter().filter_map(|stock| stock.opened.as_ref());
        windows.chain(offers).any(|opened| opened.lane == lane)
    }

    /// The `at` of what the sequencer does by itself: it is never refused, so it may be moved up as far as need be.
    pub(super) fn place_own(&self, lane: Lane, at: MediaTime) -> MediaTime {
        self.state.lanes.get(&lane).map_or(at, |&last| at.max(last))
    }
}

/// T of the newest frame, unless it is old: then the publisher is away, and now is for the frame that comes next.
pub(super) fn newest(moment: Moment) -> MediaTime {
    moment.newest.filter(|t| moment.now - *t <= BEHIND_MAX).unwrap_or(moment.now)
}

/// T_seen of a sender: the claim within [D - B_p, D], or D where nothing is claimed.
fn seen(sender: &Sender, moment: Moment) -> MediaTime {
    let upper = sender.witness.delivered.unwrap_or_else(|| newest(moment));
    let lower = (upper - sender.witness.buffer).min(upper);
    sender.witness.claimed.map_or(upper, |claim| claim.t.clamp(lower, upper))
}

fn resolve(at: At, moment: Moment) -> Result<MediaTime, Refused> {
    let At::T(t) = at else { return Ok(newest(moment)) };
    // Compared as numbers: a T from outside may be anything, and a difference of two could overflow.
    let ahead = i128::from(t.as_micros()) - i128::from(moment.now.as_micros());
    let seconds = (ahead.abs() / 1_000_000) as i64;
    if ahead > i128::from(AHEAD_MAX.as_micros()) {
        return Err(Refused::TooFarAhead(seconds));
    }
    if -ahead > i128::from(BEHIND_MAX.as_micros()) {
        return Err(Refused::TooOld(seconds));
    }
    Ok(t)
}
