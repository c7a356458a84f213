//! What is presented at the doors: keys, tokens, patterns of streams, and the key sets of issuers.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;
use unisono_auth::{
    Access, Action, Claims, Pattern, PresentedKey, VerifyKey, ViewPolicy, parse_jwks, sign,
};
use unisono_base::StreamId;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const NOW: u64 = 1_800_000_000;

fn access() -> &'static Access {
    static ACCESS: OnceLock<Access> = OnceLock::new();
    ACCESS.get_or_init(|| {
        let key = VerifyKey::hs256(None, SECRET).expect("long enough");
        Access::new(Default::default(), vec![key], ViewPolicy::Token)
    })
}

fuzz_target!(|data: &[u8]| {
    let _ = parse_jwks(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = PresentedKey::parse(text);
    if let Ok(pattern) = text.parse::<Pattern>() {
        assert_eq!(String::from(pattern), text, "one pattern has one spelling");
    }
    let stream = StreamId::local("live/x".parse().expect("valid"));
    assert!(access().allow(text, Action::Host, &stream, NOW).is_err(), "nobody guesses a signature");
    // The claims by themselves, signed by us.
    let Ok(claims) = serde_json::from_str::<Claims>(text) else { return };
    let Ok(token) = sign("node", SECRET, &claims) else { return };
    for action in [Action::View, Action::Publish, Action::Host] {
        let Ok(pass) = access().allow(&token, action, &stream, NOW) else { continue };
        assert!(claims.allows(action, &stream) && claims.exp + 5 > NOW, "{claims:?}");
        let _ = access().recheck(&pass, NOW);
    }
});
