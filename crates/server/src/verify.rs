//! `unisono verify`: proves an exported log of a room, or a bundle of evidence, offline, from the file and a key alone.

mod bundle;

use anyhow::{Context, bail};
use clap::Args;
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
};
use unisono_timeline::audit::{Checkpoint, Evidence, LINE_MAX, Line, PublicKey, Report, Verifier};

/// Bytes by which a bundle is told from a log.
const BEGINNING: u64 = 512;

/// What `unisono verify` takes.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The exported log (JSON lines), or a bundle of evidence (tar); - for standard input
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
    let known = args.checkpoint.as_deref().map(checkpoint).transpose()?;
    let (report, evidence) = if args.file.as_os_str() == "-" {
        look(io::stdin().lock(), args, known)?
    } else {
        let file = File::open(&args.file);
        look(BufReader::new(file.with_context(|| args.file.display().to_string())?), args, known)?
    };
    let text = match (args.fairness, args.json) {
        (true, _) => format!("{}\n", serde_json::to_string_pretty(&report.fairness)?),
        (_, true) => format!("{}\n", serde_json::to_string_pretty(&report)?),
        _ => report.to_string(),
    };
    io::stdout().write_all(text.as_bytes())?;
    if let (None, Some(evidence)) = (&report.bad, evidence.filter(|_| !args.json && !args.fairness)) {
        let bytes: u64 = evidence.files.iter().map(|file| file.bytes).sum();
        let (count, from, to) = (evidence.files.len(), evidence.from, evidence.to);
        let words =
            format!("bundle   {count} files, {bytes} bytes, T {from} to {to}, signed by {}\n", evidence.key);
        io::stdout().write_all(words.as_bytes())?;
    }
    match &report.bad {
        None => Ok(()),
        Some(bad) => bail!("the log is not what was written: entry {}: {}", bad.n, bad.why),
    }
}

/// A log, or a bundle with one; which it is its beginning tells.
fn look(
    mut file: impl BufRead,
    args: &VerifyArgs,
    known: Option<Checkpoint>,
) -> anyhow::Result<(Report, Option<Evidence>)> {
    let place = || format!("{} cannot be read", args.file.display());
    let mut beginning = Vec::new();
    file.by_ref().take(BEGINNING).read_to_end(&mut beginning).with_context(place)?;
    let is_bundle = bundle::is_bundle(&beginning);
    let whole = BufReader::new(io::Cursor::new(beginning).chain(file));
    let expect = |verifier: &mut Verifier| known.into_iter().for_each(|known| verifier.expect(known));
    if is_bundle {
        let bundle::Bundle { report, evidence } = bundle::verify(whole, args.key, expect)?;
        if report.bad.is_none() && report.key != Some(evidence.key) {
            bail!("the log in the bundle is signed by another key than the bundle");
        }
        return Ok((report, Some(evidence)));
    }
    let mut verifier = Verifier::new(args.key);
    expect(&mut verifier);
    Ok((read(whole, verifier).with_context(place)?, None))
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
