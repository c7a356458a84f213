//! Viewers, decided by the operator's own service.

use crate::support::{DEADLINE, Receiver, Reply, SECRET, client, stream};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;
use unisono_auth::{Access, Action, Closed, Denied, Gate, NewKey, Role, ViewPolicy};
use unisono_base::StreamId;
use unisono_webhook::{GateConfig, Metrics, Secret, Unanswered, ViewGate};

fn gate(url: &str, unanswered: Unanswered) -> ViewGate {
    let secrets = vec![Secret::parse(SECRET).expect("a secret")];
    let config = GateConfig::new(url, secrets, unanswered).expect("good");
    ViewGate::new(config, client(), Arc::new(Metrics::default()))
}

/// As a door asks: first with patience, then from memory.
async fn enters(gate: &ViewGate, token: &str, stream: &StreamId) -> Result<(), Closed> {
    timeout(DEADLINE, gate.prepare(token, stream)).await.expect("it never waits for long");
    gate.enter(token, stream)
}

#[tokio::test]
async fn a_decision_is_asked_for_once_per_token_and_stream() {
    let mut receiver = Receiver::open(|got| match got.json()["data"]["token"].as_str() {
        Some("good") => Reply::Aged(200, 600),
        _ => Reply::Aged(403, 600),
    })
    .await;
    let gate = gate(&receiver.url, Unanswered::Refuse);
    let (a, b) = (stream("live/a"), stream("live/b"));
    assert_eq!(enters(&gate, "good", &a).await, Ok(()));
    assert_eq!(enters(&gate, "bad", &a).await, Err(Closed::Refused("not your show".to_owned())));
    for _ in 0..100 {
        assert_eq!(enters(&gate, "good", &a).await, Ok(()));
        assert!(enters(&gate, "bad", &a).await.is_err());
    }
    assert_eq!(enters(&gate, "good", &b).await, Ok(()));
    let mut asked = Vec::new();
    for _ in 0..3 {
        let json = receiver.next().await.json();
        assert_eq!(json["type"], "viewer.auth");
        asked.push(format!("{} {}", json["data"]["token"], json["data"]["stream"]));
    }
    assert_eq!(asked, [r#""good" "live/a""#, r#""bad" "live/a""#, r#""good" "live/b""#]);
    assert!(receiver.is_quiet());
}

#[tokio::test]
async fn who_watches_is_asked_about_again_and_leaves_when_refused() {
    let receiver = Receiver::open(|_| Reply::Aged(200, 1)).await;
    let gate = gate(&receiver.url, Unanswered::Refuse);
    let stream = stream("live/a");
    assert_eq!(enters(&gate, "t", &stream).await, Ok(()));
    receiver.now_answers(|_| Reply::Aged(401, 60));
    let leaves = async {
        while gate.stays("t", &stream).is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(DEADLINE, leaves).await.expect("refused in the end");
    assert_eq!(gate.enter("t", &stream), Err(Closed::Refused("not your show".to_owned())));
}

#[tokio::test]
async fn a_service_that_hangs_keeps_nobody_waiting_and_who_watches_stays() {
    let receiver = Receiver::open(|_| Reply::Hang).await;
    let stream = stream("live/a");
    let refusing = gate(&receiver.url, Unanswered::Refuse);
    assert_eq!(enters(&refusing, "t", &stream).await, Err(Closed::Undecided));
    let allowing = gate(&receiver.url, Unanswered::Allow);
    assert_eq!(enters(&allowing, "t", &stream).await, Ok(()));

    receiver.now_answers(|_| Reply::Aged(200, 1));
    let gate = gate(&receiver.url, Unanswered::Refuse);
    assert_eq!(enters(&gate, "t", &stream).await, Ok(()));
    receiver.now_answers(|_| Reply::Hang);
    // Long enough for the decision to end and for one question to stay without an answer.
    for _ in 0..50 {
        assert_eq!(gate.stays("t", &stream), Ok(()));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn keys_of_this_node_are_judged_here_and_never_sent() {
    let mut receiver = Receiver::open(|_| Reply::Aged(403, 60)).await;
    let access = Access::new(Arc::default(), Vec::new(), ViewPolicy::Open);
    let gate = gate(&receiver.url, Unanswered::Refuse);
    access.set_gate(Arc::new(gate.clone()));
    let (key, stream) = (NewKey::generate(Role::Publish, "one").expect("randomness"), stream("live/a"));
    access.keyring().add(&key).expect("room");
    assert!(access.allow(key.reveal(), Action::View, &stream, 1).is_ok());
    assert!(receiver.is_quiet());
    gate.prepare("other", &stream).await;
    let refused = access.allow("other", Action::View, &stream, 1);
    assert_eq!(refused, Err(Denied::ByService("not your show".to_owned())));
    assert_eq!(receiver.next().await.json()["data"]["token"], "other");
    assert!(!access.is_open());
}
