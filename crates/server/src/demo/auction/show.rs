//! The script: lots are sold, the server is killed whenever somebody presses the button, the log is proved.

use super::{
    bots::Bots,
    child::Server,
    ledger::Ledger,
    lot,
    observer::{News, Observer},
    page::Wish,
    proof,
    state::{Crash, LotState, Phase, Proof, State},
};
use crate::room_feed::{Answer, Clock, Entrance};
use anyhow::{Context, bail};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout},
};

/// How often figures and captions are renewed.
const TICK: Duration = Duration::from_millis(250);
/// How long a caption about something that just happened stays.
const NOTICE: Duration = Duration::from_secs(6);
/// Time to read what was sold, what was proved.
const PAUSE: Duration = Duration::from_secs(6);
/// Longest way from the opening of a lot to its hammer: fifty extensions would be twelve minutes.
const LOT_PATIENCE: Duration = Duration::from_secs(900);
/// So many bots of a hundred are enough to begin with.
const ENOUGH_PERCENT: u32 = 95;
const GATHER_PATIENCE: Duration = Duration::from_secs(60);
/// How long the sale waits for a page whose screens all play; without one it goes on.
const PAGE_PATIENCE: Duration = Duration::from_secs(30);

/// The running show.
pub(super) struct Show {
    pub(super) server: Server,
    /// The auctioneer's own way into the room.
    pub(super) door: Entrance,
    pub(super) ledger: Arc<Ledger>,
    pub(super) bots: Bots,
    pub(super) observer: Observer,
    pub(super) state: watch::Sender<State>,
    pub(super) wishes: mpsc::Receiver<Wish>,
    pub(super) dir: PathBuf,
    pub(super) clock: Option<Clock>,
    pub(super) notice: Option<(Instant, String)>,
    /// The page has said that all its screens play.
    pub(super) is_ready: bool,
}

impl Show {
    /// Sells the lots, then stays for buttons. Ends with an error only.
    pub(super) async fn run(&mut self) -> anyhow::Result<()> {
        self.gather().await?;
        loop {
            let (round, rounds) = {
                let state = self.state.borrow();
                (state.round, state.rounds)
            };
            if round < rounds {
                self.sell(round).await?;
                self.rest(PAUSE).await?;
                self.prove().await?;
                self.rest(PAUSE).await?;
                continue;
            }
            self.set(|state| {
                state.phase = Phase::Over;
                state.caption = "That was it: one order, durable, fair, provable. Kill the server again, or sell another lot.".to_owned();
            });
            self.step(Instant::now() + TICK).await?;
        }
    }

    /// Waits until nearly all bots are there: a busy machine takes a while.
    async fn gather(&mut self) -> anyhow::Result<()> {
        let wanted = self.state.borrow().bots.wanted;
        self.set(|state| state.caption = format!("A server, a live stream and {wanted} bidders come up."));
        let deadline = Instant::now() + GATHER_PATIENCE;
        while self.bots.connected() * 100 < wanted * ENOUGH_PERCENT || self.clock.is_none() {
            if Instant::now() > deadline {
                bail!("only {} of {wanted} bots found their way into the room", self.bots.connected());
            }
            self.step(Instant::now() + TICK).await?;
        }
        let deadline = Instant::now() + PAGE_PATIENCE;
        while !self.is_ready && Instant::now() < deadline {
            self.step(Instant::now() + TICK).await?;
        }
        Ok(())
    }

    async fn sell(&mut self, round: u32) -> anyhow::Result<()> {
        let (command, title) = lot::opening(round);
        let answer = self.host(&command).await?;
        let window = answer.id.context("the room opened no window")?.to_string();
        self.set(|state| {
            state.proof = None;
            state.lot = Some(LotState { window, title, closes: i64::MAX, ..LotState::default() });
            state.round = round + 1;
            state.phase = Phase::Bidding;
        });
        let deadline = Instant::now() + LOT_PATIENCE;
        while self.state.borrow().phase != Phase::Sold {
            if Instant::now() > deadline {
                bail!("the lot was not sold in {} s", LOT_PATIENCE.as_secs());
            }
            self.step(Instant::now() + TICK).await?;
        }
        Ok(())
    }

    /// A command in the name of the house.
    async fn host(&self, command: &serde_json::Value) -> anyhow::Result<Opened> {
        let url = self.server.url(&format!("/api/v1/rooms/{}/commands", self.door.room));
        let request = self.server.http().post(url).bearer_auth(self.server.admin_key());
        let request = request.header("content-type", "application/json").body(command.to_string());
        let text = request.send().await?.text().await?;
        let opened: Opened = serde_json::from_str(&text).with_context(|| format!("the room said: {text}"))?;
        if opened.answer.status != "accepted" {
            bail!("the room refused the lot: {text}");
        }
        self.ledger.sent();
        self.ledger.answered(&opened.answer, true);
        Ok(opened)
    }

    async fn prove(&mut self) -> anyhow::Result<()> {
        let Some(hammer) = self.state.borrow().lot.as_ref().and_then(|lot| lot.hammer.clone()) else {
            return Ok(());
        };
        self.set(|state| {
            state.phase = Phase::Proof;
            state.caption = "The whole log is exported, and a program that trusts nobody recomputes every result from it.".to_owned();
            state.proof = Some(Proof::default());
        });
        let log = proof::export(&self.server, &self.door.room, &self.dir).await?;
        let genuine = proof::verify(&self.server, &log).await?;
        self.set_proof(|proof| proof.genuine = Some(genuine));
        self.rest(PAUSE / 2).await?;
        let (copy, change) = proof::tamper(&log, &hammer).await?;
        self.set(|state| {
            state.caption = format!("Now one byte of a copy is another ({change}). The same program:")
        });
        let tampered = proof::verify(&self.server, &copy).await?;
        self.set_proof(|proof| (proof.tampered, proof.change) = (Some(tampered), change));
        Ok(())
    }

    /// Lets time pass; news and buttons are served meanwhile.
    async fn rest(&mut self, length: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + length;
        while Instant::now() < until {
            self.step(until.min(Instant::now() + TICK)).await?;
        }
        Ok(())
    }

    /// Serves one thing, or returns at `until`.
    async fn step(&mut self, until: Instant) -> anyhow::Result<()> {
        tokio::select! {
            news = self.observer.news.recv() => match news.context("the auctioneer sees nothing")? {
                News::Connected(clock) => self.clock = Some(clock),
                News::Told(told) => {
                    let ledger = &self.ledger;
                    self.state.send_modify(|state| {
                        if let Some(lot) = &mut state.lot {
                            lot::follow(lot, &told, |cmd_id| ledger.n_of(cmd_id));
                        }
                    });
                }
            },
            Some(wish) = self.wishes.recv() => match wish {
                Wish::Kill => self.crash().await?,
                Wish::Ready => self.is_ready = true,
                Wish::Again => self.set(|state| state.rounds = state.rounds.max(state.round) + 1),
            },
            error = self.server.ended() => return Err(error),
            () = sleep_until(until) => self.renew(),
        }
        Ok(())
    }

    /// Figures, phase and caption by the clock.
    fn renew(&mut self) {
        let (connected, answers) = (self.bots.connected(), self.ledger.counts());
        let notice = self
            .notice
            .take_if(|(until, _)| *until <= Instant::now())
            .is_none()
            .then(|| self.notice.clone())
            .flatten();
        let now = self.clock.map(|clock| clock.now());
        self.state.send_modify(|state| {
            state.bots.connected = connected;
            state.bots.answers = answers;
            let is_selling = matches!(state.phase, Phase::Bidding | Phase::Counting | Phase::Sold);
            if let (Some(lot), Some(now), true) = (&state.lot, now, is_selling) {
                state.phase = lot::phase(lot, now);
                state.caption = lot::caption(lot, &state.bots, state.phase, now);
            }
            if let Some((_, words)) = notice {
                state.caption = words;
            }
        });
    }

    /// SIGKILL, restart, and the comparison of what was promised with what is there.
    async fn crash(&mut self) -> anyhow::Result<()> {
        let begun = Instant::now();
        self.server.kill().await?;
        self.say("The server process was killed with SIGKILL. It comes back by itself; players and bidders do, too.".to_owned());
        self.server.restart().await?;
        let down = begun.elapsed();
        let audit =
            timeout(GATHER_PATIENCE, self.ledger.audit(&self.door)).await.context("no audit in time")??;
        let pid = self.server.pid();
        self.set(|state| {
            state.server.pid = pid;
            state.server.kills += 1;
            state.crash = Some(Crash { down_ms: u64::try_from(down.as_millis()).unwrap_or(u64::MAX), audit });
        });
        self.say(format!(
            "Killed and back in {:.1} s. Acknowledged before: {}. Bids lost: {}.",
            down.as_secs_f64(),
            audit.acknowledged,
            audit.lost
        ));
        Ok(())
    }

    /// A caption that stays for a moment.
    fn say(&mut self, words: String) {
        self.set(|state| state.caption.clone_from(&words));
        self.notice = Some((Instant::now() + NOTICE, words));
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        self.state.send_modify(change);
    }

    fn set_proof(&self, change: impl FnOnce(&mut Proof)) {
        self.set(|state| change(state.proof.get_or_insert_default()));
    }
}

/// The answer to an opening.
#[derive(serde::Deserialize)]
struct Opened {
    #[serde(flatten)]
    answer: Answer,
    #[serde(default)]
    id: Option<unisono_timeline::Uuid>,
}
