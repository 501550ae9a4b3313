//! Whether the content of a key file, or of a Secret, is an API key that a request can carry.
//!
//! Which file that is stands in [`super::Credential`]; the key itself is never kept here and no
//! error quotes it.

use http::HeaderValue;

/// Why a content is no API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must hold an API key: one line of printable ASCII")]
pub enum ApiKeyError {
    /// Nothing, or white space alone.
    Empty,
    /// More than one line, or characters that no header value may have.
    Malformed,
}

/// The API key in a content, without the white space around it.
///
/// # Errors
/// [`ApiKeyError::Empty`] or [`ApiKeyError::Malformed`].
pub fn check(content: &[u8]) -> Result<&str, ApiKeyError> {
    let text = std::str::from_utf8(content).map_err(|_| ApiKeyError::Malformed)?;
    let key = text.trim();
    let fits_header = HeaderValue::from_str(key).is_ok_and(|value| value.to_str().is_ok());
    match key {
        "" => Err(ApiKeyError::Empty),
        key if fits_header => Ok(key),
        _ => Err(ApiKeyError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_around_a_key_is_ignored() {
        for content in ["sk-1", "sk-1\n", " sk-1\r\n", "\u{a0}sk-1"] {
            assert_eq!(check(content.as_bytes()), Ok("sk-1"), "{content:?}");
        }
    }

    #[test]
    fn nothing_and_white_space_are_empty() {
        for content in ["", "\n", " \t\r\n"] {
            assert_eq!(
                check(content.as_bytes()),
                Err(ApiKeyError::Empty),
                "{content:?}"
            );
        }
    }

    #[test]
    fn what_no_header_can_carry_is_malformed() {
        for content in [
            &b"a\nb"[..],
            b"a\0b",
            b"a\x7fb",
            "sk-\u{e9}".as_bytes(),
            b"\xff\xfe",
        ] {
            assert_eq!(check(content), Err(ApiKeyError::Malformed), "{content:?}");
        }
    }
}
