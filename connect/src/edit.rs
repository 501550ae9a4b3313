//! Changes of a text that leave the rest of it byte for byte as it was.

use std::fmt;

pub mod header_lines;
pub mod json;
pub mod shell_block;
pub mod toml;

/// Why a text cannot be changed: what is wrong in it, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct EditFault {
    /// Where, if it is at one place.
    pub place: Option<Place>,
    /// What is wrong, without a full stop; nothing of the text's values.
    pub message: String,
}

/// A place in a text, both numbers from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
}

impl EditFault {
    /// A fault of the text as a whole.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            place: None,
            message: message.into(),
        }
    }

    /// A fault at the byte of the text that a parser names.
    pub fn at(text: &str, byte: usize, message: impl Into<String>) -> Self {
        let before: Vec<char> = text
            .char_indices()
            .take_while(|(at, _)| *at < byte)
            .map(|(_, character)| character)
            .collect();
        let line = before.iter().filter(|it| **it == '\n').count() + 1;
        let column = before.iter().rev().take_while(|it| **it != '\n').count() + 1;
        Self {
            place: Some(Place { line, column }),
            message: message.into(),
        }
    }
}

impl fmt::Display for EditFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some(Place { line, column }) => {
                write!(f, "line {line}, column {column}: {}", self.message)
            }
            None => f.write_str(&self.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_counted_in_characters() {
        let text = "{\n  \"ä\": ]\n}\n";
        let byte = text.find(']').expect("there");
        let fault = EditFault::at(text, byte, "no value");
        assert_eq!(fault.to_string(), "line 2, column 8: no value");
    }
}
