//! F1 in a simulated room: nobody wins by latency, and nobody by lying about it. The model is in its own file.

#[path = "../examples/fairness/model.rs"]
mod model;

use model::{Cheat, chi_square, contest, gain, margin, wrong_order};

/// Chi-square with 9 degrees of freedom at p = 0.001.
const FLAT: f64 = 27.88;

#[test]
fn wins_are_flat_over_latency_deciles_where_arrival_order_is_not() {
    let wins = contest(1, 500, (40, 0, Cheat::No));
    assert!(chi_square(&wins.by_decile, &wins.entered) < FLAT, "{wins:?}");
    assert!(chi_square(&wins.first_by_decile, &wins.entered) > FLAT, "the test could see it: {wins:?}");
    assert_eq!(wins.refused, 0, "honest clicks within L_max and U all count");
    assert!(wrong_order(1, 10_000, (0.02, 0.05)) > 0.3, "over such latencies arrival tells little");
}

#[test]
fn who_waits_or_claims_an_early_frame_wins_no_more_often() {
    for cheat in [Cheat::Delay, Cheat::ClaimEarly] {
        let wins = contest(2, 500, (40, 8, cheat));
        let expected = wins.windows as f64 * 0.2;
        let deviation = (expected * 0.8).sqrt();
        // 3.3 standard deviations: p = 0.0005 one-sided.
        assert!((wins.cheaters as f64) < expected + 3.3 * deviation, "{cheat:?}: {wins:?}");
    }
}

#[test]
fn a_liar_gains_no_more_than_its_player_may_hold_back() {
    assert!(gain(0.2) <= 0.5 && gain(0.4) <= 0.5, "WebRTC: B_p is half a second");
    assert!(gain(0.6) <= 5.0 && gain(4.0) <= 5.0, "LL-HLS: edge and B_p together are five");
}

#[test]
fn no_click_counts_that_can_know_the_result() {
    assert!(margin() > 0.0, "{}", margin());
}
