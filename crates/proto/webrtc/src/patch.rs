//! PATCH bodies: trickled candidates and ICE restarts (RFC 9725 §4.3, RFC 8840).

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
