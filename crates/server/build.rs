//! Rebuilds this crate when the built pages appear or change; they are embedded by `src/pages.rs`.

use std::path::Path;

fn main() {
    // A path that does not exist would make cargo rebuild every time, so without built pages their parent is watched.
    let watched = ["../../web/dist", "../../web"]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .unwrap_or("build.rs");
    println!("cargo:rerun-if-changed={watched}");
}
