//! Credentials that arrive with a request.
//!
//! Which headers carry one, which of them are meant for the gateway, and which one may go on to a
//! provider. Client keys are checked here once they exist.

use anyray_wire::anyray::{headers, is_own_credential};
use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};

use crate::error::GatewayError;

/// Headers in which callers may send a credential, the ones to prefer upstream first.
pub const CREDENTIAL_HEADERS: [HeaderName; 5] = [
    AUTHORIZATION,
    headers::X_API_KEY,
    headers::AZURE_API_KEY,
    headers::GOOGLE_API_KEY,
    headers::API_KEY,
];

/// A credential for a provider that the caller brought along.
#[derive(Clone, Debug)]
pub struct CallerCredential {
    /// The header that it came in, and goes on in.
    pub header: HeaderName,
    /// The header's value, unchanged.
    pub value: HeaderValue,
}

/// The caller's own provider credential, if there is one.
///
/// Gateway credentials, the placeholder and empty values are none.
/// Where several headers carry one, the first of [`CREDENTIAL_HEADERS`] wins, so that exactly one
/// goes upstream.
///
/// # Errors
/// [`GatewayError::DuplicateCredential`] where one header came twice.
pub fn find_caller_credential(
    headers: &HeaderMap,
) -> Result<Option<CallerCredential>, GatewayError> {
    let mut found = None;
    for name in &CREDENTIAL_HEADERS {
        let mut values = headers.get_all(name).iter();
        let Some(value) = values.next() else { continue };
        if values.next().is_some() {
            return Err(GatewayError::DuplicateCredential {
                header: static_name(name),
            });
        }
        if found.is_none() && *name != headers::API_KEY && !is_for_gateway(value) {
            let mut value = value.clone();
            value.set_sensitive(true);
            found = Some(CallerCredential {
                header: name.clone(),
                value,
            });
        }
    }
    Ok(found)
}

/// Whether a credential header's value is meant for the gateway alone, or names such a value in
/// whatever spelling.
fn is_for_gateway(value: &HeaderValue) -> bool {
    let Ok(text) = value.to_str() else {
        return true;
    };
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let mut words = text
        .split(|c| !is_word(c))
        .filter(|word| !word.is_empty())
        .peekable();
    let scheme = words.next_if(|word| word.eq_ignore_ascii_case("bearer"));
    let is_empty = words.peek().is_none();
    (is_empty && (scheme.is_some() || text.trim().is_empty())) || words.any(is_own_credential)
}

/// The name as a text that outlives the request.
fn static_name(name: &HeaderName) -> &'static str {
    match name.as_str() {
        "authorization" => "authorization",
        "x-api-key" => "x-api-key",
        "api-key" => "api-key",
        "x-goog-api-key" => "x-goog-api-key",
        _ => "x-anyray-api-key",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(pairs: &[(&'static str, &str)]) -> Result<Option<(String, String)>, GatewayError> {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, value.parse().expect("header value"));
        }
        let found = find_caller_credential(&map)?;
        Ok(found.map(|c| {
            (
                c.header.to_string(),
                c.value.to_str().expect("text").to_owned(),
            )
        }))
    }

    #[test]
    fn a_providers_own_key_is_found_in_any_header() {
        for (name, value) in [
            ("authorization", "Bearer sk-1"),
            ("x-api-key", "sk-ant-1"),
            ("api-key", "azure"),
            ("x-goog-api-key", "google"),
        ] {
            assert_eq!(
                find(&[(name, value)]),
                Ok(Some((name.to_owned(), value.to_owned())))
            );
        }
    }

    #[test]
    fn gateway_credentials_are_no_provider_credentials() {
        for value in [
            "Bearer ark_x",
            "bearer ari_x",
            "Bearer anyray-placeholder",
            "Bearer ",
            "Bearer",
            "",
            "Bearer\tark_x",
            "Basic ark_x",
            "\"ark_x\"",
            "Bearer sk-1,Bearer ark_x",
            "Bearer Bearer ark_x",
        ] {
            assert_eq!(find(&[("authorization", value)]), Ok(None), "{value:?}");
        }
        assert_eq!(find(&[("x-api-key", "ark_x")]), Ok(None));
        assert_eq!(find(&[("x-anyray-api-key", "sk-1")]), Ok(None));
    }

    #[test]
    fn exactly_one_credential_remains_of_several() {
        let both = find(&[
            ("x-api-key", "sk-ant-1"),
            ("authorization", "Bearer sk-ant-1"),
        ]);
        assert_eq!(
            both,
            Ok(Some((
                "authorization".to_owned(),
                "Bearer sk-ant-1".to_owned()
            )))
        );
        let ours_and_theirs = find(&[("authorization", "Bearer ark_x"), ("x-api-key", "sk-ant-1")]);
        assert_eq!(
            ours_and_theirs,
            Ok(Some(("x-api-key".to_owned(), "sk-ant-1".to_owned())))
        );
    }

    #[test]
    fn the_same_header_twice_is_refused() {
        let twice = find(&[("x-api-key", "a"), ("x-api-key", "a")]);
        assert_eq!(
            twice,
            Err(GatewayError::DuplicateCredential {
                header: "x-api-key"
            })
        );
    }
}
