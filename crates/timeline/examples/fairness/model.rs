//! The model behind the figures of docs/fairness.md. It drives the real sequencer; only people and networks are made up.
//!
//! * Latency L of a viewer: log-uniform in 0.2-4 s, so that a decile is a factor of 1.35. A frame T is on screen at T + L.
//! * Jitter: each click sees its frame up to 10 % of L earlier or later, within 0.2-4 s.
//! * Uplink: exponential with mean 43 ms, so that p99.9 is U = 300 ms; the least round trip is twice 10 ms.
//! * D, what the server knows: viewers below 0.5 s are on WebRTC (D = newest frame, B_p = 0.5 s), others on LL-HLS (D = the
//!   packager's edge, 0.5 s behind; B_p = 4.5 s).
//! * Reaction: from the frame seen, exponential with mean 2 s, the same for everybody, whatever their latency.
//! * Seeded SplitMix64 (Steele, Lea, Flood 2014): the same seed gives the same figures on every machine.

use serde_json::{Value, json};
use std::{collections::HashMap, sync::Arc};
use unisono_base::{Epoch, MediaTime, RoomId, Span, Tenant};
use unisono_timeline::{
    Ack, At, Body, Command, Decision, Moment, Person, Role, Rule, Seen, Sender, Sequencer, Status, Types,
    Uuid, Verb, Witness,
};

const START: MediaTime = MediaTime::from_micros(1_700_000_000_000_000);
const L_LEAST: f64 = 0.2;
const L_MOST: f64 = 4.0;
const OPEN: f64 = 20.0;

/// SplitMix64.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    fn latency(&mut self) -> f64 {
        L_LEAST * (L_MOST / L_LEAST).powf(self.unit())
    }
}

fn seconds(seconds: f64) -> Span {
    Span::from_micros((seconds * 1e6) as i64)
}

/// Decile of a latency, 0 the fastest.
pub(crate) fn decile(latency: f64) -> usize {
    let share = (latency / L_LEAST).ln() / (L_MOST / L_LEAST).ln();
    ((share * 10.0) as usize).min(9)
}

/// One click on its way, in seconds after T_o.
#[derive(Clone, Debug)]
pub(crate) struct Click {
    pub(crate) who: usize,
    pub(crate) latency: f64,
    pub(crate) seen: f64,
    pub(crate) claimed: f64,
    pub(crate) received: f64,
    pub(crate) is_cheater: bool,
}

/// What a cheater does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cheat {
    /// Nothing.
    No,
    /// Waits two seconds longer, then claims the frame it saw at first.
    Delay,
    /// Claims to have seen the first frame of the window.
    ClaimEarly,
}

pub(crate) fn click(dice: &mut Dice, who: usize, cheat: Cheat) -> Click {
    let latency = dice.latency();
    let seen = dice.exponential(2.0).min(OPEN - 0.001);
    let on_screen = (latency * (0.9 + 0.2 * dice.unit())).clamp(L_LEAST, L_MOST);
    let (claimed, waits) = match cheat {
        Cheat::No => (seen, 0.0),
        Cheat::Delay => (seen, 2.0),
        Cheat::ClaimEarly => (0.0, 0.0),
    };
    let received = seen + on_screen + waits + 0.01 + dice.exponential(0.043);
    Click { who, latency, seen, claimed, received, is_cheater: cheat != Cheat::No }
}

/// A room with one window at a time.
pub(crate) struct Stage {
    sequencer: Sequencer,
    now: MediaTime,
    commands: u128,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let room = RoomId::parse(Tenant::default(), "live:fair").expect("valid");
        Self { sequencer: Sequencer::new(room, Arc::new(Types::default())), now: START, commands: 0 }
    }

    fn handle(&mut self, who: &Sender, verb: Verb, subject: Option<Uuid>, data: Value, random: u64) -> Ack {
        self.commands += 1;
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&random.to_be_bytes());
        let moment = Moment { now: self.now, newest: Some(self.now), epoch: Some(Epoch(1)), random: seed };
        let command = Command {
            cmd_id: Uuid::from_u128(self.commands),
            ty: "sealed-bid".to_owned(),
            verb,
            lane: None,
            at: At::Now,
            dur: Some(seconds(OPEN)),
            ttl: None,
            late: None,
            subject,
            data,
        };
        self.sequencer.handle_command(command, who, moment)
    }

    pub(crate) fn open(&mut self, dice: &mut Dice) -> (Uuid, MediaTime) {
        let host = sender(usize::MAX, Role::Host, witness(self.now, 0.3, None));
        let ack = self.handle(&host, Verb::Open, None, json!({"title": "lot"}), dice.bits());
        (ack.id.expect("opened"), self.now)
    }

    /// Everybody bids the same, so that only order could decide.
    pub(crate) fn bid(&mut self, window: Uuid, opens: MediaTime, click: &Click) -> Status {
        self.now = opens + seconds(click.received);
        let claim = Some(opens + seconds(click.claimed));
        let bidder = sender(click.who, Role::Bidder, witness(self.now, click.latency, claim));
        self.handle(&bidder, Verb::Enter, Some(window), json!({"amount": 100}), 0).status
    }

    /// The winner of the window, as its number.
    pub(crate) fn decide(&mut self) -> Option<usize> {
        let due = self.sequencer.poll_timeout().expect("open");
        self.now = self.now.max(due);
        let moment = Moment { now: self.now, newest: Some(self.now), epoch: None, random: [0; 32] };
        self.sequencer.handle_timeout(moment);
        let entries = self.sequencer.take_entries();
        let Body::Event(last) = &entries.last()?.body else { return None };
        // The result is told ahead of its frame; the next window opens behind it.
        self.now = self.now.max(last.at);
        let Some(Rule::Decided(outcome)) = &last.rule else { return None };
        let Decision::Highest { winner_n, .. } = outcome.result else { return None };
        let Body::Hidden(won) = &entries.iter().find(|entry| Some(entry.n) == winner_n)?.body else {
            return None;
        };
        won.person.as_ref()?.id.parse().ok()
    }
}

fn sender(who: usize, role: Role, witness: Witness) -> Sender {
    Sender { person: Person { id: who.to_string().into(), name: None }, role, witness }
}

fn witness(received: MediaTime, latency: f64, claim: Option<MediaTime>) -> Witness {
    let (edge, buffer) = if latency < 0.5 { (0.0, 0.5) } else { (0.5, 4.5) };
    Witness {
        received,
        rtt_min: seconds(0.02),
        delivered: Some(received - seconds(0.01 + edge)),
        buffer: seconds(buffer),
        claimed: claim.map(|t| Seen { t, seq: None }),
    }
}

/// Wins by latency decile, and of cheaters.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Wins {
    pub(crate) by_decile: [u64; 10],
    pub(crate) entered: [u64; 10],
    /// Who would have won if the first to arrive did.
    pub(crate) first_by_decile: [u64; 10],
    pub(crate) cheaters: u64,
    pub(crate) windows: u64,
    pub(crate) refused: u64,
}

/// `windows` windows of `people` clicks each, of which `cheaters` do `cheat`.
pub(crate) fn contest(seed: u64, windows: u64, (people, cheaters, cheat): (usize, usize, Cheat)) -> Wins {
    let (mut dice, mut stage, mut wins) = (Dice(seed), Stage::new(), Wins::default());
    for _ in 0..windows {
        let (window, opens) = stage.open(&mut dice);
        let mut clicks: Vec<Click> = (0..people)
            .map(|who| click(&mut dice, who, if who < cheaters { cheat } else { Cheat::No }))
            .collect();
        clicks.sort_by(|a, b| a.received.total_cmp(&b.received));
        let by_person: HashMap<usize, Click> =
            clicks.iter().map(|click| (click.who, click.clone())).collect();
        wins.first_by_decile[decile(clicks[0].latency)] += 1;
        for click in &clicks {
            match stage.bid(window, opens, click) {
                Status::Accepted => wins.entered[decile(click.latency)] += 1,
                _ => wins.refused += 1,
            }
        }
        let winner = stage.decide().and_then(|who| by_person.get(&who)).expect("somebody won");
        wins.by_decile[decile(winner.latency)] += 1;
        wins.cheaters += u64::from(winner.is_cheater);
        wins.windows += 1;
    }
    wins
}

/// Pearson's chi-square of `wins` against shares of `entered`, 9 degrees of freedom.
pub(crate) fn chi_square(wins: &[u64; 10], entered: &[u64; 10]) -> f64 {
    let (all, total) = (entered.iter().sum::<u64>() as f64, wins.iter().sum::<u64>() as f64);
    let term = |(won, entered): (&u64, &u64)| {
        let expected = total * *entered as f64 / all;
        (*won as f64 - expected).powi(2) / expected
    };
    wins.iter().zip(entered).map(term).sum()
}

/// Share of pairs that arrive in another order than they reacted in, whose reactions differ by `least..most` seconds.
pub(crate) fn wrong_order(seed: u64, pairs: u64, (least, most): (f64, f64)) -> f64 {
    let mut dice = Dice(seed);
    let mut wrong = 0u64;
    for _ in 0..pairs {
        let (first, second) = (click(&mut dice, 0, Cheat::No), click(&mut dice, 1, Cheat::No));
        let apart = least + (most - least) * dice.unit();
        let arrives = |click: &Click| click.received - click.seen;
        wrong += u64::from(arrives(&first) > arrives(&second) + apart);
    }
    wrong as f64 / pairs as f64
}

/// How long after its own end of the window a viewer's click is still taken that claims the last frame of the window, in
/// seconds: what a liar gains. To 10 ms, by halving.
pub(crate) fn gain(latency: f64) -> f64 {
    let mut stage = Stage::new();
    let mut is_taken = |after: f64| {
        let (window, opens) = stage.open(&mut Dice(1));
        let received = OPEN + latency + after + 0.01;
        let claimed = OPEN - 0.001;
        let liar = Click { who: 1, latency, seen: OPEN + after, claimed, received, is_cheater: true };
        let status = stage.bid(window, opens, &liar);
        stage.decide();
        status == Status::Accepted
    };
    let (mut taken, mut refused) = (0.0, 10.0);
    while refused - taken > 0.01 {
        let middle = (taken + refused) / 2.0;
        if is_taken(middle) { taken = middle } else { refused = middle }
    }
    taken
}

/// Seconds from the last click that is taken, of viewers of every latency with every lie, to the first moment at which
/// anybody can see T_r. Negative would be a leak.
pub(crate) fn margin() -> f64 {
    let first_eye = OPEN + 5.95 + L_LEAST;
    let last =
        (0..=38).map(|step| L_LEAST + f64::from(step) * 0.1).map(|latency| OPEN + latency + gain(latency));
    first_eye - last.fold(0.0, f64::max)
}
