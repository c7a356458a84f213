//! JSON Schema of a type's data: bounded, self-contained, and quick whatever it says.

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;
use std::collections::BTreeMap;

/// Longest schema, as JSON text.
const SCHEMA_MAX: usize = 16 * 1_024;
/// Most values of a schema once each `$ref` is written out: what one check may cost.
const EXPANDED_MAX: usize = 20_000;

/// Why a schema was refused. Its author's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// Over [`SCHEMA_MAX`].
    #[error("the schema is {0} bytes of JSON; the limit is {SCHEMA_MAX}")]
    TooLong(usize),
    /// Nothing is fetched, and only definitions of its own are followed.
    #[error("$ref {0:?}: only #/$defs/NAME of the schema itself may be referred to")]
    Reference(String),
    /// A definition contains itself.
    #[error("$ref {0:?} refers to itself; data of 1 KiB needs no recursion")]
    Recursive(String),
    /// References of references multiply.
    #[error("written out, the schema has over {EXPANDED_MAX} values; use fewer references")]
    TooWide,
    /// Another dialect.
    #[error("$schema {0:?}: only https://json-schema.org/draft/2020-12/schema is known")]
    Dialect(String),
    /// Not a JSON Schema.
    #[error("not a JSON Schema: {0}")]
    Invalid(String),
}

/// Compiles `schema` (2020-12). Patterns run in linear time.
pub(crate) fn compile(schema: &Value) -> Result<Validator, SchemaError> {
    match schema.to_string().len() {
        fits if fits <= SCHEMA_MAX => {}
        bytes => return Err(SchemaError::TooLong(bytes)),
    }
    if let Some(dialect) = schema.get("$schema")
        && dialect.as_str().map(|d| d.trim_end_matches('#'))
            != Some("https://json-schema.org/draft/2020-12/schema")
    {
        return Err(SchemaError::Dialect(short(dialect)));
    }
    let defs = schema.get("$defs").and_then(Value::as_object);
    let mut sizes = BTreeMap::new();
    let lookup = |name: &str| defs.and_then(|defs| defs.get(name));
    if expanded(schema, &lookup, &mut sizes)? > EXPANDED_MAX {
        return Err(SchemaError::TooWide);
    }
    jsonschema::draft202012::options()
        .with_pattern_options(PatternOptions::regex().size_limit(1 << 20))
        .build(schema)
        .map_err(|error| SchemaError::Invalid(error.masked().to_string()))
}

/// The first thing that is wrong with `data`, and where.
pub(crate) fn check(validator: &Validator, data: &Value) -> Result<(), String> {
    validator.validate(data).map_err(|error| {
        let path = error.instance_path().to_string();
        let place = if path.is_empty() { "data".to_owned() } else { format!("data{path}") };
        format!("{place}: {}", error.masked())
    })
}

/// Values of a schema with its references written out. `sizes` holds what is known of each definition; `None` while it
/// is being looked at.
fn expanded<'a>(
    value: &'a Value,
    lookup: &dyn Fn(&str) -> Option<&'a Value>,
    sizes: &mut BTreeMap<String, Option<usize>>,
) -> Result<usize, SchemaError> {
    let mut total = 1usize;
    match value {
        Value::Array(values) => {
            for value in values {
                total = total.saturating_add(expanded(value, lookup, sizes)?);
            }
        }
        Value::Object(members) => {
            for (key, value) in members {
                let is_reference = matches!(key.as_str(), "$ref" | "$dynamicRef" | "$recursiveRef");
                let size = match value {
                    Value::String(target) if is_reference => referred(key, target, lookup, sizes)?,
                    other => expanded(other, lookup, sizes)?,
                };
                total = total.saturating_add(size);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    Ok(total)
}

fn referred<'a>(
    key: &str,
    target: &str,
    lookup: &dyn Fn(&str) -> Option<&'a Value>,
    sizes: &mut BTreeMap<String, Option<usize>>,
) -> Result<usize, SchemaError> {
    let refused = || SchemaError::Reference(target.chars().take(80).collect());
    let name =
        target.strip_prefix("#/$defs/").filter(|name| key == "$ref" && !name.contains(['/', '~', '%']));
    let name = name.ok_or_else(refused)?;
    match sizes.get(name) {
        Some(Some(size)) => return Ok(*size),
        Some(None) => return Err(SchemaError::Recursive(target.chars().take(80).collect())),
        None => {}
    }
    let body = lookup(name).ok_or_else(refused)?;
    sizes.insert(name.to_owned(), None);
    let size = expanded(body, lookup, sizes)?;
    sizes.insert(name.to_owned(), Some(size));
    Ok(size)
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(schema: &Value) -> String {
        compile(schema).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn the_failing_place_is_told_without_the_value() {
        let schema =
            json!({"properties": {"text": {"type": "string", "maxLength": 3}}, "required": ["text"]});
        let validator = compile(&schema).expect("valid");
        assert_eq!(check(&validator, &json!({"text": "abc"})), Ok(()));
        let words = check(&validator, &json!({"text": "secret"})).expect_err("too long");
        assert!(words.starts_with("data/text: ") && !words.contains("secret"), "{words}");
        assert!(check(&validator, &json!({})).expect_err("missing").contains("text"));
    }

    #[test]
    fn references_stay_inside_and_end() {
        assert!(refused(&json!({"$ref": "https://example.com/s"})).contains("example.com"));
        assert!(refused(&json!({"$ref": "file:///etc/passwd"})).contains("$defs"));
        assert!(refused(&json!({"$ref": "#"})).contains("$defs"));
        assert!(refused(&json!({"$defs": {"a": {"$ref": "#/$defs/a"}}})).contains("itself"));
        assert!(refused(&json!({"$schema": "http://json-schema.org/draft-07/schema"})).contains("2020-12"));
        assert_eq!(refused(&json!({"$defs": {"a": {"type": "string"}}, "$ref": "#/$defs/a"})), "");
    }

    #[test]
    fn what_multiplies_is_refused() {
        let mut defs = serde_json::Map::new();
        for i in 0..40 {
            let next = json!({"$ref": format!("#/$defs/d{}", i + 1)});
            defs.insert(format!("d{i}"), json!({"allOf": [next, next]}));
        }
        defs.insert("d40".into(), json!({}));
        assert!(refused(&json!({"$defs": defs, "$ref": "#/$defs/d0"})).contains("written out"));
        assert!(refused(&json!({"description": "x".repeat(20_000)})).contains("16384"));
        assert!(refused(&json!({"type": 5})).contains("JSON Schema"));
        assert!(!refused(&json!({"pattern": "(a)\\1"})).is_empty(), "backtracking is not to be had");
    }
}
