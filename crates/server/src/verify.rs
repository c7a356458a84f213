//! `unisono verify`: proves an exported log of a room, offline, from the file and a key alone.

use anyhow::{Context, bail};
use clap::Args;
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
};
use unisono_timeline::audit::{Checkpoint, LINE_MAX, Line, PublicKey, Report, Verifier};

/// What `unisono verify` takes.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The exported log (JSON lines); - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The server's public key in hexadecimal, from a source you trust [default: the one in the file]
    #[arg(long, value_name = "HEX")]
    key: Option<PublicKey>,
    /// A checkpoint of the room you were given (a file with its JSON): the log must contain it
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Print the whole report as JSON
    #[arg(long, conflicts_with = "fairness")]
    json: bool,
    /// Print entries, wins and chi-square by latency as JSON
    #[arg(long)]
    fairness: bool,
}

/// Verifies and prints. Fails where the log is not what was written.
pub(crate) fn verify(args: &VerifyArgs) -> anyhow::Result<()> {
    let mut verifier = Verifier::new(args.key);
    if let Some(path) = &args.checkpoint {
        verifier.expect(checkpoint(path)?);
    }
    let report = if args.file.as_os_str() == "-" {
        read(io::stdin().lock(), verifier)
    } else {
        let file = File::open(&args.file);
        read(BufReader::new(file.with_context(|| args.file.display().to_string())?), verifier)
    };
    let report = report.with_context(|| format!("{} cannot be read", args.file.display()))?;
    let text = match (args.fairness, args.json) {
        (true, _) => format!("{}\n", serde_json::to_string_pretty(&report.fairness)?),
        (_, true) => format!("{}\n", serde_json::to_string_pretty(&report)?),
        _ => report.to_string(),
    };
    io::stdout().write_all(text.as_bytes())?;
    match &report.bad {
        None => Ok(()),
        Some(bad) => bail!("the log is not what was written: entry {}: {}", bad.n, bad.why),
    }
}

/// Line by line; a longer one than any of a log is cut, which the verifier tells.
fn read(mut file: impl BufRead, mut verifier: Verifier) -> io::Result<Report> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let most = LINE_MAX as u64 + 2;
        if file.by_ref().take(most).read_until(b'\n', &mut line)? == 0 {
            return Ok(verifier.finish());
        }
        verifier.line(String::from_utf8_lossy(&line).trim_end_matches('\n'));
    }
}

fn checkpoint(path: &Path) -> anyhow::Result<Checkpoint> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    match serde_json::from_str(&text) {
        Ok(Line::Checkpoint(checkpoint) | Line::End(checkpoint)) => Ok(checkpoint),
        Ok(_) => bail!("{} is no checkpoint", path.display()),
        Err(_) => serde_json::from_str(&text).with_context(|| format!("{} is no checkpoint", path.display())),
    }
}
