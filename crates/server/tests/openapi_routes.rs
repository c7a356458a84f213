//! What the server serves under /api is in its description, and what is in its description is served. The routes are read
//! from the sources, since a router cannot be asked for them.

use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A method and a path, `GET /api/v1/streams`.
type Routes = BTreeSet<String>;

const METHODS: [&str; 5] = ["get", "post", "put", "delete", "patch"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every `.route("PATH", METHOD(…).METHOD(…))` of a source.
fn routes(source: &str, found: &mut Routes) {
    for rest in source.split(".route(").skip(1) {
        let Some((path, rest)) = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split_once("\","))
        else {
            continue;
        };
        let mut depth = 1;
        let end = rest.find(|c| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            depth == 0
        });
        let handlers = &rest[..end.expect("a route ends")];
        let words = handlers.split(|c: char| !(c.is_ascii_alphanumeric() || "_:(".contains(c)));
        for method in METHODS {
            let begins = format!("{method}(");
            if words.clone().any(|word| word.starts_with(&begins) || word.contains(&format!("::{begins}"))) {
                found.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
    }
}

fn described() -> Routes {
    let description: Value = serde_json::from_str(&unisono_api::openapi_json()).expect("JSON");
    let paths = description["paths"].as_object().expect("paths");
    let operations = paths.iter().flat_map(|(path, operations)| {
        let methods = operations.as_object().expect("operations").keys();
        methods.map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    operations.collect()
}

#[test]
fn every_route_of_the_api_is_described_and_every_description_is_served() {
    let crates = Path::new(&std::env::var("CARGO_MANIFEST_DIR").expect("cargo says where"))
        .parent()
        .expect("crates")
        .to_owned();
    let mut files = Vec::new();
    sources(&crates.join("server/src"), &mut files);
    sources(&crates.join("gateway"), &mut files);
    let mut served = Routes::new();
    for file in files {
        routes(&fs::read_to_string(&file).expect("text"), &mut served);
    }
    let of_api = |route: &&String| route.contains(" /api/") || route.ends_with(" /version");
    let served: Routes = served.iter().filter(of_api).cloned().collect();
    assert!(served.len() > 25, "{served:?}");
    let described = described();
    let missing: Vec<_> = served.difference(&described).collect();
    assert!(missing.is_empty(), "not in crates/api/src/openapi.rs: {missing:?}");
    let dead: Vec<_> = described.difference(&served).collect();
    assert!(dead.is_empty(), "described and not served: {dead:?}");
}
