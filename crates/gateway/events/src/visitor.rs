//! Who somebody is in a room: by key, by token, as a guest, or at this machine.

use crate::{Context, access};
use axum::http::HeaderMap;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use unisono_api::{Presented, Problem};
use unisono_auth::{Action, Pass, is_token};
use unisono_base::RoomId;
use unisono_room::Visitor;
use unisono_timeline::{Person, Role};

/// Longest name shown, in characters.
const NAME_MAX: usize = 64;
/// A guest's secret: long enough that nobody guesses another's.
const GUEST_LENGTH: std::ops::RangeInclusive<usize> = 16..=128;

/// What a client says of itself in the query.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Claims {
    /// A guest's own random secret, 16 to 128 characters: the same one is the same guest.
    #[serde(default)]
    pub(crate) guest: Option<String>,
    /// How a guest wants to be called. A token's own name stands over it.
    #[serde(default)]
    pub(crate) name: Option<String>,
}

/// Tokens' actions, the mightiest first.
const ROLES: [(Action, Role); 5] = [
    (Action::Admin, Role::Host),
    (Action::Host, Role::Host),
    (Action::Moderate, Role::Moderator),
    (Action::Bid, Role::Bidder),
    (Action::Send, Role::Member),
];

/// Who it is, and the pass to be rechecked. A token's pass has to [`access::enter`].
pub(crate) fn identify(
    context: &Context,
    room: &RoomId,
    presented: &Presented,
    claims: &Claims,
    (peer, headers): (Option<SocketAddr>, &HeaderMap),
) -> Result<(Visitor, Pass), Problem> {
    if is_token(presented.as_str()) {
        return by_token(context, room, presented);
    }
    if claims.guest.is_none() {
        if let Ok(pass) = access::allow(context, presented, Action::Host, room.stream()) {
            // An admin key is the operator's own system, for as long as the key is one.
            let person = person(&pass);
            return Ok((Visitor { person, role: Role::System }, pass));
        }
        // Whoever sits at the machine runs the show; where watching needs a token, sitting there is none.
        if presented.as_str().is_empty()
            && context.access.is_open()
            && let Ok(id) = access::admin(context, presented, peer, headers)
        {
            let person = Person { id: id.into(), name: None };
            return Ok((Visitor { person, role: Role::Host }, Pass::anyone()));
        }
    }
    let pass = access::view(context, presented, room.stream())?;
    Ok((guest(claims, context.rules.now().guests)?, pass))
}

fn by_token(context: &Context, room: &RoomId, presented: &Presented) -> Result<(Visitor, Pass), Problem> {
    for (action, role) in ROLES {
        if let Ok(pass) = access::allow(context, presented, action, room.stream()) {
            return Ok((Visitor { person: person(&pass), role }, pass));
        }
    }
    let pass = access::allow(context, presented, Action::View, room.stream())?;
    // An open room lets everybody in, whoever signed what they present: they are nobody in particular then.
    let visitor = if pass == Pass::anyone() {
        guest(&Claims::default(), Role::Guest)?
    } else {
        Visitor { person: person(&pass), role: Role::Guest }
    };
    Ok((visitor, pass))
}

fn person(pass: &Pass) -> Person {
    Person { id: pass.id().as_str().into(), name: pass.name().and_then(shown) }
}

/// A guest's id is a hash of their secret, so that everybody may see it and nobody can be somebody else.
fn guest(claims: &Claims, role: Role) -> Result<Visitor, Problem> {
    let secret = match &claims.guest {
        Some(secret) if GUEST_LENGTH.contains(&secret.len()) => secret.clone(),
        Some(_) => return Err(Problem::bad_request("guest must be a random word of 16 to 128 characters")),
        None => unisono_timeline::Uuid::now_v7().to_string(),
    };
    let hash = Sha256::digest(format!("unisono guest {secret}"));
    let id: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let name = claims.name.as_deref().and_then(shown);
    Ok(Visitor { person: Person { id: format!("g~{id}").into(), name }, role })
}

/// A name as it may stand beside others' words: no control characters, no invisible ones that turn text around.
fn shown(name: &str) -> Option<std::sync::Arc<str>> {
    let is_plain = |c: &char| {
        !c.is_control()
            && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let name: String = name.chars().filter(is_plain).take(NAME_MAX).collect();
    let name = name.trim();
    (!name.is_empty()).then(|| name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(guest: Option<&str>, name: Option<&str>) -> Result<Visitor, Problem> {
        super::guest(&Claims { guest: guest.map(str::to_owned), name: name.map(str::to_owned) }, Role::Member)
    }

    #[test]
    fn a_guest_is_who_knows_the_secret() {
        let ann = of(Some("0123456789abcdef"), Some(" Ann\u{202e}\n ")).expect("valid");
        assert_eq!(ann.person.name.as_deref(), Some("Ann"));
        assert_eq!(of(Some("0123456789abcdef"), None).expect("valid").person.id, ann.person.id);
        assert_ne!(of(Some("0123456789abcdeg"), None).expect("valid").person.id, ann.person.id);
        assert!(!ann.person.id.contains("0123"), "the secret stays a secret");
        assert_ne!(of(None, None).expect("valid").person.id, of(None, None).expect("valid").person.id);
        assert!(of(Some("short"), None).expect_err("guessable").detail.contains("16"));
    }
}
