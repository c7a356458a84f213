//! The `unisono` program: reads what it is asked for, assembles a node, runs it, drains it.

mod acme;
mod admin;
mod advertise;
mod bench;
mod check;
mod cli;
mod clock;
mod config;
mod control;
mod credentials;
mod data_dir;
mod demo;
mod doors;
mod drain;
mod drain_here;
mod embedding;
mod endpoints;
mod gateways;
mod health;
mod jwks;
mod keys;
mod limits;
mod logging;
mod node;
mod observe;
mod pages;
mod process;
mod recording;
mod relay;
mod reload;
mod room_feed;
mod rooms;
mod verify;
mod webhooks;
mod welcome;

use anyhow::Context;
use clap::Parser;
use cli::{BenchCommand, Cli, Command, ConfigCommand, DemoCommand, Options};
use config::{Config, View};
use demo::{Demo, TemporaryDir};
use node::Node;
use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};
use tokio::signal::unix::{SignalKind, signal};
use welcome::Welcome;

fn main() -> ExitCode {
    // One crypto library for all that speaks TLS here. An error means that it is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("unisono: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(options) => serve(&load(&options)?, options, Show::Nothing),
        Command::Demo { command: Some(DemoCommand::Auction(args)), .. } => demo::auction::run(&args),
        Command::Demo { mut options, no_open, command: None } => {
            options.is_demo = true;
            let temporary = TemporaryDir::new().context("no temporary directory for the demo")?;
            let mut config = load(&options)?;
            if options.data_dir.is_none() {
                config.data_dir = temporary.path().to_owned();
            }
            serve(&config, options, Show::TestStream { open_browser: !no_open })
        }
        Command::Check(options) => check_here(&load(&options)?),
        Command::Drain { args, options } => drain_here::drain(&load(&options)?, &args),
        Command::Health(options) => health::health(&load(&options)?),
        Command::Config(command) => config_text(command),
        Command::Keys(command) => credentials::keys(command),
        Command::Token(command) => credentials::token(command),
        Command::Verify(args) => verify::verify(&args),
        Command::Testsource(source) => demo::write_raw(&source),
        Command::Bench(BenchCommand::Rooms(args)) => bench::rooms(&args),
        Command::Bench(BenchCommand::Watch(args)) => bench::watch(&args),
        Command::Bench(BenchCommand::Streams(args)) => bench::streams(&args),
    }
}

/// What a server shows of its own.
#[derive(Clone, Copy)]
enum Show {
    Nothing,
    TestStream { open_browser: bool },
}

fn load(options: &Options) -> anyhow::Result<Config> {
    config::load(options.config.as_deref(), options.overrides())
}

/// Runs a node until it is asked to stop.
fn serve(config: &Config, options: Options, show: Show) -> anyhow::Result<()> {
    let log = logging::start(&config.log)?;
    let runtime = tokio::runtime::Runtime::new().context("the runtime does not start")?;
    runtime.block_on(async {
        let stop = stop_signal()?;
        let node = Node::start(config, options, log).await?;
        let demo = match show {
            Show::TestStream { .. } => Some(Demo::start(&node.hub, node.clock.clone())?),
            Show::Nothing => None,
        };
        let keys = node.first_keys.as_ref();
        let upstream = config.relay.upstream.as_deref();
        let needs_token = config.access.view == View::Token;
        let welcome = Welcome { doors: &node.doors, keys, is_demo: demo.is_some(), upstream, needs_token };
        // A closed standard output (a service manager's) is no reason to stop.
        let _ = write!(io::stdout(), "{welcome}").and_then(|()| io::stdout().flush());
        if let (Show::TestStream { open_browser: true }, Some(url)) = (show, welcome.watch_url()) {
            demo::open_browser(&url);
        }
        stop.await;
        if config.node.drain_s > 0 {
            // A second signal ends it at once.
            let again = stop_signal()?;
            tokio::select! {
                () = node.send_away(Duration::from_secs(config.node.drain_s.into())) => {}
                () = again => {}
            }
        }
        drop(demo);
        node.drain().await;
        anyhow::Ok(())
    })?;
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(())
}

fn config_text(command: ConfigCommand) -> anyhow::Result<()> {
    let text = match command {
        ConfigCommand::Schema => format!("{:#}\n", config::schema()),
        ConfigCommand::Default => config::default_toml(),
        ConfigCommand::Show(options) => config::shown(&load(&options)?),
    };
    Ok(io::stdout().write_all(text.as_bytes())?)
}

/// Prints what a start would meet; fails where it would.
fn check_here(config: &Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("the runtime does not start")?;
    let findings = runtime.block_on(check::check(config));
    for finding in &findings {
        println!("{finding}");
    }
    let errors = findings.iter().filter(|finding| finding.level == check::Level::Error).count();
    if errors > 0 {
        anyhow::bail!("the server would not start: {errors} of these stand in its way");
    }
    Ok(())
}

/// Completes at SIGTERM or SIGINT.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
