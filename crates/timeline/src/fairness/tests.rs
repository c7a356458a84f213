use super::*;
use crate::{Decide, Decision, Seen};
use uuid::Uuid;

const OPENS: MediaTime = MediaTime::from_micros(1_700_000_000_000_000);

fn terms(decide: Decide) -> Terms {
    let closes = OPENS + Span::from_secs(30);
    let terms = Terms {
        window: Uuid::nil(),
        opens: OPENS,
        closes,
        reveal: closes,
        l_max: L_MAX,
        l_min: L_MIN,
        uplink: UPLINK,
        decide,
        is_sealed: true,
        entries_per_person: 2,
        changes: false,
        soft_close: None,
        seed_digest: String::new(),
    };
    Terms { reveal: closes + terms.reveal_gap(), ..terms }
}

fn ballot(n: u64, person: &str, value: i64) -> Ballot<&str> {
    Ballot { n, cmd_id: Uuid::from_u128(n.into()), person, value }
}

/// At `after` T_c, with a delivered edge that lies `edge` behind and a player that may hold back `buffer`.
fn judged(after: f64, edge: Option<f64>, buffer: f64, claim: Option<f64>) -> Judged {
    let terms = terms(Decide::Tally { choices: 2 });
    let span = |seconds: f64| Span::from_micros((seconds * 1e6) as i64);
    let received = terms.closes + span(after);
    let witness = Witness {
        received,
        rtt_min: Span::ZERO,
        delivered: edge.map(|edge| received - span(edge)),
        buffer: span(buffer),
        claimed: claim.map(|claim| Seen { t: terms.closes + span(claim), seq: None }),
    };
    judge(&terms, terms.closes, &witness)
}

#[test]
fn a_claim_counts_within_its_bounds() {
    assert_eq!(judged(0.3, Some(0.1), 0.5, Some(-0.1)).membership, Membership::In);
    let lied = judged(1.0, Some(0.1), 0.5, Some(-0.1));
    assert!(lied.is_clamped && lied.membership == Membership::Late, "half a second, not a whole one");
    let ahead = judged(-1.0, Some(0.1), 0.5, Some(5.0));
    assert!(ahead.is_clamped && ahead.membership == Membership::In, "nobody sees what was not delivered");
    assert_eq!(judged(-40.0, Some(0.1), 0.5, Some(-40.2)).membership, Membership::Early);
    assert_eq!(judged(6.4, Some(7.0), 0.5, Some(-1.0)).membership, Membership::Late, "L_max + U is over");
}

#[test]
fn who_answers_the_opening_at_once_is_in_however_long_the_round_trip_looks() {
    let terms = terms(Decide::Tally { choices: 2 });
    let at = |after: f64, claim: Option<f64>, has_stream: bool| {
        let span = |seconds: f64| Span::from_micros((seconds * 1e6) as i64);
        let received = terms.opens + span(after);
        let rtt_min = span(0.4);
        let witness = Witness {
            received,
            rtt_min,
            delivered: has_stream.then(|| received - span(0.2)),
            buffer: span(0.5),
            claimed: claim.map(|claim| Seen { t: terms.opens + span(claim), seq: None }),
        };
        judge(&terms, terms.closes, &witness).membership
    };
    for has_stream in [true, false] {
        assert_eq!(at(0.05, Some(0.0), has_stream), Membership::In);
        assert_eq!(at(0.05, None, has_stream), Membership::In);
        assert_eq!(at(0.05, Some(-0.04), has_stream), Membership::Early, "their own word");
        assert_eq!(at(-0.3, Some(0.0), has_stream), Membership::Early, "nobody can have seen it");
    }
}

#[test]
fn a_foreign_player_has_the_latency_its_protocol_can_have_and_not_more() {
    assert_eq!(judged(3.2, Some(0.5), 2.5, None).membership, Membership::In, "T_c + 3 s + U");
    assert_eq!(judged(3.4, Some(0.5), 2.5, None).membership, Membership::Late);
    assert_eq!(judged(6.0, None, 0.0, None).membership, Membership::In, "nothing known: L_max");
    let earliest_eye = 6.05;
    assert_eq!(
        judged(earliest_eye + 0.01, Some(4.0), 9.0, None).membership,
        Membership::Late,
        "may know the result"
    );
}

#[test]
fn the_no_leak_condition_is_exact() {
    let fits = terms(Decide::Tally { choices: 2 });
    assert_eq!(fits.missing(), None);
    let early = Terms { reveal: fits.reveal - Span::from_micros(1), ..fits };
    assert_eq!(early.missing(), Some(Span::from_micros(1)));
}

#[test]
fn a_person_counts_as_often_as_the_terms_say() {
    let commitment = Commitment { seed: [7; 32], outcome: None };
    let entries = || [ballot(1, "ann", 0), ballot(2, "ann", 1), ballot(3, "ann", 1), ballot(4, "bob", 0)];
    let kept = decide(&terms(Decide::Tally { choices: 2 }), &commitment, entries(), 5).expect("decided");
    assert_eq!((kept.result, kept.entries, kept.late), (Decision::Tally { counts: vec![2, 1] }, 3, 5));
    let changing = Terms { changes: true, ..terms(Decide::Tally { choices: 2 }) };
    let changed = decide(&changing, &commitment, entries(), 0).expect("decided");
    assert_eq!(changed.result, Decision::Tally { counts: vec![1, 2] });
}

#[test]
fn equal_amounts_are_split_by_the_seed_and_not_by_who_came_first() {
    let terms = terms(Decide::Highest { start: 1, step: 1 });
    let winner = |seed: u8| {
        let entries = [ballot(1, "ann", 9), ballot(2, "bob", 9), ballot(3, "cem", 8)];
        let commitment = Commitment { seed: [seed; 32], outcome: None };
        match decide(&terms, &commitment, entries, 0).expect("decided").result {
            Decision::Highest { winner_n: Some(n), amount: 9 } => n,
            other => panic!("{other:?}"),
        }
    };
    let first = (0..100).filter(|seed| winner(*seed) == 1).count();
    assert!((30..70).contains(&first), "{first} of 100");
    let commitment = Commitment { seed: [0; 32], outcome: None };
    let nobody = decide::<u8>(&terms, &commitment, [], 0).expect("decided").result;
    assert_eq!(nobody, Decision::Highest { winner_n: None, amount: 0 });
}

#[test]
fn a_match_without_its_outcome_is_not_decided() {
    let terms = terms(Decide::Match { choices: 2 });
    let commitment = |outcome| Commitment { seed: [0; 32], outcome };
    assert_eq!(decide(&terms, &commitment(None), [ballot(1, "ann", 0)], 0), None);
    let told = decide(&terms, &commitment(Some(0)), [ballot(1, "ann", 0)], 0).expect("decided");
    assert_eq!(told.result, Decision::Match { outcome: 0, counts: vec![1, 0] });
}
