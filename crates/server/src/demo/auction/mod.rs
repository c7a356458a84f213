//! `unisono demo auction`: one sale in four panes, two hundred bidders, a server that is killed, and the proof.
//!
//! This process is the *supervisor*. The server is a child of it, the bots and the page use its public API only.

mod bots;
mod child;
mod ledger;
mod lot;
mod mind;
mod observer;
mod page;
mod proof;
mod show;
mod slow;
mod state;

use super::{STREAM, TemporaryDir, open_browser};
use crate::{cli::AuctionDemo, room_feed::Entrance};
use anyhow::Context;
use bots::Bots;
use child::{Place, Server};
use ledger::Ledger;
use observer::Observer;
use page::Page;
use show::Show;
use slow::Slow;
use state::{BotsState, ServerState, State};
use std::{
    io::{self, Write},
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
};

/// Words of the page that wait.
const WISHES_MAX: usize = 4;

/// Runs the show until it is asked to stop.
pub(crate) fn run(args: &AuctionDemo) -> anyhow::Result<()> {
    let _log = crate::logging::start(&crate::config::load(None, crate::config::Overrides::default())?.log)?;
    let temporary = TemporaryDir::new().context("no temporary directory for the demo")?;
    let dir = args.data_dir.as_deref().unwrap_or(temporary.path());
    let runtime = tokio::runtime::Runtime::new().context("the runtime does not start")?;
    runtime.block_on(async {
        let stop = crate::stop_signal()?;
        tokio::select! {
            ended = perform(args, dir) => ended,
            () = stop => Ok(()),
        }
    })?;
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(())
}

async fn perform(args: &AuctionDemo, dir: &Path) -> anyhow::Result<()> {
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("{} is taken; --listen names another", args.listen))?;
    let address = listener.local_addr()?;
    let server = Server::start(Place::find(address.ip(), dir).await?).await?;
    let (slow_http, slow_media) =
        (Slow::start(server.place().http).await?, Slow::start(server.place().webrtc).await?);
    let (state, seen) = watch::channel(opening_state(args, &server, &slow_http, &slow_media));
    let (wishes, wished) = mpsc::channel(WISHES_MAX);
    let page = axum::serve(listener, Page { state: seen, wishes }.router()).into_future();

    let room = STREAM.replace('/', ":");
    let guest = Entrance { server: server.place().http, room, guest: None, key: None, from_seq: None };
    let door = Entrance { key: Some(server.admin_key().to_owned()), ..guest.clone() };
    let ledger = Arc::new(Ledger::default());
    let mut show = Show {
        bots: Bots::start(args.bots, args.seed, &guest, &ledger),
        observer: Observer::start(door.clone()),
        dir: dir.to_owned(),
        clock: None,
        notice: None,
        is_ready: false,
        server,
        door,
        ledger,
        state,
        wishes: wished,
    };
    greet(address, &show.server);
    if !args.no_open {
        open_browser(&format!("http://{address}/"));
    }
    tokio::select! {
        ended = show.run() => ended,
        ended = page => Ok(ended?),
    }
}

fn opening_state(args: &AuctionDemo, server: &Server, slow_http: &Slow, slow_media: &Slow) -> State {
    let place = server.place();
    let slow_words = format!(
        "through a proxy of this demo, by TCP only: {} ms more each way, {:.1} Mbit/s",
        slow::DELAY.as_millis(),
        slow::RATE_BPS as f64 / 1e6
    );
    State {
        server: ServerState {
            http_port: place.http.port(),
            webrtc_port: place.webrtc.port(),
            slow_http_port: slow_http.address.port(),
            slow_webrtc_port: slow_media.address.port(),
            pid: server.pid(),
            kills: 0,
            slow_words,
        },
        bots: BotsState { wanted: args.bots, ..BotsState::default() },
        rounds: args.rounds,
        ..State::default()
    }
}

/// A closed standard output is no reason to stop.
fn greet(address: SocketAddr, server: &Server) {
    let place = server.place();
    let _ = write!(
        io::stdout(),
        "Unisono {}\n\n  auction      http://{address}/\n  its server   http://{}/{STREAM} (process {})\n  admin key    {}\n",
        env!("CARGO_PKG_VERSION"),
        place.http,
        server.pid().unwrap_or(0),
        server.admin_key(),
    )
    .and_then(|()| io::stdout().flush());
}
