//! What a bot thinks: it sees each event as late as its viewer would, and bids on what it sees. Pure: time comes in.

use crate::room_feed::Told;
use rand::{Rng, RngExt, SeedableRng, rngs::SmallRng};
use serde_json::{Value, json};
use std::{collections::VecDeque, time::Duration};
use unisono_timeline::Uuid;

/// Events not yet seen; beyond it the oldest are seen at once.
const UNSEEN_MAX: usize = 4_096;
/// Bids in the last moments of a lot, by one sniper.
const SNIPES_MAX: u32 = 2;
/// How far before the end on its screen a sniper bids.
const SNIPE_BEFORE: i64 = 2_000_000;
/// By how much a liar moves what it says to have seen.
const LIE: i64 = 20_000_000;

/// Who a bot is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Persona {
    pub(super) name: String,
    /// How far its picture is behind.
    pub(super) latency: Duration,
    /// The most it would pay, in the smallest unit.
    pub(super) limit: i64,
    pub(super) habit: Habit,
}

/// How a bot goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habit {
    /// Bids while the price is right.
    Honest,
    /// Waits for the last moment.
    Snipes,
    /// Says to have seen frames long ago, or in the future.
    Lies,
    /// Bids after the end it saw.
    IsLate,
    /// Sends somebody else's command again, with its own amount.
    Replays,
}

/// See the module. All times are the node's clock or T, microseconds.
#[derive(Debug)]
pub(super) struct Mind {
    persona: Persona,
    random: SmallRng,
    unseen: VecDeque<Told>,
    seq_seen: u64,
    lot: Option<Lot>,
    /// The T on screen at which it will bid.
    plan: Option<i64>,
}

/// What it knows of what is on sale.
#[derive(Debug)]
struct Lot {
    window: Uuid,
    closes: i64,
    start: i64,
    step: i64,
    price: Option<i64>,
    is_mine: bool,
    /// The command that made the price.
    price_cause: Option<Uuid>,
    snipes: u32,
}

/// A bid as it is to be sent.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bid {
    pub(super) cmd_id: Uuid,
    pub(super) command: Value,
}

impl Mind {
    pub(super) fn new(persona: Persona, seed: u64) -> Self {
        Self {
            persona,
            random: SmallRng::seed_from_u64(seed),
            unseen: VecDeque::new(),
            seq_seen: 0,
            lot: None,
            plan: None,
        }
    }

    pub(super) fn persona(&self) -> &Persona {
        &self.persona
    }

    /// An event has come in; it is seen on its frame.
    pub(super) fn handle_event(&mut self, told: Told) {
        self.unseen.push_back(told);
        if self.unseen.len() > UNSEEN_MAX
            && let Some(oldest) = self.unseen.pop_front()
        {
            self.see(&oldest, oldest.at);
        }
    }

    /// The node's clock shows `now`; a bid, if this is the moment.
    pub(super) fn handle_time(&mut self, now: i64) -> Option<Bid> {
        let on_screen = now - micros(self.persona.latency);
        while let Some(told) = self.unseen.pop_front_if(|told| told.at <= on_screen) {
            self.see(&told, on_screen);
        }
        self.plan.take_if(|plan| *plan <= on_screen)?;
        self.bid(now, on_screen)
    }

    /// When the node's clock should be looked at again.
    pub(super) fn poll_timeout(&self) -> Option<i64> {
        let seen = self.unseen.front().map(|told| told.at);
        let next = [seen, self.plan].into_iter().flatten().min()?;
        Some(next + micros(self.persona.latency))
    }

    fn see(&mut self, told: &Told, on_screen: i64) {
        self.seq_seen = self.seq_seen.max(told.seq);
        let number = |name: &str| told.rule.get(name).and_then(Value::as_i64);
        match told.rule.get("is").and_then(Value::as_str) {
            Some("opened") if told.ty == "auction.opened" => {
                self.lot = lot(&told.rule);
                self.plan_next(on_screen);
            }
            Some("entered") => {
                let is_mine = told.actor.as_ref().is_some_and(|actor| actor.shown() == self.persona.name);
                let Some((lot, value)) = self.lot.as_mut().zip(number("value")) else { return };
                if lot.price.is_none_or(|price| value > price) {
                    (lot.price, lot.is_mine, lot.price_cause) = (Some(value), is_mine, told.cause);
                    self.plan_next(on_screen);
                }
            }
            Some("extended" | "shortened") => {
                let Some((lot, closes)) = self.lot.as_mut().zip(number("closes")) else { return };
                lot.closes = closes;
                self.plan_next(on_screen);
            }
            Some("decided" | "withdrawn") => (self.lot, self.plan) = (None, None),
            _ => {}
        }
    }

    /// When to bid next, if at all.
    fn plan_next(&mut self, on_screen: i64) {
        self.plan = None;
        let Some(lot) = &self.lot else { return };
        if lot.is_mine || lot.least() > self.persona.limit {
            return;
        }
        let hesitation = hesitation(&mut self.random);
        self.plan = match self.persona.habit {
            Habit::Honest | Habit::Lies | Habit::Replays => Some(on_screen + hesitation),
            Habit::Snipes if lot.snipes < SNIPES_MAX => Some((lot.closes - SNIPE_BEFORE).max(on_screen)),
            Habit::Snipes => None,
            Habit::IsLate => Some(lot.closes + hesitation / 4),
        };
    }

    fn bid(&mut self, now: i64, on_screen: i64) -> Option<Bid> {
        let habit = self.persona.habit;
        let seq_seen = self.seq_seen;
        let is_forward = self.random.random_bool(0.5);
        let lot = self.lot.as_mut()?;
        let is_over = on_screen >= lot.closes;
        if is_over && habit != Habit::IsLate {
            return None;
        }
        let raise = lot.step * self.random.random_range(0..3);
        let amount = (lot.least() + raise).min(self.persona.limit).max(lot.least());
        let mut cmd_id = Uuid::now_v7();
        let t = match habit {
            Habit::Lies if is_forward => now + LIE,
            Habit::Lies => on_screen - LIE,
            Habit::Honest | Habit::Snipes | Habit::IsLate | Habit::Replays => on_screen,
        };
        match habit {
            Habit::Snipes => lot.snipes += 1,
            Habit::Replays => cmd_id = lot.price_cause.unwrap_or(cmd_id),
            Habit::Honest | Habit::Lies | Habit::IsLate => {}
        }
        let command = json!({
            "cmd_id": cmd_id, "type": "auction", "do": "enter", "subject": lot.window,
            "seen": { "t": t, "seq": seq_seen }, "data": { "amount": amount },
        });
        Some(Bid { cmd_id, command })
    }
}

impl Lot {
    /// The least that would be the price now.
    fn least(&self) -> i64 {
        self.price.map_or(self.start, |price| price + self.step)
    }
}

/// The lot that an opening's terms describe.
fn lot(terms: &Value) -> Option<Lot> {
    let decide = terms.get("decide")?;
    Some(Lot {
        window: terms.get("window")?.as_str()?.parse().ok()?,
        closes: terms.get("closes")?.as_i64()?,
        start: decide.get("start")?.as_i64()?,
        step: decide.get("step")?.as_i64()?,
        price: None,
        is_mine: false,
        price_cause: None,
        snipes: 0,
    })
}

/// Some are quick, a few take long: 0.4 s to 9 s.
fn hesitation(random: &mut impl Rng) -> i64 {
    let quick = random.random_range(0.0_f64..1.0);
    400_000 + (quick.powi(2) * 8_600_000.0) as i64
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: i64 = 1_700_000_000_000_000;

    fn mind(habit: Habit, latency_ms: u64) -> Mind {
        let latency = Duration::from_millis(latency_ms);
        Mind::new(Persona { name: "bot-001".to_owned(), latency, limit: 10_000, habit }, 7)
    }

    fn event(seq: u64, at: i64, ty: &str, rule: Value) -> Told {
        let event = json!({ "seq": seq, "at": at, "type": ty, "rule": rule, "actor": { "id": "g~1", "name": "other" } });
        serde_json::from_value(event).expect("an event")
    }

    fn opened(at: i64) -> Told {
        let rule = json!({
            "is": "opened", "window": Uuid::nil(), "opens": at, "closes": at + 30_000_000,
            "decide": { "by": "highest", "start": 1_000, "step": 100 },
        });
        event(1, at, "auction.opened", rule)
    }

    /// Steps from due to due until it bids.
    fn first_bid(mind: &mut Mind) -> (i64, Bid) {
        loop {
            let now = mind.poll_timeout().expect("it has something to do");
            if let Some(bid) = mind.handle_time(now) {
                return (now, bid);
            }
        }
    }

    #[test]
    fn nothing_is_seen_before_its_frame_is_on_the_bots_screen() {
        let mut mind = mind(Habit::Honest, 3_000);
        mind.handle_event(opened(T));
        assert_eq!(mind.poll_timeout(), Some(T + 3_000_000));
        assert_eq!(mind.handle_time(T + 2_999_999), None);
        let (now, bid) = first_bid(&mut mind);
        assert!(now >= T + 3_400_000, "it hesitates");
        assert_eq!(bid.command["seen"], json!({ "t": now - 3_000_000, "seq": 1 }));
        assert!((1_000..=1_200).contains(&bid.command["data"]["amount"].as_i64().expect("amount")));
    }

    #[test]
    fn a_price_over_its_limit_ends_its_interest() {
        let mut mind = mind(Habit::Honest, 200);
        mind.handle_event(opened(T));
        mind.handle_event(event(2, T, "auction.entered", json!({ "is": "entered", "value": 9_950 })));
        assert_eq!(mind.handle_time(T + 200_000), None);
        assert_eq!(mind.poll_timeout(), None);
    }

    #[test]
    fn liars_latecomers_and_replayers_do_as_they_are_called() {
        let mut liar = mind(Habit::Lies, 500);
        liar.handle_event(opened(T));
        let (now, bid) = first_bid(&mut liar);
        let claimed = bid.command["seen"]["t"].as_i64().expect("t");
        assert!((claimed - now).abs() >= LIE);

        let mut late = mind(Habit::IsLate, 500);
        late.handle_event(opened(T));
        let (_, bid) = first_bid(&mut late);
        assert!(bid.command["seen"]["t"].as_i64() >= Some(T + 30_000_000));

        let mut replayer = mind(Habit::Replays, 500);
        replayer.handle_event(opened(T));
        let cause = Uuid::now_v7();
        let entered = event(2, T, "auction.entered", json!({ "is": "entered", "value": 1_000 }));
        replayer.handle_event(Told { cause: Some(cause), ..entered });
        assert_eq!(first_bid(&mut replayer).1.cmd_id, cause);
    }

    #[test]
    fn a_sniper_waits_for_the_end_on_its_own_screen() {
        let mut sniper = mind(Habit::Snipes, 1_000);
        sniper.handle_event(opened(T));
        let (now, _) = first_bid(&mut sniper);
        assert_eq!(now, T + 30_000_000 - SNIPE_BEFORE + 1_000_000);
    }
}
