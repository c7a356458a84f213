//! `unisono verify` of a bundle of evidence: every file against its digest, the digests against the node's signature, and the
//! log in it as any log.

use anyhow::{Context, bail, ensure};
use std::io::{BufRead, Read};
use unisono_timeline::audit::{
    Digest, Evidence, EvidenceFile, Hasher, LINE_MAX, PublicKey, Report, Verifier,
};

/// The file that lists and signs the others.
const LIST: &str = "evidence.json";
/// Longest list that is read: some hundred thousand files.
const LIST_MAX: u64 = 64 << 20;
/// Where a tar archive says that it is one.
const MAGIC_AT: usize = 257;

/// What a bundle was found to be.
#[derive(Debug)]
pub(crate) struct Bundle {
    /// Of the log in it.
    pub(crate) report: Report,
    /// What it says about itself, proven.
    pub(crate) evidence: Evidence,
}

/// True for the beginning of a tar archive.
pub(crate) fn is_bundle(beginning: &[u8]) -> bool {
    beginning.get(MAGIC_AT..MAGIC_AT + 5) == Some(b"ustar")
}

/// Reads it once, from front to end. Fails with the first file that is not what was signed.
pub(crate) fn verify(
    file: impl Read,
    key: Option<PublicKey>,
    expect: impl FnOnce(&mut Verifier),
) -> anyhow::Result<Bundle> {
    let mut archive = tar::Archive::new(file);
    let mut found: Vec<EvidenceFile> = Vec::new();
    let mut verifier = Verifier::new(key);
    expect(&mut verifier);
    let mut log = Lines { verifier, rest: Vec::new() };
    let mut evidence: Option<Evidence> = None;
    for entry in archive.entries().context("the archive cannot be read")? {
        let mut entry = entry.context("the archive is damaged")?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        ensure!(evidence.is_none(), "{name} stands behind {LIST}, which is the last file of a bundle");
        if name == LIST {
            let mut text = Vec::new();
            entry.by_ref().take(LIST_MAX).read_to_end(&mut text)?;
            evidence = Some(serde_json::from_slice(&text).with_context(|| format!("{LIST} cannot be read"))?);
            continue;
        }
        let is_log = name.starts_with("log/");
        let (bytes, sha256) = digest(&mut entry, |chunk| {
            if is_log {
                log.take(chunk)
            }
        })?;
        found.push(EvidenceFile { name, bytes, sha256 });
    }
    let evidence =
        evidence.with_context(|| format!("the archive has no {LIST}: it is no bundle, or was cut off"))?;
    compare(&evidence, &found, key)?;
    let report = log.finish();
    Ok(Bundle { report, evidence })
}

fn digest(file: &mut impl Read, mut each: impl FnMut(&[u8])) -> anyhow::Result<(u64, Digest)> {
    let (mut hasher, mut bytes) = (Hasher::default(), 0);
    let mut chunk = vec![0; 64 << 10];
    loop {
        let read = file.read(&mut chunk).context("the archive is damaged or was cut off")?;
        if read == 0 {
            return Ok((bytes, hasher.finish()));
        }
        hasher.update(&chunk[..read]);
        each(&chunk[..read]);
        bytes += read as u64;
    }
}

/// The list is the node's, and the files are those of the list.
fn compare(evidence: &Evidence, found: &[EvidenceFile], key: Option<PublicKey>) -> anyhow::Result<()> {
    evidence.check().with_context(|| format!("{LIST} is not what was signed"))?;
    if let Some(key) = key
        && key != evidence.key
    {
        bail!("the bundle is signed by {}, not by the key given", evidence.key);
    }
    for (signed, file) in evidence.files.iter().zip(found) {
        ensure!(signed.name == file.name, "{} stands where {} should", file.name, signed.name);
        ensure!(
            (signed.bytes, signed.sha256) == (file.bytes, file.sha256),
            "{} is not what was signed: its digest differs",
            file.name
        );
    }
    if let Some(missing) = evidence.files.get(found.len()) {
        bail!("{} is missing", missing.name);
    }
    if let Some(more) = found.get(evidence.files.len()) {
        bail!("{} was added", more.name);
    }
    Ok(())
}

/// The log, which comes in files one after the other.
struct Lines {
    verifier: Verifier,
    rest: Vec<u8>,
}

impl Lines {
    fn take(&mut self, mut chunk: &[u8]) {
        // Reading from memory does not fail.
        while let Ok(read) = chunk.read_until(b'\n', &mut self.rest) {
            if read == 0 || self.rest.last() != Some(&b'\n') {
                // A line longer than any of a log is cut, which the verifier tells.
                self.rest.truncate(LINE_MAX + 2);
                return;
            }
            self.verifier.line(String::from_utf8_lossy(&self.rest).trim_end_matches('\n'));
            self.rest.clear();
        }
    }

    fn finish(mut self) -> Report {
        self.verifier.line(String::from_utf8_lossy(&self.rest).trim_end_matches('\n'));
        self.verifier.finish()
    }
}
