//! `unisono keys` and `unisono token`: beside a running server or without one; both work on the store in the data
//! directory, which a running server follows.

use crate::{
    cli::{KeysCommand, NewToken, Place, TokenCommand},
    config::{self, Config},
    keys::Keys,
};
use anyhow::{Context, bail};
use std::{
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};
use unisono_auth::{Claims, Grant, Role, random_hex};
use unisono_base::Quota;

/// Runs `unisono keys …`.
pub(crate) fn keys(command: KeysCommand) -> anyhow::Result<()> {
    match command {
        KeysCommand::New { role, limits, place } => {
            let make = async |keys: &Keys| keys.make(role.into(), "unisono keys new", limits.into()).await;
            let (key, path) = open(place, true, make)?;
            println!("{key}");
            eprintln!(
                "Shown this once; only its hash is kept, in {}. The server of that directory knows it within seconds.",
                path.display()
            );
        }
        KeysCommand::Limit { id, limits, place } => {
            with(place, async |keys| keys.limit(&id, limits.into()).await)?;
            eprintln!("Key {id}: {}. A running server knows it within seconds.", limits_words(limits.into()));
        }
        KeysCommand::List { place } => {
            for key in with(place, async |keys| Ok(keys.access().keyring().list()))? {
                let role = match key.role {
                    Role::Publish => "publish",
                    Role::Admin => "admin",
                };
                let limits = if key.quota.is_unlimited() { String::new() } else { limits_words(key.quota) };
                println!("{}  {role:7}  {}  {limits}", key.id, key.name);
            }
        }
        KeysCommand::Revoke { id, place } => {
            with(place, async |keys| keys.revoke(&id).await)?;
            eprintln!("Key {id} is revoked; a running server ends what it let in within seconds.");
        }
    }
    Ok(())
}

fn limits_words(quota: Quota) -> String {
    let limit = |what: &str, max: Option<u32>, unit: &str| max.map(|max| format!("{what} {max}{unit}"));
    let limits = [
        limit("streams", quota.streams_max, ""),
        limit("bitrate", quota.bitrate_max_kbps, " kbit/s"),
        limit("viewers", quota.viewers_max, ""),
    ];
    let limits: Vec<_> = limits.into_iter().flatten().collect();
    if limits.is_empty() { "no limits".to_owned() } else { format!("at most {}", limits.join(", ")) }
}

/// Runs `unisono token …`.
pub(crate) fn token(command: TokenCommand) -> anyhow::Result<()> {
    match command {
        TokenCommand::New { token, place } => {
            let claims = claims(token)?;
            println!("{}", with(place, async |keys| keys.sign(&claims))?);
        }
        TokenCommand::Revoke { token, place } => {
            with(place, async |keys| keys.revoke_token(&token, unix_seconds()).await)?;
            eprintln!("The token is revoked; a running server ends what it let in within seconds.");
        }
    }
    Ok(())
}

fn claims(token: NewToken) -> anyhow::Result<Claims> {
    let actions = token.allow;
    let grant = |stream| Grant { stream, actions: actions.clone() };
    Ok(Claims {
        exp: unix_seconds() + token.lifetime.as_secs(),
        nbf: None,
        iss: None,
        sub: token.subject,
        jti: Some(random_hex::<16>()?),
        tenant: None,
        name: None,
        uses: token.uses,
        sessions: token.sessions,
        grants: token.stream.into_iter().map(grant).collect(),
    })
}

/// Works on the keys of a server that there is: those of a directory made on the spot would open nothing.
fn with<T>(place: Place, work: impl AsyncFnOnce(&Keys) -> anyhow::Result<T>) -> anyhow::Result<T> {
    open(place, false, work).map(|(done, _)| done)
}

/// What `work` gives, and the data directory it was done in.
fn open<T>(
    place: Place,
    may_begin: bool,
    work: impl AsyncFnOnce(&Keys) -> anyhow::Result<T>,
) -> anyhow::Result<(T, PathBuf)> {
    let options = place.options();
    let config: Config = config::load(options.config.as_deref(), options.overrides())?;
    if !may_begin && !Keys::are_at(&config.data_dir) {
        bail!(
            "no server has been at work in {}; name its data directory with --data-dir, or its configuration with --config",
            config.data_dir.display()
        );
    }
    let runtime = tokio::runtime::Runtime::new().context("the runtime does not start")?;
    runtime.block_on(async {
        let keys = Keys::open(&config.data_dir, &config.access).await?;
        let done = work(&keys).await;
        keys.close().await;
        Ok((done?, config.data_dir.clone()))
    })
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
