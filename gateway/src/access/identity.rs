//! Whom a request is attributed to: what the key says, and where it says nothing, what the caller
//! says.

use std::collections::BTreeMap;

use anyray_wire::anyray::headers::METADATA;
use http::HeaderMap;

use crate::access::grant::Grant;

/// Longest `x-anyray-metadata` that is read, in bytes.
const MAX_METADATA_BYTES: usize = 4096;

/// Longest name of a team.
const MAX_TEAM_BYTES: usize = 63;

/// Longest name of a user.
const MAX_USER_BYTES: usize = 254;

/// Whom a request is attributed to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Who. It may be an e-mail address, and so is never logged.
    pub user: Option<Box<str>>,
    /// Their team.
    pub team: Option<Box<str>>,
}

impl Identity {
    /// The identity of a key's holder, or what a caller without a key says of itself.
    pub fn resolve(grant: Option<&Grant>, headers: &HeaderMap) -> Self {
        let said = metadata(headers);
        let said = |name: &str, longest: usize| {
            let value = said.get(name).filter(|value| value.len() <= longest);
            value.map(|value| value.as_str().into())
        };
        let facts = grant.map(|grant| &grant.facts);
        Self {
            user: facts.map_or_else(
                || said("user", MAX_USER_BYTES),
                |facts| Some(facts.user.clone()),
            ),
            team: facts
                .and_then(|facts| facts.team.clone())
                .or_else(|| said("team", MAX_TEAM_BYTES)),
        }
    }
}

/// The flat object of strings in `x-anyray-metadata`; anything else counts for nothing.
fn metadata(headers: &HeaderMap) -> BTreeMap<String, String> {
    let value = headers.get(METADATA);
    let value = value.filter(|value| value.len() <= MAX_METADATA_BYTES);
    value
        .and_then(|value| serde_json::from_slice(value.as_bytes()).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use anyray_crds::v1alpha1::ClientKey;
    use serde_json::json;

    use super::*;
    use crate::access::grant::KeyFacts;

    fn grant(team: Option<&str>) -> Grant {
        let key: ClientKey = serde_json::from_value(json!({
            "apiVersion": "anyray.ai/v1alpha1", "kind": "ClientKey",
            "metadata": { "name": "k" },
            "spec": {
                "gatewayRef": { "name": "gw" }, "user": "ada", "team": team,
                "serviceAccount": { "name": "ci" },
            },
        }))
        .expect("a key");
        Grant::new("k".into(), KeyFacts::of(&key), false, None)
    }

    fn said(text: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(METADATA, text.parse().expect("a header"));
        headers
    }

    fn identity(user: Option<&str>, team: Option<&str>) -> Identity {
        Identity {
            user: user.map(Into::into),
            team: team.map(Into::into),
        }
    }

    /// Row S14 of the security catalogue.
    #[test]
    fn s14_what_the_key_says_wins_and_the_header_only_fills_gaps() {
        let spoofed = said(r#"{"user":"eve","team":"rich"}"#);
        assert_eq!(
            Identity::resolve(Some(&grant(Some("research"))), &spoofed),
            identity(Some("ada"), Some("research"))
        );
        assert_eq!(
            Identity::resolve(Some(&grant(None)), &spoofed),
            identity(Some("ada"), Some("rich"))
        );
        assert_eq!(
            Identity::resolve(None, &spoofed),
            identity(Some("eve"), Some("rich"))
        );
    }

    #[test]
    fn metadata_that_is_no_flat_object_of_strings_counts_for_nothing() {
        for text in ["", "[]", r#"{"user":1}"#, r#"{"user":{"a":"b"}}"#, "{"] {
            assert_eq!(
                Identity::resolve(None, &said(text)),
                Identity::default(),
                "{text}"
            );
        }
        let long = format!(r#"{{"user":"{}"}}"#, "x".repeat(MAX_METADATA_BYTES));
        assert_eq!(Identity::resolve(None, &said(&long)), Identity::default());
    }
}
