//! PATCH bodies: trickled candidates and ICE restarts (RFC 9725 §4.3, RFC 8840).

use crate::rtc::Driver;
use str0m::IceCreds;

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

pub(crate) fn apply(driver: &mut Driver, fragment: &str) -> Result<PatchOutcome, PatchError> {
    if fragment.len() > FRAGMENT_MAX {
        return Err(PatchError::TooLong(fragment.len()));
    }
    if let Some(reason) = driver.closed() {
        return Err(PatchError::Restart(format!("the session is over ({})", reason.as_str())));
    }
    let value = |name: &str| fragment.lines().find_map(|line| line.trim().strip_prefix(name));
    let (Some(ufrag), Some(password)) = (value("a=ice-ufrag:"), value("a=ice-pwd:")) else {
        return Err(PatchError::NoCredentials);
    };
    if !(4..=CREDENTIAL_MAX).contains(&ufrag.len()) || !(22..=CREDENTIAL_MAX).contains(&password.len()) {
        return Err(PatchError::NoCredentials);
    }
    if driver.remote_ufrag() == Some(ufrag) {
        return Ok(PatchOutcome::Trickled);
    }
    let local = IceCreds::new();
    driver.restart_ice(local.clone(), IceCreds { ufrag: ufrag.to_owned(), pass: password.to_owned() });
    let fragment = format!(
        "a=ice-lite\r\na=ice-ufrag:{}\r\na=ice-pwd:{}\r\n{}a=end-of-candidates\r\n",
        local.ufrag,
        local.pass,
        driver.candidate_lines(),
    );
    Ok(PatchOutcome::Restarted { fragment })
}
