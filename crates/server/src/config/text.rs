//! The configuration as text: its JSON schema, the default file with every key explained, and what is in force.

use super::Config;
use serde_json::Value;

/// Written instead of what nobody else should read.
const HIDDEN: &str = "(hidden)";
/// Width of comments in the default file.
const WIDTH: usize = 100;

/// JSON schema (2020-12) of `unisono.toml`, for editors and checks.
pub(crate) fn schema() -> Value {
    let mut schema = schemars::schema_for!(Config).to_value();
    schema["title"] = "unisono.toml".into();
    schema
}

/// A whole `unisono.toml` of defaults, each key under its explanation; keys that are not set stand in a comment.
pub(crate) fn default_toml() -> String {
    let schema = schema();
    let set = toml::to_string(&Config::default()).unwrap_or_default();
    let mut text = String::from("# Every key with its default. See `unisono config schema` for editors.\n");
    let mut section = None;
    let mut written: Vec<String> = Vec::new();
    for line in set.lines().filter(|line| !line.is_empty()) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            unset(&mut text, &schema, section.as_deref(), &written);
            text.push('\n');
            comment(&mut text, description(&schema, None, name));
            text.push_str(line);
            text.push('\n');
            section = Some(name.to_owned());
            written.clear();
        } else if let Some((key, _)) = line.split_once(" = ") {
            if section.is_none() || !written.is_empty() {
                text.push('\n');
            }
            comment(&mut text, description(&schema, section.as_deref(), key));
            text.push_str(line);
            text.push('\n');
            written.push(key.to_owned());
        }
    }
    unset(&mut text, &schema, section.as_deref(), &written);
    text
}

/// What is in force, without secrets.
pub(crate) fn shown(config: &Config) -> String {
    let mut value = serde_json::to_value(config).unwrap_or_default();
    hide(&mut value);
    toml::to_string(&without_null(value)).unwrap_or_default()
}

/// The keys of a section that the defaults leave out.
fn unset(text: &mut String, schema: &Value, section: Option<&str>, written: &[String]) {
    if section.is_none() {
        return;
    }
    for key in properties(schema, section).into_iter().filter(|key| !written.contains(key)) {
        text.push('\n');
        comment(text, description(schema, section, &key));
        text.push_str(&format!("# {key} = \"\"\n"));
    }
}

fn comment(text: &mut String, words: String) {
    let mut line = String::from("#");
    for word in words.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            text.push_str(&line);
            text.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    if line.len() > 1 {
        text.push_str(&line);
        text.push('\n');
    }
}

/// A schema, or what its reference leads to.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let reference = schema["$ref"].as_str().or_else(|| schema["allOf"][0]["$ref"].as_str());
    let found = reference.and_then(|reference| root.pointer(reference.trim_start_matches('#')));
    found.unwrap_or(schema)
}

fn object<'a>(root: &'a Value, section: Option<&str>) -> &'a Value {
    section.map_or(root, |name| resolved(root, &root["properties"][name]))
}

fn properties(root: &Value, section: Option<&str>) -> Vec<String> {
    let properties = object(root, section)["properties"].as_object();
    properties.map(|map| map.keys().cloned().collect()).unwrap_or_default()
}

fn description(root: &Value, section: Option<&str>, key: &str) -> String {
    let property = &object(root, section)["properties"][key];
    let own = property["description"].as_str();
    own.or_else(|| resolved(root, property)["description"].as_str()).unwrap_or_default().to_owned()
}

fn hide(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let is_secret = ["secret", "password", "webhook"].iter().any(|word| key.contains(word));
                match value {
                    Value::String(_) if is_secret && key != "webhook_unanswered" => *value = HIDDEN.into(),
                    Value::Array(list) if is_secret && list.iter().all(Value::is_string) => {
                        list.iter_mut().for_each(|one| *one = HIDDEN.into());
                    }
                    _ => hide(value),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(hide),
        _ => {}
    }
}

/// TOML has no null: what is not set is left out.
fn without_null(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let set = map.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(set.map(|(key, value)| (key, without_null(value))).collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{env, fs, path::PathBuf};

    /// Set to write the golden texts anew.
    const UPDATE: &str = "UPDATE_GOLDEN";
    /// Where docs/configuration.md holds the default file.
    const FENCE: [&str; 2] = ["<!-- unisono config default -->\n```toml\n", "```\n<!-- end -->"];

    #[test]
    fn every_key_is_explained() {
        let keys = keys();
        assert!(keys.len() > 15, "{keys:?}");
        for (key, words) in keys {
            assert!(words.len() > 10, "{key} has no doc comment");
        }
    }

    #[test]
    fn the_default_file_is_the_defaults() {
        let text = default_toml();
        let read: Config = toml::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(read, Config::default());
        for (key, _) in keys() {
            let name = key.rsplit('.').next().unwrap_or(&key);
            assert!(
                text.contains(&format!("\n{name} = ")) || text.contains(&format!("\n# {name} = ")),
                "{key}"
            );
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let mut value =
            serde_json::json!({ "a": { "secret": "x", "file": "y" }, "b": [{ "password": "z" }] });
        hide(&mut value);
        assert_eq!(
            value.to_string(),
            r#"{"a":{"file":"y","secret":"(hidden)"},"b":[{"password":"(hidden)"}]}"#
        );
        assert!(shown(&Config::default()).contains("[http]"));
    }

    /// Asked at run time: clones that share a target folder share test programs as well.
    fn crate_directory() -> PathBuf {
        env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where").into()
    }

    #[test]
    fn the_schema_is_the_golden_one() {
        let file = crate_directory().join("unisono.schema.json");
        let now = format!("{}\n", serde_json::to_string_pretty(&schema()).expect("plain data"));
        if env::var_os(UPDATE).is_some() {
            fs::write(&file, &now).expect("written");
        }
        let golden = fs::read_to_string(file).unwrap_or_default();
        assert!(golden == now, "{}", again("crates/server/unisono.schema.json"));
    }

    #[test]
    fn the_documented_file_is_the_default_one() {
        let file = crate_directory().join("../../docs/configuration.md");
        let page = fs::read_to_string(&file).expect("the page");
        let (before, rest) = page.split_once(FENCE[0]).expect("where the file begins");
        let (documented, after) = rest.split_once(FENCE[1]).expect("where it ends");
        if env::var_os(UPDATE).is_some() {
            let page = [before, FENCE[0], &default_toml(), FENCE[1], after].concat();
            fs::write(file, page).expect("written");
        } else {
            assert!(documented == default_toml(), "{}", again("docs/configuration.md"));
        }
    }

    /// Every key as `section.key`, with its explanation.
    fn keys() -> Vec<(String, String)> {
        let schema = schema();
        let mut keys = Vec::new();
        for name in properties(&schema, None) {
            let inner = properties(&schema, Some(&name));
            if inner.is_empty() {
                keys.push((name.clone(), description(&schema, None, &name)));
            }
            for key in inner {
                let words = description(&schema, Some(&name), &key);
                keys.push((format!("{name}.{key}"), words));
            }
        }
        keys
    }

    fn again(what: &str) -> String {
        format!(
            "{what} is not of these keys; write it anew: {UPDATE}=1 cargo test -p unisono-server config::text"
        )
    }
}
