//! What members write, judged by the operator's own service.

use crate::support::{DEADLINE, Receiver, Reply, SECRET, client};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;
use unisono_webhook::{GateConfig, Judgement, MessageJudge, Metrics, Secret, Unanswered};

fn judge(url: &str, unanswered: Unanswered, within: Duration) -> MessageJudge {
    let secrets = vec![Secret::parse(SECRET).expect("a secret")];
    let config = GateConfig::new(url, secrets, unanswered).expect("good");
    MessageJudge::new(config, within, client(), Arc::new(Metrics::default()))
}

async fn said(judge: &MessageJudge, text: &str) -> Judgement {
    let data = json!({"text": text});
    timeout(DEADLINE, judge.judge("live:alice", "~ann", "chat", &data))
        .await
        .expect("it never waits for long")
}

#[tokio::test]
async fn messages_are_allowed_masked_and_refused_and_remembered_where_the_service_says_so() {
    let mut receiver = Receiver::open(|got| match got.json()["data"]["message"]["data"]["text"].as_str() {
        Some("fine") => Reply::Status(204),
        Some("rude") => Reply::Says(200, r#"{"data":{"text":"****"}}"#),
        _ => Reply::Aged(403, 600),
    })
    .await;
    let judge = judge(&receiver.url, Unanswered::Refuse, DEADLINE);
    assert_eq!(said(&judge, "fine").await, Judgement::Allow);
    assert_eq!(said(&judge, "rude").await, Judgement::Mask(json!({"text": "****"})));
    for _ in 0..3 {
        assert_eq!(said(&judge, "vile").await, Judgement::Refuse("not your show".to_owned()));
    }
    let mut asked = Vec::new();
    for _ in 0..3 {
        let got = receiver.next().await;
        assert!(got.header("webhook-signature").starts_with("v1,"), "signed like the others");
        assert_eq!(got.json()["type"], "message.judge");
        assert_eq!(
            (&got.json()["data"]["room"], &got.json()["data"]["person"]),
            (&json!("live:alice"), &json!("~ann"))
        );
        asked.push(got.json()["data"]["message"]["data"]["text"].clone());
    }
    assert_eq!(asked, ["fine", "rude", "vile"]);
    assert!(receiver.is_quiet(), "the third and fourth were remembered");
}

#[tokio::test]
async fn a_service_that_does_not_answer_decides_nothing_and_is_soon_left_alone() {
    let mut receiver = Receiver::open(|_| Reply::Hang).await;
    let allowing = judge(&receiver.url, Unanswered::Allow, Duration::from_millis(50));
    for number in 0..20 {
        assert_eq!(said(&allowing, &number.to_string()).await, Judgement::Allow);
    }
    let mut asked = 0;
    while !receiver.is_quiet() {
        asked += 1;
    }
    assert!((1..=8).contains(&asked), "asked {asked} times");
    let refusing = judge(&receiver.url, Unanswered::Refuse, Duration::from_millis(50));
    assert!(
        matches!(said(&refusing, "hello").await, Judgement::Refuse(words) if words.contains("try again"))
    );
}
