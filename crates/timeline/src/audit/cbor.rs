//! JSON values as deterministic CBOR (RFC 8949 §4.2.1): shortest heads and floats, definite lengths, keys sorted by
//! their encoded bytes. The same value has the same bytes wherever it is written.

use ciborium::Value as Cbor;
use serde_json::{Map, Number, Value as Json};

/// Deepest nesting that is read; JSON from outside nests at most 128 deep.
const DEPTH_MAX: usize = 160;

/// As a CBOR value. Keys are sorted when it is written.
pub(crate) fn from_json(json: &Json) -> Cbor {
    match json {
        Json::Null => Cbor::Null,
        Json::Bool(is) => Cbor::Bool(*is),
        Json::String(text) => Cbor::Text(text.clone()),
        Json::Array(items) => Cbor::Array(items.iter().map(from_json).collect()),
        Json::Object(map) => {
            Cbor::Map(map.iter().map(|(key, value)| (Cbor::Text(key.clone()), from_json(value))).collect())
        }
        Json::Number(number) => from_number(number),
    }
}

fn from_number(number: &Number) -> Cbor {
    if let Some(unsigned) = number.as_u64() {
        return Cbor::Integer(unsigned.into());
    }
    match number.as_i64() {
        Some(signed) => Cbor::Integer(signed.into()),
        // Neither: a float, which JSON cannot leave infinite or NaN.
        None => Cbor::Float(number.as_f64().unwrap_or_default()),
    }
}

/// Back as JSON; `None` for what JSON cannot say: byte strings, tags, keys that are no text, floats without a number.
pub(crate) fn to_json(cbor: &Cbor) -> Option<Json> {
    Some(match cbor {
        Cbor::Null => Json::Null,
        Cbor::Bool(is) => Json::Bool(*is),
        Cbor::Text(text) => Json::String(text.clone()),
        Cbor::Integer(integer) => match u64::try_from(*integer) {
            Ok(unsigned) => unsigned.into(),
            Err(_) => i64::try_from(*integer).ok()?.into(),
        },
        Cbor::Float(float) => Json::Number(Number::from_f64(*float)?),
        Cbor::Array(items) => Json::Array(items.iter().map(to_json).collect::<Option<_>>()?),
        Cbor::Map(pairs) => {
            let mut map = Map::new();
            for (key, value) in pairs {
                map.insert(key.as_text()?.to_owned(), to_json(value)?);
            }
            Json::Object(map)
        }
        _ => return None,
    })
}

/// Written deterministically.
pub(crate) fn encode(mut value: Cbor) -> Vec<u8> {
    sort(&mut value);
    let mut bytes = Vec::with_capacity(256);
    // Writing into memory fails for no value.
    let _ = ciborium::into_writer(&value, &mut bytes);
    bytes
}

/// Read; `None` unless `bytes` is exactly one value, written as [`encode`] would.
pub(crate) fn decode(bytes: &[u8]) -> Option<Cbor> {
    let mut rest = bytes;
    let value: Cbor = ciborium::de::from_reader_with_recursion_limit(&mut rest, DEPTH_MAX).ok()?;
    (rest.is_empty() && encode(value.clone()) == bytes).then_some(value)
}

/// Text keys: the head carries the length, so bytewise order is by length first (RFC 8949 §4.2.3 agrees for those).
fn sort(value: &mut Cbor) {
    match value {
        Cbor::Map(pairs) => {
            pairs.sort_by(|(a, _), (b, _)| order(a).cmp(&order(b)));
            pairs.iter_mut().for_each(|(_, value)| sort(value));
        }
        Cbor::Array(items) => items.iter_mut().for_each(sort),
        _ => {}
    }
}

fn order(key: &Cbor) -> (usize, &[u8]) {
    key.as_text().map_or((usize::MAX, &[]), |text| (text.len(), text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn hex(json: &Json) -> String {
        super::super::digest::to_hex(&encode(from_json(json)))
    }

    /// RFC 8949 Appendix A, and the order of §4.2.1.
    #[test]
    fn the_examples_of_the_rfc_are_met() {
        for (json, bytes) in [
            (json!(0), "00"),
            (json!(23), "17"),
            (json!(24), "1818"),
            (json!(1_000_000), "1a000f4240"),
            (json!(u64::MAX), "1bffffffffffffffff"),
            (json!(-1), "20"),
            (json!(-1000), "3903e7"),
            (json!(1.5), "f93e00"),
            (json!(100_000.5), "fa47c35040"),
            (json!(1.1), "fb3ff199999999999a"),
            (json!(false), "f4"),
            (json!(null), "f6"),
            (json!("\u{fc}"), "62c3bc"),
            (json!([1, [2, 3], [4, 5]]), "8301820203820405"),
            (json!({"a": 1, "b": [2, 3]}), "a26161016162820203"),
            (json!({"aa": 1, "b": 2, "": 3}), "a3600361620262616101"),
        ] {
            assert_eq!(hex(&json), bytes, "{json}");
        }
    }

    #[test]
    fn what_is_not_deterministic_is_not_read() {
        assert!(decode(&[0x00]).is_some());
        for bad in [
            &[0x18, 0x00][..],                           // a zero in two bytes
            &[0x9f, 0x01, 0xff],                         // indefinite length
            &[0xa2, 0x61, 0x62, 0x01, 0x61, 0x61, 0x02], // b before a
            &[0xfb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0],       // 1.5 in eight bytes
            &[0x00, 0x00],
            &[],
            &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ] {
            assert!(decode(bad).is_none(), "{bad:?}");
        }
        assert!(decode(&[0x81; 100_000]).is_none(), "nesting is bounded");
    }

    fn any_json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<u64>().prop_map(Json::from),
            proptest::num::f64::NORMAL.prop_map(Json::from),
            ".{0,12}".prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
                proptest::collection::hash_map(".{0,6}", inner, 0..4)
                    .prop_map(|map| Json::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn json_comes_back_as_it_was(json in any_json()) {
            let bytes = encode(from_json(&json));
            let back = decode(&bytes).and_then(|cbor| to_json(&cbor));
            prop_assert_eq!(back, Some(json));
        }

        #[test]
        fn bytes_from_anywhere_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(value) = decode(&bytes) {
                prop_assert_eq!(encode(value), bytes);
            }
        }
    }
}
