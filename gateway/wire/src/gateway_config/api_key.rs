//! Whether the content of a key file, or of a Secret, is an API key that a request can carry.
//!
//! Which file that is stands in [`super::Credential`]; the key itself is never kept here and no
//! error quotes it.

/// Why a content is no API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyError {
    /// Nothing, or white space alone.
    #[error("must hold an API key, but is empty")]
    Empty,
    /// JSON, which is a credential of another kind: as a key, all of it would go to the provider.
    #[error(
        "must hold an API key, but holds JSON: if it is a credential of another kind, \
         name that kind"
    )]
    Json,
    /// White space within, or characters other than printable ASCII.
    #[error("must hold an API key: one line of printable ASCII without spaces")]
    Malformed,
}

/// The API key in a content, without the white space around it.
///
/// # Errors
/// [`ApiKeyError`].
pub fn check(content: &[u8]) -> Result<&str, ApiKeyError> {
    let text = std::str::from_utf8(content).map_err(|_| ApiKeyError::Malformed)?;
    let key = text.trim();
    match key.as_bytes() {
        [] => Err(ApiKeyError::Empty),
        [b'{', ..] => Err(ApiKeyError::Json),
        bytes if bytes.iter().all(u8::is_ascii_graphic) => Ok(key),
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
    fn json_is_a_credential_of_another_kind() {
        for content in [
            r#"{"accessKeyId":"AKIA","secretAccessKey":"x"}"#,
            "{\n  \"tenantId\": \"t\"\n}\n",
            "{",
        ] {
            assert_eq!(
                check(content.as_bytes()),
                Err(ApiKeyError::Json),
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
            b"a b",
            b"a\tb",
            "sk-\u{e9}".as_bytes(),
            b"\xff\xfe",
        ] {
            assert_eq!(check(content), Err(ApiKeyError::Malformed), "{content:?}");
        }
    }
}
