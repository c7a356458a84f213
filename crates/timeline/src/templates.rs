//! The types every room knows. They are types like any other: nothing in the sequencer knows their names.

use crate::{Class, DecideBy, EventType, Lane, Role, WindowClass};
use serde_json::{Value, json};
use unisono_base::Span;

/// All of them.
pub(crate) fn all() -> Vec<EventType> {
    vec![
        log("chat", Lane::Chat, Role::Member, text("text")),
        counter("reaction"),
        log("question", Lane::Question, Role::Member, text("text")),
        window("poll", Lane::Poll, Role::Member, tally()),
        window("quiz", Lane::Poll, Role::Member, matched()),
        queue("alert"),
        window("auction", Lane::Auction, Role::Bidder, open_bids()),
        window("sealed-bid", Lane::Auction, Role::Bidder, sealed_bids()),
        window("round", Lane::Round, Role::Bidder, matched()),
        stock("drop"),
        latest("score"),
        log("gift", Lane::Alert, Role::System, None),
        log("purchase", Lane::Alert, Role::System, None),
        log("moderation", Lane::Moderation, Role::Moderator, None),
    ]
}

fn plain(name: &str, lane: Lane, send: Role, class: Class, schema: Option<Value>) -> EventType {
    EventType { name: name.to_owned(), lane, schema, class, send, host: Role::Host, late: None }
}

fn log(name: &str, lane: Lane, send: Role, schema: Option<Value>) -> EventType {
    plain(name, lane, send, Class::Log {}, schema)
}

fn counter(name: &str) -> EventType {
    let class = Class::Counter { key: Some("/emoji".to_owned()), every: Span::from_millis(100) };
    let emoji = json!({"type": "string", "minLength": 1, "maxLength": 16});
    let schema = json!({"type": "object", "properties": {"emoji": emoji}, "required": ["emoji"]});
    plain(name, Lane::Reaction, Role::Guest, class, Some(schema))
}

fn queue(name: &str) -> EventType {
    let class = Class::Queue { show: Span::from_secs(8), waiting_max: 100 };
    plain(name, Lane::Alert, Role::Host, class, None)
}

fn latest(name: &str) -> EventType {
    plain(name, Lane::Round, Role::Host, Class::Latest { key: None }, None)
}

fn stock(name: &str) -> EventType {
    let class = Class::Stock { hold: Span::from_secs(300), per_person: 1 };
    let schema = json!({"type": "object", "properties": {"title": {"type": "string", "maxLength": 200}}});
    plain(name, Lane::Auction, Role::Bidder, class, Some(schema))
}

/// Choices and amounts are checked by the window's own rule; the schema bounds what is shown.
fn window(name: &str, lane: Lane, send: Role, window: WindowClass) -> EventType {
    let words = json!({"type": "string", "maxLength": 280});
    let schema = json!({
        "type": "object",
        "properties": {
            "question": words,
            "title": words,
            "choices": {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 100}},
        },
    });
    plain(name, lane, send, Class::Window(window), Some(schema))
}

fn tally() -> WindowClass {
    WindowClass { changes: true, ..sealed(DecideBy::Tally) }
}

fn matched() -> WindowClass {
    sealed(DecideBy::Match)
}

fn open_bids() -> WindowClass {
    WindowClass {
        is_sealed: false,
        entries_per_person: 1_000,
        extensions_max: 50,
        ..sealed(DecideBy::Highest)
    }
}

fn sealed_bids() -> WindowClass {
    WindowClass { changes: true, ..sealed(DecideBy::Highest) }
}

fn sealed(decide: DecideBy) -> WindowClass {
    WindowClass { decide, is_sealed: true, entries_per_person: 1, changes: false, extensions_max: 0 }
}

fn text(member: &str) -> Option<Value> {
    Some(json!({
        "type": "object",
        "properties": {member: {"type": "string", "minLength": 1, "maxLength": 500}},
        "required": [member],
    }))
}
