//! How a lot goes, as the feed tells it, and the words for where it stands.

use super::state::{BotsState, Hammer, LotState, Phase};
use crate::room_feed::Told;
use serde_json::{Value, json};
use unisono_timeline::Uuid;

/// How long a lot is open at first.
const OPEN_US: u64 = 20_000_000;
/// The latest picture that may take part: what the slowest bot and the slow pane have, rounded up.
const L_MAX_US: u64 = 4_500_000;
const TITLES: [&str; 4] =
    ["Station clock, 1931", "Bakelite radio, 1938", "Brass sextant, 1902", "Enamel signal lamp, 1925"];

/// The command that opens lot `round`.
pub(super) fn opening(round: u32) -> (Value, String) {
    let title = TITLES[round as usize % TITLES.len()];
    let terms = json!({ "l_max": L_MAX_US });
    let data = json!({ "title": title, "start": 5_000, "step": 500, "currency": "EUR", "terms": terms });
    let command =
        json!({ "cmd_id": Uuid::now_v7(), "type": "auction", "do": "open", "dur": OPEN_US, "data": data });
    (command, title.to_owned())
}

/// What an event changes. `n_of`: the log entry of a command whose answer is known.
pub(super) fn follow(lot: &mut LotState, told: &Told, n_of: impl Fn(Uuid) -> Option<u64>) {
    let text = |name: &str| told.rule.get(name).and_then(Value::as_str);
    let number = |name: &str| told.rule.get(name).and_then(Value::as_i64);
    if text("window") != Some(&*lot.window) {
        return;
    }
    match text("is") {
        Some("opened") => lot.closes = number("closes").unwrap_or(0),
        Some("entered") => entered(lot, told, number("value").unwrap_or(0)),
        Some("extended") => {
            lot.closes = number("closes").unwrap_or(lot.closes);
            lot.extensions += 1;
        }
        Some("decided") => lot.hammer = Some(hammer(lot, told, n_of)),
        _ => {}
    }
}

fn entered(lot: &mut LotState, told: &Told, value: i64) {
    lot.bids += 1;
    lot.clamped += u64::from(told.rule.get("is_clamped").and_then(Value::as_bool) == Some(true));
    let who = told.actor.as_ref().map_or("somebody", |actor| actor.shown());
    if lot.price.is_none_or(|price| value > price) {
        lot.price = Some(value);
        lot.leader = Some(who.to_owned());
        lot.top.clear();
    }
    if let Some(cause) = told.cause.filter(|_| lot.price == Some(value)) {
        lot.top.push((cause, who.to_owned()));
    }
}

fn hammer(lot: &LotState, told: &Told, n_of: impl Fn(Uuid) -> Option<u64>) -> Hammer {
    let number = |pointer: &str| told.rule.pointer(pointer).and_then(Value::as_u64);
    let amount = told.rule.pointer("/result/amount").and_then(Value::as_i64).unwrap_or(0);
    let winner_n = number("/result/winner_n");
    // Equal prices are split by the seed, so the first to bid one need not be who has it.
    let winner = match lot.top.as_slice() {
        [(_, only)] => Some(only.clone()),
        several => {
            let won = several.iter().find(|(cause, _)| winner_n.is_some() && n_of(*cause) == winner_n);
            won.map(|(_, who)| who.clone())
        }
    };
    Hammer {
        at: told.at,
        amount,
        winner,
        entries: number("/entries").unwrap_or(0),
        late: number("/late").unwrap_or(0),
        winner_n,
    }
}

/// Where the lot stands when the node's clock shows `now`.
pub(super) fn phase(lot: &LotState, now: i64) -> Phase {
    match (&lot.hammer, now >= lot.closes) {
        (Some(hammer), _) if now >= hammer.at => Phase::Sold,
        (_, true) => Phase::Counting,
        (_, false) => Phase::Bidding,
    }
}

/// The running caption.
pub(super) fn caption(lot: &LotState, bots: &BotsState, phase: Phase, now: i64) -> String {
    let left = (lot.closes - now) / 1_000_000;
    match phase {
        Phase::Bidding if lot.extensions > 0 => format!(
            "Soft close: a bid in the last seconds moved the end, {} so far. Every viewer sees the same clock on the same frame. {left} s left.",
            times(lot.extensions)
        ),
        Phase::Bidding if left > 12 => format!(
            "{} bidders, each 0.2 to 4 s behind live. A bid counts by the frame its sender saw, so nobody wins by a faster link.",
            bots.connected
        ),
        Phase::Bidding => format!(
            "Some cheat: {} claims of what was seen were brought into what the server had sent; {} bids came after the end, {} were replays. Press the red button if you like: now.",
            lot.clamped, bots.answers.late, bots.answers.duplicate
        ),
        Phase::Counting => "Closed on every screen. The server waits until the slowest viewer's last click has arrived, then tells all of \
            them the result ahead of its frame."
            .to_owned(),
        Phase::Sold => {
            let (amount, winner) = lot.hammer.as_ref().map_or((0, None), |hammer| (hammer.amount, hammer.winner.as_deref()));
            format!("Sold for {} to {}: the hammer falls on one frame for all; each pane says how near it came.", euros(amount), winner.unwrap_or("nobody"))
        }
        Phase::Starting | Phase::Proof | Phase::Over => String::new(),
    }
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

/// An amount in cents.
pub(super) fn euros(cents: i64) -> String {
    format!("€{}.{:02}", cents / 100, cents % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: i64 = 1_700_000_000_000_000;

    fn told(rule: Value) -> Told {
        let event = json!({ "seq": 1, "at": T, "type": "auction.x", "rule": rule, "cause": Uuid::nil(), "actor": { "id": "g~1", "name": "bot-001" } });
        serde_json::from_value(event).expect("an event")
    }

    #[test]
    fn a_lot_is_followed_to_its_hammer() {
        let mut lot = LotState { window: "w".to_owned(), ..LotState::default() };
        let other = json!({ "is": "entered", "window": "another", "value": 1 });
        for rule in [
            json!({ "is": "opened", "window": "w", "closes": T + 20_000_000 }),
            other,
            json!({ "is": "entered", "window": "w", "value": 5_000, "is_clamped": false }),
            json!({ "is": "entered", "window": "w", "value": 6_000, "is_clamped": true }),
            json!({ "is": "extended", "window": "w", "closes": T + 30_000_000, "count": 1 }),
        ] {
            follow(&mut lot, &told(rule), |_| None);
        }
        assert_eq!((lot.bids, lot.clamped, lot.price, lot.extensions), (2, 1, Some(6_000), 1));
        assert_eq!(phase(&lot, T + 25_000_000), Phase::Bidding);
        assert_eq!(phase(&lot, T + 31_000_000), Phase::Counting);
        let result = json!({ "by": "highest", "winner_n": 9, "amount": 6_000 });
        follow(
            &mut lot,
            &told(json!({ "is": "decided", "window": "w", "result": result, "entries": 2, "late": 1 })),
            |_| None,
        );
        let hammer = lot.hammer.clone().expect("sold");
        assert_eq!(
            (hammer.winner.as_deref(), hammer.winner_n, hammer.entries, hammer.late),
            (Some("bot-001"), Some(9), 2, 1)
        );
        assert_eq!(phase(&lot, T), Phase::Sold);
        assert!(caption(&lot, &BotsState::default(), Phase::Sold, T).contains("€60.00 to bot-001"));
    }
}
