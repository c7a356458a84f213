//! Words that members may not use.

use serde_json::Value;

/// Words at most.
pub const WORDS_MAX: usize = 1_000;

/// A list of words, compared without regard to case, as whole words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockedWords(Vec<String>);

impl BlockedWords {
    /// The first [`WORDS_MAX`] of `words`.
    pub fn new<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> Self {
        let words = words.into_iter().map(|word| word.as_ref().trim().to_lowercase());
        Self(words.filter(|word| !word.is_empty()).take(WORDS_MAX).collect())
    }

    /// True where a text anywhere in `data` has one of them.
    pub(crate) fn are_in(&self, data: &Value) -> bool {
        if self.0.is_empty() {
            return false;
        }
        match data {
            Value::String(text) => self.are_said(text),
            Value::Array(items) => items.iter().any(|item| self.are_in(item)),
            Value::Object(fields) => fields.values().any(|field| self.are_in(field)),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }

    fn are_said(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let mut said = text.split(|c: char| !c.is_alphanumeric());
        // Phrases are looked for as they stand.
        said.any(|word| self.0.iter().any(|blocked| blocked == word))
            || self.0.iter().any(|blocked| blocked.contains(' ') && text.contains(blocked.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_word_is_found_wherever_it_stands_and_not_within_others() {
        let blocked = BlockedWords::new(["Heck", "bad phrase", " "]);
        assert!(blocked.are_in(&json!({"text": "what the HECK!"})));
        assert!(blocked.are_in(&json!({"lines": ["fine", {"deep": "a Bad Phrase here"}]})));
        assert!(!blocked.are_in(&json!({"text": "checkers", "n": 7})));
        assert!(!BlockedWords::default().are_in(&json!("heck")));
    }
}
