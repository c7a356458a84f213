//! Files and variables of the version before: renamed keys are read under their new name, with a warning in words.

use figment::{
    Error, Metadata, Profile, Provider,
    value::{Dict, Map, Value},
};

/// The version that this program writes and knows. A file may name its own as `config_version`.
pub(crate) const VERSION: u32 = 2;

/// Keys that version 2 renamed, as `section.key`.
const RENAMED: [([&str; 2], &str); 1] = [(["log", "filter"], "level")];

/// TOML's whole numbers are signed, a variable's are not.
fn number(value: &Value) -> Option<i128> {
    value.to_i128().or_else(|| value.to_u128().and_then(|number| number.try_into().ok()))
}

/// A source whose old keys stand under their new names.
pub(super) struct Upgraded {
    data: Result<Map<Profile, Dict>, Error>,
    metadata: Metadata,
}

impl Upgraded {
    /// Reads `source` once; what had to be renamed is said in `warnings`.
    pub(super) fn read(source: &impl Provider, warnings: &mut Vec<String>) -> Self {
        let metadata = source.metadata();
        let place = metadata.source.as_ref().map_or_else(|| metadata.name.to_string(), ToString::to_string);
        let mut data = source.data();
        if let Ok(profiles) = &mut data {
            let upgraded = profiles.values_mut().try_for_each(|values| upgrade(values, &place, warnings));
            if let Err(words) = upgraded {
                data = Err(Error::from(words));
            }
        }
        Self { data, metadata }
    }
}

impl Provider for Upgraded {
    fn metadata(&self) -> Metadata {
        self.metadata.clone()
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        self.data.clone()
    }
}

fn upgrade(values: &mut Dict, place: &str, warnings: &mut Vec<String>) -> Result<(), String> {
    let version = values.get("config_version").and_then(number);
    if let Some(newer) = version.filter(|version| *version > VERSION.into()) {
        return Err(format!(
            "config_version is {newer}, this program knows up to {VERSION}: it was written for a newer version"
        ));
    }
    if version == Some(VERSION.into()) {
        return Ok(());
    }
    for ([section, old], new) in RENAMED {
        let Some(Value::Dict(_, keys)) = values.get_mut(section) else { continue };
        let Some(value) = keys.remove(old) else { continue };
        if keys.contains_key(new) {
            return Err(format!(
                "{section}.{old} and {section}.{new} are the same key under its old and new name: keep {section}.{new}"
            ));
        }
        keys.insert(new.to_owned(), value);
        warnings.push(format!("{place}: {section}.{old} is called {section}.{new} now; rename it"));
    }
    // What is in force is of this version.
    if let Some(version) = values.get_mut("config_version") {
        *version = Value::from(VERSION);
    }
    Ok(())
}
