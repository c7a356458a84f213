//! Figures for docs/fairness.md: `cargo run -p unisono-timeline --example fairness [SEED]`.

mod model;

use model::{Cheat, chi_square, contest, gain, margin, wrong_order};

fn main() {
    let seed = std::env::args().nth(1).and_then(|seed| seed.parse().ok()).unwrap_or(20_261_121);
    let fair = contest(seed, 2_000, (40, 0, Cheat::No));
    println!("seed {seed}; 2000 windows of 40 equal bids; refused {}", fair.refused);
    println!("decile      entered   wins   wins if the first to arrive won");
    for decile in 0..10 {
        let (entered, won, first) =
            (fair.entered[decile], fair.by_decile[decile], fair.first_by_decile[decile]);
        println!("{decile:>6} {entered:>12} {won:>6} {first:>6}");
    }
    println!("chi-square, 9 degrees of freedom: {:.1}", chi_square(&fair.by_decile, &fair.entered));
    println!("  first to arrive: {:.0}", chi_square(&fair.first_by_decile, &fair.entered));
    for cheat in [Cheat::Delay, Cheat::ClaimEarly] {
        let wins = contest(seed ^ 1, 2_000, (40, 8, cheat));
        println!(
            "8 of 40 do {cheat:?}: they win {} of {} (share of people 20 %)",
            wins.cheaters, wins.windows
        );
    }
    for (least, most) in [(0.02, 0.05), (0.05, 0.1), (0.1, 0.2)] {
        let wrong = wrong_order(seed, 200_000, (least, most));
        println!("arrival order wrong at {:.0}-{:.0} ms: {:.1} %", least * 1e3, most * 1e3, wrong * 100.0);
    }
    for latency in [0.2, 0.3, 0.49, 0.6, 1.5, 2.5, 4.0] {
        println!("a liar with L = {latency} s gains at most {:.2} s", gain(latency));
    }
    println!("from the last click taken to the first eye on T_r: {:.2} s", margin());
}
