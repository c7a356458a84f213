//! The types a room knows: the built-in templates and what a tenant registered.

use crate::{Class, EventType, Lane, SchemaError, TYPE_MAX, schema, templates};
use jsonschema::Validator;
use serde_json::Value;
use std::collections::BTreeMap;
use unisono_base::Span;

/// Types of one tenant at most, the built-in ones apart.
const TYPES_MAX: usize = 256;
/// Longest name: the sequencer puts a word such as `.withdrawn` behind it.
const NAME_MAX: usize = TYPE_MAX - 16;
/// Longest JSON Pointer.
const POINTER_MAX: usize = 128;
/// Longest key that a pointer may lead to, as JSON.
const KEY_MAX: usize = 128;
/// Waiting in one queue at most.
const WAITING_MAX: u32 = 1_000;
/// Entries of one person at most.
const ENTRIES_PER_PERSON_MAX: u32 = 10_000;
/// Extensions of one window at most.
const EXTENSIONS_MAX: u32 = 1_000;

/// Why a type was not taken. Its author's fault; the words name type and limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("type {name:?}: {fault}")]
pub struct TypeError {
    /// The type.
    pub name: String,
    /// What is wrong with it.
    pub fault: TypeFault,
}

/// See [`TypeError`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TypeFault {
    /// Empty, over-long, other characters.
    #[error("a name is 1 to {NAME_MAX} of the characters a-z 0-9 . _ -")]
    Name,
    /// Two of one name.
    #[error("is registered twice")]
    Twice,
    /// Too many.
    #[error("{TYPES_MAX} types are registered already, the limit")]
    TooMany,
    /// The lane keeps no events.
    #[error("lane {0} is not stored: only a counter may use it")]
    Lane(Lane),
    /// Not an RFC 6901 pointer.
    #[error("key must be a JSON Pointer such as /emoji, at most {POINTER_MAX} bytes")]
    Pointer,
    /// Out of range.
    #[error("{what} must be {least} to {most} microseconds")]
    Span {
        /// Which.
        what: &'static str,
        /// Least value.
        least: i64,
        /// Greatest value.
        most: i64,
    },
    /// Out of range.
    #[error("{what} must be {least} to {most}")]
    Number {
        /// Which.
        what: &'static str,
        /// Least value.
        least: u32,
        /// Greatest value.
        most: u32,
    },
    /// The schema is not one we can use.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

/// A type that is valid, ready to check data.
#[derive(Debug)]
pub struct Registered {
    event_type: EventType,
    validator: Option<Validator>,
}

impl Registered {
    /// Checks `event_type`.
    pub fn new(event_type: EventType) -> Result<Self, TypeError> {
        let fault = |fault| TypeError { name: event_type.name.chars().take(TYPE_MAX).collect(), fault };
        check_name(&event_type.name).map_err(fault)?;
        let is_counter = matches!(event_type.class, Class::Counter { .. });
        if !event_type.lane.is_sequenced() && !is_counter {
            return Err(fault(TypeFault::Lane(event_type.lane)));
        }
        check_class(&event_type.class).map_err(fault)?;
        let validator = event_type.schema.as_ref().map(schema::compile).transpose();
        let validator = validator.map_err(|error| fault(error.into()))?;
        Ok(Self { event_type, validator })
    }

    /// The type as it was registered.
    pub fn event_type(&self) -> &EventType {
        &self.event_type
    }

    /// Whether `data` fits the schema; if not, where and why, in words.
    pub fn check_data(&self, data: &Value) -> Result<(), String> {
        self.validator.as_ref().map_or(Ok(()), |validator| schema::check(validator, data))
    }

    /// Of a counter: how often its counts are told. Counters are the room's, not the sequencer's.
    pub fn counted_every(&self) -> Option<Span> {
        match self.event_type.class {
            Class::Counter { every, .. } => Some(every),
            _ => None,
        }
    }

    /// What `data` is counted, or remembered, under: text as it is, anything else as JSON; empty where all count
    /// together. `Err` in words where the pointer leads nowhere or to something over-long.
    pub fn key_of(&self, data: &Value) -> Result<String, String> {
        let (Class::Counter { key: Some(key), .. } | Class::Latest { key: Some(key) }) =
            &self.event_type.class
        else {
            return Ok(String::new());
        };
        let found = data.pointer(key).ok_or_else(|| format!("data{key} is missing: it is the key"))?;
        let text = match found {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => found.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                return Err(format!("data{key} must be text, a number or a truth value: it is the key"));
            }
        };
        if text.len() > KEY_MAX {
            return Err(format!("data{key} is {} bytes; a key is at most {KEY_MAX}", text.len()));
        }
        Ok(text)
    }
}

/// All types of one tenant by name. A registered type takes the place of a template of the same name.
#[derive(Debug)]
pub struct Types {
    by_name: BTreeMap<String, Registered>,
}

impl Types {
    /// The templates and `registered`.
    pub fn new(registered: impl IntoIterator<Item = EventType>) -> Result<Self, TypeError> {
        let mut own = BTreeMap::new();
        for event_type in registered {
            let name = event_type.name.clone();
            let fault = |fault| TypeError { name: name.chars().take(TYPE_MAX).collect(), fault };
            if own.contains_key(&name) {
                return Err(fault(TypeFault::Twice));
            }
            if own.len() >= TYPES_MAX {
                return Err(fault(TypeFault::TooMany));
            }
            own.insert(name.clone(), Registered::new(event_type)?);
        }
        for template in templates::all() {
            if !own.contains_key(&template.name) {
                own.insert(template.name.clone(), Registered::new(template)?);
            }
        }
        Ok(Self { by_name: own })
    }

    /// The type of this name.
    pub fn get(&self, name: &str) -> Option<&Registered> {
        self.by_name.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &EventType> {
        self.by_name.values().map(Registered::event_type)
    }
}

impl Default for Types {
    /// The templates alone.
    fn default() -> Self {
        Self::new([]).expect("the templates are valid: a test makes them")
    }
}

fn check_name(name: &str) -> Result<(), TypeFault> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
    let fits = (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(allowed);
    if fits { Ok(()) } else { Err(TypeFault::Name) }
}

fn check_class(class: &Class) -> Result<(), TypeFault> {
    match class {
        Class::Log {} => Ok(()),
        Class::Latest { key } => check_pointer(key.as_deref()),
        Class::Counter { key, every } => {
            check_pointer(key.as_deref())?;
            in_span("every", *every, Span::from_millis(100), Span::from_secs(10))
        }
        Class::Window(window) => {
            in_range("entries_per_person", window.entries_per_person, 1, ENTRIES_PER_PERSON_MAX)?;
            in_range("extensions_max", window.extensions_max, 0, EXTENSIONS_MAX)
        }
        Class::Stock { hold, per_person } => {
            in_span("hold", *hold, Span::from_secs(1), Span::from_secs(24 * 3_600))?;
            in_range("per_person", *per_person, 1, 100_000)
        }
        Class::Queue { show, waiting_max } => {
            in_span("show", *show, Span::from_millis(100), Span::from_secs(3_600))?;
            in_range("waiting_max", *waiting_max, 1, WAITING_MAX)
        }
    }
}

/// RFC 6901 §3: empty, or tokens behind slashes; `~` only as `~0` and `~1`.
fn check_pointer(pointer: Option<&str>) -> Result<(), TypeFault> {
    let Some(pointer) = pointer else { return Ok(()) };
    let is_escaped = pointer.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    let fits = pointer.starts_with('/') && pointer.len() <= POINTER_MAX && is_escaped;
    if fits { Ok(()) } else { Err(TypeFault::Pointer) }
}

fn in_span(what: &'static str, span: Span, least: Span, most: Span) -> Result<(), TypeFault> {
    let fault = TypeFault::Span { what, least: least.as_micros(), most: most.as_micros() };
    if (least..=most).contains(&span) { Ok(()) } else { Err(fault) }
}

fn in_range(what: &'static str, value: u32, least: u32, most: u32) -> Result<(), TypeFault> {
    let fault = TypeFault::Number { what, least, most };
    if (least..=most).contains(&value) { Ok(()) } else { Err(fault) }
}

#[cfg(test)]
mod tests;
