use super::*;
use uuid::Uuid;

fn message(stream: &str) -> Message {
    Message { id: Uuid::now_v7(), stream: stream.to_owned(), at: 0, body: String::new() }
}

fn push(outbox: &mut Outbox, seq: u64, stream: &str, now: Instant) -> Option<u64> {
    outbox.push(Seq(seq), message(stream), now).map(|(seq, _)| seq.0)
}

fn due(outbox: &mut Outbox, now: Instant) -> Vec<u64> {
    std::iter::from_fn(|| outbox.poll_due(now).map(|(seq, _)| seq.0)).collect()
}

const FAILED: Outcome = Outcome::Failed { retry_after: None };

#[test]
fn one_message_of_a_stream_is_under_way_and_streams_do_not_wait_for_each_other() {
    let (mut outbox, now) = (Outbox::default(), Instant::now());
    for (seq, stream) in [(1, "a"), (2, "a"), (3, "b")] {
        push(&mut outbox, seq, stream, now);
    }
    assert_eq!(due(&mut outbox, now), [1, 3]);
    assert_eq!(outbox.handle_outcome("b", Outcome::Taken, now, 0.0), Done::Forget);
    assert_eq!(outbox.handle_outcome("a", FAILED, now, 0.0), Done::Retry { after: BACKOFF });
    assert!(due(&mut outbox, now).is_empty(), "the second message of a waits for the first");
    assert_eq!(outbox.poll_timeout(), Some(now + BACKOFF));
    assert_eq!(due(&mut outbox, now + BACKOFF), [1]);
    assert_eq!(outbox.handle_outcome("a", Outcome::Taken, now, 0.0), Done::Forget);
    assert_eq!(due(&mut outbox, now), [2]);
}

#[test]
fn waits_double_up_to_a_bound_and_chance_shortens_them() {
    let waits: Vec<_> = (1..=11).map(|n| backoff(n, 0.0).as_secs()).collect();
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    assert_eq!(backoff(3, 1.0), Duration::from_secs(2));
    let (mut outbox, now) = (Outbox::default(), Instant::now());
    push(&mut outbox, 1, "a", now);
    due(&mut outbox, now);
    let asked = Outcome::Failed { retry_after: Some(Duration::from_secs(20)) };
    assert_eq!(outbox.handle_outcome("a", asked, now, 0.0), Done::Retry { after: Duration::from_secs(20) });
}

#[test]
fn a_message_that_nobody_takes_is_given_up_and_the_next_one_goes() {
    let (mut outbox, now) = (Outbox::default(), Instant::now());
    push(&mut outbox, 1, "a", now);
    push(&mut outbox, 2, "a", now);
    let mut now = now;
    for _ in 1..ATTEMPTS_MAX {
        assert_eq!(due(&mut outbox, now), [1]);
        assert!(matches!(outbox.handle_outcome("a", FAILED, now, 0.5), Done::Retry { .. }));
        now += BACKOFF_MAX;
    }
    due(&mut outbox, now);
    assert_eq!(outbox.handle_outcome("a", FAILED, now, 0.5), Done::GiveUp);
    assert_eq!(due(&mut outbox, now), [2]);
}

#[test]
fn a_full_outbox_drops_the_oldest_that_is_not_under_way() {
    let (mut outbox, now) = (Outbox::default(), Instant::now());
    for seq in 0..MESSAGES_MAX as u64 {
        assert_eq!(push(&mut outbox, seq, &format!("s{}", seq % 10), now), None);
    }
    assert_eq!(due(&mut outbox, now), [0, 1, 2, 3, 4, 5, 6, 7], "eight at once");
    assert_eq!(push(&mut outbox, 5_000, "new", now), Some(8));
    assert_eq!(push(&mut outbox, 5_001, "new", now), Some(9));
    assert_eq!(push(&mut outbox, 5_002, "new", now), Some(10));
    assert_eq!(outbox.len(), MESSAGES_MAX);
}
