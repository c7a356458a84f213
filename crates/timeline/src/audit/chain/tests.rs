use super::super::{Clear, Line, PublicKey};
use super::*;
use crate::{Event, Hidden, Lane, Late, Person, Rule};
use serde_json::json;
use unisono_base::{Epoch, Tenant};
use uuid::Uuid;

const SEED: [u8; 32] = [7; 32];

fn room() -> RoomId {
    RoomId::parse(Tenant::default(), "live:alice").expect("valid")
}

fn person(id: &str, name: Option<&str>) -> Option<Person> {
    Some(Person { id: id.into(), name: name.map(Into::into) })
}

fn event(n: u64, seq: u64, actor: Option<Person>, data: serde_json::Value) -> Entry {
    let event = Event {
        room: room(),
        epoch: Epoch(7),
        seq,
        id: Uuid::from_u128(u128::from(n)),
        lane: Lane::Chat,
        ty: "chat".into(),
        at: MediaTime::from_micros(1_700_000_000_000_000),
        dur: None,
        ttl: None,
        late: Late::Log,
        actor,
        cause: Some(Uuid::from_u128(100 + u128::from(n))),
        subject: None,
        supersedes: None,
        cancels: None,
        rule: None,
        data,
    };
    let t = MediaTime::from_micros(1_700_000_000_000_000 + n as i64);
    Entry { n, term: 1, t, body: Body::Event(Arc::new(event)) }
}

fn hidden(n: u64, person: Option<Person>) -> Entry {
    let json = json!({
        "epoch": 7, "cause": Uuid::from_u128(100 + u128::from(n)), "type": "poll",
        "rule": {"is": "withdrawn", "subject": Uuid::from_u128(1)}, "data": {"choice": 1, "weight": 0.1},
    });
    let mut hidden: Hidden = serde_json::from_value(json).expect("valid");
    hidden.person = person;
    assert!(matches!(hidden.rule, Rule::Withdrawn { .. }));
    let t = MediaTime::from_micros(1_700_000_000_000_000 + n as i64);
    Entry { n, term: 1, t, body: Body::Hidden(Arc::new(hidden)) }
}

fn three() -> Vec<Entry> {
    vec![
        event(1, 1, person("u-1", Some("Ann")), json!({"text": "hello", "b": [1, -1, 0.5]})),
        hidden(2, person("u-1", None)),
        event(3, 2, None, json!(null)),
    ]
}

fn kept(sealed: &Sealed) -> Kept {
    Kept {
        clear: sealed.seal.clear.clone(),
        payload: sealed.seal.data.clone().zip(sealed.seal.payload),
        person: sealed.person().cloned().zip(sealed.seal.person),
    }
}

/// If one of these changes, logs of before no longer verify: that is a new format, never a new expectation.
#[test]
fn the_format_is_the_one_of_version_1() {
    assert_eq!(
        Base::start(&room()).hash.to_string(),
        "d894bdae3ec63542b6084afcef6f6e5977bcff54e51dfa4d9f2b117e9a061079"
    );
    let sealed = Chain::new(room()).seal(three(), SEED);
    let hashes: Vec<_> = sealed.iter().map(|sealed| sealed.seal.hash.to_string()).collect();
    let expected = [
        "3c5f85c61aea8c446a327fd9aee3a49afbbc063dbec2de40e88091a297a08224",
        "77c280d6d37f321cbc67308becada60ee070d205d29585f34524303d7472f427",
        "2296030582a8901ad83d81957653494cd9f1a47006a9b312ec891d6cb4da09bb",
    ];
    assert_eq!(hashes, expected);
    let clear = super::super::digest::to_hex(&sealed[2].seal.clear);
    assert_eq!(
        clear,
        "a4616e0361741b00060a24181e400364626f6479a1656576656e74a96261741b00060a24181e4000626964782430303030303030302d303030302d303030302d303030302d3030303030303030303030336373657102646c616e656463686174646c617465636c6f6764726f6f6d6a6c6976653a616c69636564747970656463686174656361757365782430303030303030302d303030302d303030302d303030302d3030303030303030303036376565706f636807647465726d01"
    );
    let signer = Signer::from_seed(&SEED).expect("32 bytes");
    let key = "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c";
    assert_eq!(signer.public().to_string(), key);
    let mut chain = Chain::new(room());
    chain.seal(three(), SEED);
    let checkpoint = chain.checkpoint(&signer, MediaTime::from_micros(5));
    assert_eq!(
        checkpoint.signature.to_string(),
        "29b49f767101da9a23edf6eedc1ab82dfb899208319cec6ae4f7ef42d4a3795e2e43ba1594a0d4d03952cc509debeecb9aa61221f7f771985771672fced2b80f"
    );
}

#[test]
fn what_was_sealed_is_read_again_and_follows() {
    let mut writer = Chain::new(room());
    let mut reader = Chain::new(room());
    for (entry, sealed) in three().iter().zip(writer.seal(three(), SEED)) {
        let read = Sealed::from_kept(kept(&sealed), sealed.seal.hash).expect("as it was written");
        assert_eq!(read.entry, *entry);
        reader.apply(&read).expect("in order");
    }
    assert_eq!(reader.head(), writer.head());
    let next = event(4, 3, person("u-1", None), json!({"text": "again"}));
    let first = writer.seal(vec![next.clone()], [1; 32]);
    assert_eq!(first[0].seal.person, reader.seal(vec![next], [1; 32])[0].seal.person, "one salt per person");
}

#[test]
fn the_clear_part_tells_neither_words_nor_persons() {
    for sealed in Chain::new(room()).seal(three(), SEED) {
        let clear = String::from_utf8_lossy(&sealed.seal.clear).into_owned();
        for secret in ["hello", "Ann", "u-1", "choice"] {
            assert!(!clear.contains(secret), "{clear}");
        }
    }
}

#[test]
fn an_erased_entry_still_follows_and_its_person_stays_one() {
    let mut sealed = Chain::new(room()).seal(three(), SEED);
    for sealed in &mut sealed {
        sealed.erase_payload();
        sealed.erase_person();
    }
    let mut chain = Chain::new(room());
    for sealed in &sealed {
        chain.apply(sealed).expect("erasing breaks nothing");
        let read = Sealed::from_kept(kept(sealed), sealed.seal.hash).expect("readable");
        assert_eq!(read, *sealed);
        assert!(read.person().is_none());
    }
    let digests = |n: usize| Clear::decode(&sealed[n].seal.clear).expect("clear").digests;
    assert_eq!(digests(0).person, digests(1).person);
    assert!(digests(0).person.is_some());
}

#[test]
fn what_does_not_belong_is_found() {
    let sealed = Chain::new(room()).seal(three(), SEED);
    let mut chain = Chain::new(room());
    assert_eq!(chain.apply(&sealed[1]), Err(Broken::Gap { expected: 1, found: 2 }));
    let mut bent = sealed[0].clone();
    let mut clear = bent.seal.clear.to_vec();
    clear[9] ^= 1;
    bent.seal.clear = clear.into();
    assert_eq!(chain.apply(&bent), Err(Broken::Hash { n: 1 }));
    assert_eq!(chain.head().0, 0, "nothing changed");

    let mut other = kept(&sealed[0]);
    other.person = person("u-2", Some("Ann")).zip(sealed[0].seal.person);
    assert_eq!(other.entry(), Err(Unreadable::ForeignPerson));
    other.person = person("u-1", Some("Bob")).zip(sealed[0].seal.person);
    assert_eq!(other.entry(), Err(Unreadable::ForeignPerson));
    let mut other = kept(&sealed[0]);
    other.payload = kept(&sealed[1]).payload;
    assert_eq!(other.entry(), Err(Unreadable::ForeignPayload));
    other.clear = vec![0xff; 3].into();
    assert_eq!(other.entry(), Err(Unreadable::Clear));
}

#[test]
fn another_room_has_another_chain() {
    let other = RoomId::parse(Tenant::new("acme").expect("valid"), "live:alice").expect("valid");
    assert_ne!(Base::start(&other).hash, Base::start(&room()).hash);
    assert_eq!(super::super::room_of_key(&room_key(&other)), Ok(other));
}

#[test]
fn a_checkpoint_is_due_by_count_or_by_time_and_only_this_key_made_it() {
    let signer = Signer::from_seed(&SEED).expect("32 bytes");
    let t = |micros: i64| MediaTime::from_micros(1_700_000_000_000_000 + micros);
    let mut chain = Chain::new(room());
    assert!(!chain.is_checkpoint_due(t(0)), "nothing to sign");
    chain.seal(three(), SEED);
    assert!(chain.is_checkpoint_due(t(0)));
    let checkpoint = chain.checkpoint(&signer, t(0));
    assert!(!chain.is_checkpoint_due(t(5_000_000)), "nothing new");
    chain.seal(vec![event(4, 3, None, json!(1))], SEED);
    assert!(!chain.is_checkpoint_due(t(999_999)));
    assert!(chain.is_checkpoint_due(t(1_000_000)));
    chain.seal((5..=259).map(|n| event(n, n, None, json!(n))).collect(), SEED);
    assert!(chain.is_checkpoint_due(t(1)), "256 entries");

    assert_eq!(checkpoint.check(&signer.public()), Ok(()));
    let other: PublicKey = Signer::from_seed(&[8; 32]).expect("32 bytes").public();
    assert!(checkpoint.check(&other).is_err());
    let mut forged = checkpoint.clone();
    forged.n = 2;
    assert!(forged.check(&signer.public()).is_err());
    let line = Line::Checkpoint(checkpoint);
    assert_eq!(serde_json::from_str::<Line>(&line.to_text()).expect("a line"), line);
}
