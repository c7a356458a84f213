//! Names and ids. Each is valid by construction; the tenant is part of every one and hidden while there is only one.

use std::{fmt, str::FromStr, sync::Arc};

/// Longest part of a stream name, in bytes.
const PART_MAX: usize = 64;

/// First path segments that belong to the server itself (decisions 4).
const RESERVED_APPS: [&str; 8] = ["api", "rooms", "console", "metrics", "healthz", "readyz", "assets", "t"];

/// Why a name was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Not of the form `app/name`.
    #[error("stream name {0:?} must be app/name, for example live/alice")]
    Shape(String),
    /// A part is empty, longer than 64 bytes, or has a character outside `[A-Za-z0-9_.-]`, or is `.` or `..`.
    #[error(
        "{0:?} in a stream name (app/name, for example live/alice) must be 1 to 64 of the characters A-Z a-z 0-9 _ . - and neither . nor .."
    )]
    Part(String),
    /// The app is one of the server's own paths.
    #[error("app {0:?} is reserved; choose another first part, for example live")]
    Reserved(String),
}

fn check_part(part: &str) -> Result<(), NameError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    let fits =
        (1..=PART_MAX).contains(&part.len()) && part.bytes().all(allowed) && part != "." && part != "..";
    if fits { Ok(()) } else { Err(NameError::Part(part.chars().take(PART_MAX + 1).collect())) }
}

/// The owner of streams and rooms.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tenant(Arc<str>);

impl Tenant {
    /// A tenant by name; the same alphabet as a stream name's parts.
    pub fn new(name: &str) -> Result<Self, NameError> {
        check_part(name).map(|()| Self(name.into()))
    }

    /// The name as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Tenant {
    /// The tenant of an installation that has only one; users never see its name.
    fn default() -> Self {
        Self("default".into())
    }
}

/// `app/name`, each part `[A-Za-z0-9_.-]{1,64}`, the app not reserved.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName {
    whole: Arc<str>,
    slash: usize,
}

impl StreamName {
    /// From the two parts as they stand in a URL path or an RTMP app and stream key.
    pub fn new(app: &str, name: &str) -> Result<Self, NameError> {
        check_part(app)?;
        check_part(name)?;
        if RESERVED_APPS.contains(&app) {
            return Err(NameError::Reserved(app.to_owned()));
        }
        Ok(Self { whole: format!("{app}/{name}").into(), slash: app.len() })
    }

    /// The first part.
    pub fn app(&self) -> &str {
        &self.whole[..self.slash]
    }

    /// The second part.
    pub fn name(&self) -> &str {
        &self.whole[self.slash + 1..]
    }

    /// `app/name`.
    pub fn as_str(&self) -> &str {
        &self.whole
    }
}

impl FromStr for StreamName {
    type Err = NameError;
    fn from_str(s: &str) -> Result<Self, NameError> {
        let (app, name) = s.split_once('/').ok_or_else(|| NameError::Shape(s.chars().take(140).collect()))?;
        Self::new(app, name)
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.whole)
    }
}

impl fmt::Debug for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.whole)
    }
}

/// A stream: tenant and name. Displays without the default tenant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Owner.
    pub tenant: Tenant,
    /// `app/name`.
    pub name: StreamName,
}

impl StreamId {
    /// The stream of the default tenant.
    pub fn local(name: StreamName) -> Self {
        Self { tenant: Tenant::default(), name }
    }

    /// The room that belongs to this stream, `app:name`.
    pub fn room(&self) -> RoomId {
        RoomId { stream: self.clone() }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tenant != Tenant::default() {
            write!(f, "{}~", self.tenant.as_str())?;
        }
        self.name.fmt(f)
    }
}

/// A room, written `app:name` in URLs: one ordered event log beside the stream of the same name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId {
    stream: StreamId,
}

impl RoomId {
    /// From the URL form `app:name`, for `tenant`.
    pub fn parse(tenant: Tenant, room: &str) -> Result<Self, NameError> {
        let (app, name) =
            room.split_once(':').ok_or_else(|| NameError::Shape(room.chars().take(140).collect()))?;
        Ok(Self { stream: StreamId { tenant, name: StreamName::new(app, name)? } })
    }

    /// The stream this room belongs to.
    pub fn stream(&self) -> &StreamId {
        &self.stream
    }
}

impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.stream.name.app(), self.stream.name.name())
    }
}

/// One uninterrupted run of a stream's timeline. `(epoch, T)` is unique; URLs carry the epoch.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Epoch(pub u32);

impl Epoch {
    /// `max(previous + 1, Unix seconds)` (decisions 1): URLs never repeat after a restart.
    pub fn next(previous: Option<Self>, unix_seconds: u32) -> Self {
        Self(previous.map_or(unix_seconds, |Self(p)| unix_seconds.max(p.saturating_add(1))))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The public part of a key: names it in logs and tells one publisher from another, reveals nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Arc<str>);

impl KeyId {
    /// Wraps an id already taken from a parsed key.
    pub fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_name_is_two_plain_parts() {
        let name: StreamName = "live/alice".parse().expect("valid");
        assert_eq!((name.app(), name.name(), name.as_str()), ("live", "alice", "live/alice"));
        for bad in ["live", "live/", "/alice", "live/a/b", "live/a b", "live/..", "live/\u{e9}"] {
            assert!(bad.parse::<StreamName>().is_err(), "{bad}");
        }
        assert!(StreamName::new("live", &"x".repeat(65)).is_err());
        assert_eq!("api/x".parse::<StreamName>(), Err(NameError::Reserved("api".into())));
    }

    #[test]
    fn a_room_is_the_stream_with_a_colon() {
        let room = RoomId::parse(Tenant::default(), "live:alice").expect("valid");
        assert_eq!(room.to_string(), "live:alice");
        assert_eq!(room.stream().name.as_str(), "live/alice");
        assert_eq!(room.stream().room(), room);
    }

    #[test]
    fn an_epoch_never_repeats() {
        assert_eq!(Epoch::next(None, 100), Epoch(100));
        assert_eq!(Epoch::next(Some(Epoch(100)), 100), Epoch(101));
        assert_eq!(Epoch::next(Some(Epoch(101)), 500), Epoch(500));
    }
}
