use super::*;
use serde_json::json;

fn latest(name: &str) -> EventType {
    serde_json::from_value(
        json!({"name": name, "lane": "round", "class": {"rule": "latest", "key": "/team"}}),
    )
    .expect("valid")
}

fn refused(change: impl FnOnce(&mut EventType)) -> String {
    let mut event_type = latest("goal");
    change(&mut event_type);
    Types::new([event_type]).err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn the_templates_are_valid_and_can_be_replaced() {
    let types = Types::default();
    for name in
        ["chat", "reaction", "question", "poll", "quiz", "alert", "auction", "sealed-bid", "round", "drop"]
    {
        assert!(types.get(name).is_some(), "{name}");
    }
    let types = Types::new([latest("chat")]).expect("valid");
    assert!(matches!(types.get("chat").expect("there").event_type().class, Class::Latest { .. }));
    assert_eq!(types.iter().count(), Types::default().iter().count());
}

#[test]
fn a_refusal_names_type_and_limit() {
    assert_eq!(refused(|_| {}), "");
    assert!(refused(|t| t.name = "Goal".into()).contains("a-z"));
    assert!(refused(|t| t.name = "x".repeat(49)).contains("48"));
    assert!(refused(|t| t.lane = Lane::Reaction).contains("counter"));
    assert!(refused(|t| t.class = Class::Latest { key: Some("team".into()) }).contains("JSON Pointer"));
    assert!(refused(|t| t.class = Class::Latest { key: Some("/a~2".into()) }).contains("JSON Pointer"));
    assert!(refused(|t| t.class = Class::Counter { key: None, every: Span::ZERO }).contains("100000"));
    assert!(refused(|t| t.class = Class::Stock { hold: Span::ZERO, per_person: 1 }).contains("hold"));
    assert!(
        refused(|t| t.class = Class::Queue { show: Span::from_secs(5), waiting_max: 0 })
            .contains("waiting_max")
    );
    assert!(refused(|t| t.schema = Some(json!({"type": 5}))).contains("\"goal\": not a JSON Schema"));
    assert!(Types::new([latest("a"), latest("a")]).expect_err("twice").to_string().contains("twice"));
    let many = (0..=TYPES_MAX).map(|i| latest(&format!("t{i}")));
    assert!(Types::new(many).expect_err("many").to_string().contains("256"));
}

#[test]
fn a_key_is_found_and_bounded() {
    let types = Types::new([latest("goal")]).expect("valid");
    let goal = types.get("goal").expect("there");
    assert_eq!(goal.key_of(&json!({"team": "red"})), Ok("red".to_owned()));
    assert_eq!(goal.key_of(&json!({"team": 7})), Ok("7".to_owned()));
    assert!(goal.key_of(&json!({})).expect_err("missing").contains("data/team"));
    assert!(goal.key_of(&json!({"team": []})).is_err());
    assert!(goal.key_of(&json!({"team": "x".repeat(129)})).expect_err("long").contains("128"));
    let counter = types.get("reaction").expect("a template");
    assert_eq!(counter.counted_every(), Some(Span::from_millis(100)));
    assert_eq!(goal.counted_every(), None);
}
