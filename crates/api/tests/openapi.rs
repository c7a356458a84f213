//! The API's description is pinned: a change of it is a decision, seen in a review.

use std::{env, fs, path::Path};

/// Set to write the golden file anew.
const UPDATE: &str = "UPDATE_GOLDEN";

#[test]
fn the_description_is_the_golden_one() {
    let file = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo says where")).join("openapi.json");
    let now = unisono_api::openapi_json();
    if env::var_os(UPDATE).is_some() {
        fs::write(&file, &now).expect("the golden file can be written");
    }
    let golden = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        golden == now,
        "the API is not the one of crates/api/openapi.json. If that is meant, write it anew and look at the \
         difference:\n\n    {UPDATE}=1 cargo test -p unisono-api --test openapi && git diff crates/api/openapi.json\n"
    );
}

#[test]
fn it_is_openapi_3_1_and_every_reference_leads_somewhere() {
    let json: serde_json::Value = serde_json::from_str(&unisono_api::openapi_json()).expect("JSON");
    assert!(
        json["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")),
        "{}",
        json["openapi"]
    );
    for (path, operations) in json["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            for (status, response) in operation["responses"].as_object().expect("responses") {
                assert!(response["description"].is_string(), "{method} {path} {status} has no words");
            }
        }
    }
    let mut references = Vec::new();
    collect(&json, &mut references);
    assert!(references.len() > 20, "{}", references.len());
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("within the document");
        assert!(json.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

fn collect(value: &serde_json::Value, references: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(map) => {
            references.extend(map.get("$ref").and_then(|r| r.as_str()).map(str::to_owned));
            map.values().for_each(|value| collect(value, references));
        }
        serde_json::Value::Array(list) => list.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}
