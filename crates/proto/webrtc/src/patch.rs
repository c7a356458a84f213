//! PATCH bodies: trickled candidates and ICE restarts (RFC 9725 §4.3, RFC 8840).

use crate::{CloseReason, HostCandidate, engine::sdp::candidate_lines, rtc::Driver};
use is::IceCreds;

/// Why a fragment was refused. HTTP 422 (or 400); the session goes on as before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatchError {
    /// Longer than we read.
    #[error("the SDP fragment has {0} bytes; at most {FRAGMENT_MAX} are read")]
    TooLong(usize),
    /// No `a=ice-ufrag` or no `a=ice-pwd` in it.
    #[error("the SDP fragment needs a=ice-ufrag and a=ice-pwd (RFC 8840 section 4.4)")]
    NoCredentials,
    /// The session is over, or cannot restart.
    #[error("no ICE restart: {0}")]
    Restart(String),
}

/// What a fragment did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatchOutcome {
    /// Candidates of the ICE session in use. An ICE-lite endpoint needs none: it answers whoever knows the
    /// password. HTTP 204.
    Trickled,
    /// The credentials are new, so ICE restarts: our new ones, as the body of a 200.
    /// [`crate::Session::local_ufrag`] has changed with it; media goes on over the old path until the new one works.
    Restarted {
        /// An `application/trickle-ice-sdpfrag`.
        fragment: String,
    },
}

/// Largest fragment read, in bytes.
pub(crate) const FRAGMENT_MAX: usize = 64 * 1024;

/// ICE credentials have 4 to 256 (user fragment) and 22 to 256 (password) characters (RFC 8839 §5.4).
const CREDENTIAL_MAX: usize = 256;

/// What a fragment asks for.
#[derive(Debug)]
pub(crate) enum Fragment {
    /// Nothing that an ICE-lite endpoint acts on.
    Trickle,
    /// These are the peer's credentials from now on.
    Restart(IceCreds),
}

/// Reads a fragment for a session whose peer has the user fragment `remote_ufrag`.
pub(crate) fn read(
    fragment: &str,
    closed: Option<&CloseReason>,
    remote_ufrag: Option<&str>,
) -> Result<Fragment, PatchError> {
    if fragment.len() > FRAGMENT_MAX {
        return Err(PatchError::TooLong(fragment.len()));
    }
    if let Some(reason) = closed {
        return Err(PatchError::Restart(format!("the session is over ({})", reason.as_str())));
    }
    let value = |name: &str| fragment.lines().find_map(|line| line.trim().strip_prefix(name));
    let (Some(ufrag), Some(password)) = (value("a=ice-ufrag:"), value("a=ice-pwd:")) else {
        return Err(PatchError::NoCredentials);
    };
    if !(4..=CREDENTIAL_MAX).contains(&ufrag.len()) || !(22..=CREDENTIAL_MAX).contains(&password.len()) {
        return Err(PatchError::NoCredentials);
    }
    if remote_ufrag == Some(ufrag) {
        return Ok(Fragment::Trickle);
    }
    Ok(Fragment::Restart(IceCreds { ufrag: ufrag.to_owned(), pass: password.to_owned() }))
}

/// Our new credentials, for the peer.
pub(crate) fn restarted(ufrag: &str, password: &str, candidates: &[HostCandidate]) -> PatchOutcome {
    let candidates = candidate_lines(candidates);
    let fragment = format!(
        "a=ice-lite\r\na=ice-ufrag:{ufrag}\r\na=ice-pwd:{password}\r\n{candidates}a=end-of-candidates\r\n"
    );
    PatchOutcome::Restarted { fragment }
}

/// The same for a session on str0m.
pub(crate) fn apply(driver: &mut Driver, fragment: &str) -> Result<PatchOutcome, PatchError> {
    let Fragment::Restart(remote) = read(fragment, driver.closed(), driver.remote_ufrag())? else {
        return Ok(PatchOutcome::Trickled);
    };
    let local = IceCreds::new();
    driver.restart_ice(local.clone(), remote);
    Ok(restarted(&local.ufrag, &local.pass, driver.candidates()))
}
