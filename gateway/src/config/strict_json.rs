//! Reads JSON strictly: nothing unknown, nothing behind its end, and a fault that names the field
//! and quotes no value.

use serde::de::DeserializeOwned;

/// Why a text was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Path of the field, such as `providerKeys[0].endpoint.url`; `.` is the whole text.
    pub field: String,
    /// What was expected.
    pub message: String,
}

/// Reads an object, and nothing beside it.
///
/// # Errors
/// [`Fault`], where it is no JSON or does not fit `T`.
pub fn parse<T: DeserializeOwned>(content: &[u8]) -> Result<T, Fault> {
    // The fields of a structure may also come as a list, one after the other.
    if content.trim_ascii_start().starts_with(b"[") {
        return Err(Fault {
            field: ".".to_owned(),
            message: "expected an object".to_owned(),
        });
    }
    let mut parser = serde_json::Deserializer::from_slice(content);
    let parsed = serde_path_to_error::deserialize(&mut parser).map_err(|error| {
        let field = Some(error.path().to_string()).filter(|path| path != "?");
        Fault {
            field: field.unwrap_or_else(|| ".".to_owned()),
            message: expectation(&error.inner().to_string()),
        }
    })?;
    parser.end().map_err(|error| Fault {
        field: ".".to_owned(),
        message: error.to_string(),
    })?;
    Ok(parsed)
}

/// What the parser expected, in the words of JSON and without the value that it found: a key may
/// have been put into the wrong field.
fn expectation(message: &str) -> String {
    let Some((found, expected)) = message.rsplit_once(", expected ") else {
        return message.to_owned();
    };
    if found.starts_with("unknown field") {
        return message.to_owned();
    }
    let (what, place) = expected.split_once(" at line ").unwrap_or((expected, "?"));
    let what = match what {
        what if what.starts_with("struct ") => "an object",
        "u64" | "u32" => "a whole number, not negative",
        "a sequence" => "a list",
        what => what,
    };
    format!("expected {what} at line {place}")
}
