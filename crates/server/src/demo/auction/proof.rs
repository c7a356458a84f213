//! The proof: the exported log and the program that checks it, once as it is and once with one byte changed.

use super::{
    child::Server,
    state::{Hammer, Verdict},
};
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use tokio::{fs, process::Command};

/// What a verdict shows of many words.
const WORDS_MAX: usize = 1_200;

/// Writes the log of `room` to a file in `dir`.
pub(super) async fn export(server: &Server, room: &str, dir: &Path) -> anyhow::Result<PathBuf> {
    let request = server.http().get(server.url(&format!("/api/v1/rooms/{room}/log")));
    let answer = request.bearer_auth(server.admin_key()).send().await?.error_for_status()?;
    let path = dir.join(format!("{}.log", room.replace(':', "-")));
    fs::write(&path, answer.bytes().await?).await?;
    Ok(path)
}

/// Runs `unisono verify` on `log`.
pub(super) async fn verify(server: &Server, log: &Path) -> anyhow::Result<Verdict> {
    let output =
        Command::new(server.place().program()).arg("verify").arg(log).kill_on_drop(true).output().await?;
    let mut words = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    if !errors.trim().is_empty() {
        words = format!("{words}\n{}", errors.trim()).trim().to_owned();
    }
    let words = words.chars().take(WORDS_MAX).collect();
    Ok(Verdict { is_good: output.status.success(), words })
}

/// A copy of `log` in which one byte is another: a digit of the winning bid. Returns it with what was done, in words.
pub(super) async fn tamper(log: &Path, hammer: &Hammer) -> anyhow::Result<(PathBuf, String)> {
    let mut bytes = fs::read(log).await?;
    let change = change_digit(&mut bytes, hammer)?;
    let path = log.with_extension("tampered.log");
    fs::write(&path, bytes).await?;
    Ok((path, change))
}

fn change_digit(log: &mut [u8], hammer: &Hammer) -> anyhow::Result<String> {
    let n = hammer.winner_n.context("nobody bid, so there is nothing to change")?;
    let text = std::str::from_utf8(log).context("the log is not text")?;
    let (number, value) = (format!("\"n\":{n},"), format!("\"value\":{}", hammer.amount));
    let mut start = 0;
    let at = text.split_inclusive('\n').find_map(|line| {
        let from = start;
        start += line.len();
        line.contains(&number)
            .then(|| line.find(&value))
            .flatten()
            .map(|found| from + found + value.len() - 1)
    });
    let Some(at) = at else { bail!("entry {n} with {value} is not in the log") };
    // The lowest bit of an ASCII digit gives another digit: the line stays well-formed and says something else.
    log[at] ^= 1;
    let now: String = value[8..value.len() - 1].chars().chain([char::from(log[at])]).collect();
    Ok(format!("byte {at}: the winning bid, entry {n}, from {} to {now}", hammer.amount))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bit_of_the_winning_bid_is_turned() {
        let mut log =
            b"{\"n\":1,\"value\":900}\n{\"n\":12,\"value\":1200}\n{\"n\":2,\"value\":1200}\n".to_vec();
        let before = log.clone();
        let hammer = Hammer { at: 0, amount: 1200, winner: None, entries: 2, late: 0, winner_n: Some(2) };
        let change = change_digit(&mut log, &hammer).expect("it is there");
        let changed: Vec<_> = (0..log.len()).filter(|&i| log[i] != before[i]).collect();
        assert_eq!(changed.len(), 1);
        assert!(log.ends_with(b"{\"n\":2,\"value\":1201}\n"), "{}", String::from_utf8_lossy(&log));
        assert!(change.contains("entry 2, from 1200 to 1201"), "{change}");
        let other = Hammer { winner_n: Some(7), ..hammer };
        assert!(change_digit(&mut log, &other).is_err());
    }
}
