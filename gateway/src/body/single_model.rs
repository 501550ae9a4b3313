//! Sees to it that a body names its model once, however it is read.
//!
//! The gateway searches for the first `model`; a provider's parser may take the last, or one in
//! another case, or read the text as something other than JSON in UTF-8.
//! A caller that may use certain models only must not gain others by that, so a body that could be
//! read in two ways is refused.

use anyray_wire::key_scan::KeyScanner;
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};

use super::MODEL;
use crate::error::GatewayError;

/// The state between two pieces of one body.
#[derive(Debug)]
pub(super) struct SingleModel {
    keys: KeyScanner,
}

impl SingleModel {
    /// At the start of a body with these headers.
    ///
    /// # Errors
    /// [`GatewayError::BodyNotPlainJson`], where they do not declare JSON in UTF-8.
    pub(super) fn new(headers: &HeaderMap) -> Result<Self, GatewayError> {
        let mut types = headers.get_all(CONTENT_TYPE).iter();
        match (types.next(), types.next()) {
            (Some(only), None) if is_plain_json(only) => Ok(Self {
                keys: KeyScanner::new(MODEL).ignoring_case(),
            }),
            _ => Err(GatewayError::BodyNotPlainJson),
        }
    }

    /// Reads the next piece.
    ///
    /// # Errors
    /// [`GatewayError::BodyNotPlainJson`] or [`GatewayError::DuplicateModel`].
    pub(super) fn read(&mut self, piece: &[u8]) -> Result<(), GatewayError> {
        let mut rest = piece;
        while self.keys.next(&mut rest).is_some() {}
        if self.keys.is_irregular() {
            return Err(GatewayError::BodyNotPlainJson);
        }
        if self.keys.matched_keys() > 1 {
            return Err(GatewayError::DuplicateModel);
        }
        Ok(())
    }
}

/// `application/json`, with no other charset than UTF-8: some readers obey the charset, and in
/// UTF-7 another text would stand there; others read forms and multipart bodies.
fn is_plain_json(content_type: &HeaderValue) -> bool {
    let Ok(text) = content_type.to_str() else {
        return false;
    };
    let mut parts = text.split(';').map(str::trim);
    let is_json = parts
        .next()
        .is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    is_json && parts.all(is_harmless_parameter)
}

fn is_harmless_parameter(parameter: &str) -> bool {
    const CHARSETS: [&str; 2] = ["charset=utf-8", "charset=\"utf-8\""];
    parameter.is_empty()
        || CHARSETS
            .iter()
            .any(|known| parameter.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_in_utf_8_is_plain() {
        for (value, expected) in [
            ("application/json", true),
            ("Application/JSON", true),
            ("application/json;", true),
            ("application/json; charset=utf-8", true),
            ("application/json;charset=UTF-8", true),
            ("application/json; charset=\"utf-8\"", true),
            ("application/json; charset=utf-7", false),
            ("application/json; charset=utf-16le", false),
            ("application/json; charset=utf-8; charset=utf-7", false),
            ("application/json; x=y", false),
            ("application/json5", false),
            ("text/json", false),
            ("multipart/form-data; boundary=x", false),
            ("application/x-www-form-urlencoded", false),
            ("text/plain", false),
            ("", false),
        ] {
            let value = HeaderValue::from_static(value);
            assert_eq!(is_plain_json(&value), expected, "{value:?}");
        }
    }

    #[test]
    fn the_type_must_be_declared_and_once() {
        let mut headers = HeaderMap::new();
        assert!(SingleModel::new(&headers).is_err());
        let json = HeaderValue::from_static("application/json");
        headers.append(CONTENT_TYPE, json);
        SingleModel::new(&headers).expect("declared once");
        headers.append(
            CONTENT_TYPE,
            HeaderValue::from_static("multipart/form-data"),
        );
        assert!(SingleModel::new(&headers).is_err());
    }
}
