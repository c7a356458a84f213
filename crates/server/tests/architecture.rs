//! The arrows between our crates are those of ARCHITECTURE.md, and no others (decisions 12). Only what a crate is
//! built from counts; tests may look anywhere.

use cargo_metadata::{CargoOpt, DependencyKind, MetadataCommand, Package, camino::Utf8Path};
use std::collections::{BTreeMap, BTreeSet};

/// Crate, and what it may name. An arrow reaches what it reaches: whoever may use `media` may use `base`.
/// `gateway/*` and `proto/*` stand for every crate on that shelf.
const ARROWS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("media", &["base"]),
    ("mux", &["media"]),
    ("hub", &["media"]),
    ("timeline", &["base"]),
    ("store", &["timeline"]),
    ("net", &["base"]),
    ("auth", &["base"]),
    ("api", &["base"]),
    ("audio", &["media"]),
    ("room", &["timeline", "store", "auth", "hub"]),
    ("webhook", &["store", "auth", "hub"]),
    ("record", &["proto/*", "mux", "hub", "store", "auth"]),
    ("proto/*", &["mux"]),
    ("cluster", &["proto/*", "hub", "net", "auth", "room"]),
    ("gateway/*", &["proto/*", "mux", "hub", "net", "auth", "timeline", "audio", "room", "record", "api"]),
    ("testkit", &["*"]),
    ("server", &["*"]),
];

#[test]
fn every_arrow_between_our_crates_is_listed() {
    let mut unlisted = Vec::new();
    for (from, to) in arrows() {
        let allowed = reach(&shelf(&from));
        let is_listed = |target: &String| allowed.contains("*") || allowed.contains(shelf(target).as_str());
        unlisted.extend(
            to.iter().filter(|target| !is_listed(target)).map(|target| format!("{from} -> {target}")),
        );
    }
    assert!(unlisted.is_empty(), "arrows that ARCHITECTURE.md does not have: {unlisted:?}");
}

#[test]
fn every_crate_has_its_place_in_the_table() {
    let placed: BTreeSet<_> = ARROWS.iter().map(|(from, _)| (*from).to_owned()).collect();
    let homeless: Vec<_> = arrows().into_keys().filter(|name| !placed.contains(&shelf(name))).collect();
    assert!(homeless.is_empty(), "crates without a row: {homeless:?}");
}

#[test]
fn nobody_is_built_from_testkit() {
    let users: Vec<_> = arrows().into_iter().filter(|(_, to)| to.contains("testkit")).collect();
    assert!(users.is_empty(), "testkit is for tests: {users:?}");
}

/// Our crates by their path below `crates/`, with what each is built from.
fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let mut command = MetadataCommand::new();
    let crate_directory = std::env::var("CARGO_MANIFEST_DIR").expect("cargo says where");
    command.manifest_path(format!("{crate_directory}/../../Cargo.toml"));
    let metadata = command.no_deps().features(CargoOpt::AllFeatures).exec().expect("cargo metadata");
    let crates = metadata.workspace_root.join("crates");
    let place = |folder: &Utf8Path| folder.strip_prefix(&crates).ok().map(|path| path.as_str().to_owned());
    let row = |package: &Package| {
        let built_from = package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development);
        let ours = built_from.filter_map(|dependency| place(dependency.path.as_deref()?)).collect();
        Some((place(package.manifest_path.parent()?)?, ours))
    };
    metadata.packages.iter().filter_map(row).collect()
}

/// The row a crate belongs to: `gateway/rtmp` to `gateway/*`.
fn shelf(name: &str) -> String {
    name.split_once('/').map_or_else(|| name.to_owned(), |(shelf, _)| format!("{shelf}/*"))
}

/// Everything a row's crate may name, through the arrows of those it may name.
fn reach(row: &str) -> BTreeSet<&'static str> {
    let direct = ARROWS.iter().find(|(from, _)| *from == row).map_or(&[][..], |(_, to)| to);
    direct.iter().flat_map(|target| reach(target).into_iter().chain([*target])).collect()
}
