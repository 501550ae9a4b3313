//! What the tools are to be told: where the gateway is, who calls, and by which credential.

use std::fmt;

use anyray_wire::anyray::{credential::CLIENT_KEY_PREFIX, secret::Secret};
use serde::Serialize;

use crate::gateway_url::GatewayUrl;

/// What stands for a key where the gateway asks for none; it never goes to a provider.
pub const PLACEHOLDER: &str = "anyray-placeholder";

/// Base URL of the backend that serves Codex's subscriptions at `ChatGPT`.
pub const CODEX_SUBSCRIPTION_BACKEND: &str = "https://chatgpt.com/backend-api/codex";

/// Who pays for a tool's requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Billing {
    /// The organisation, by the gateway's keys: the tool sends the gateway's credential alone.
    Organisation,
    /// The user's own subscription: the tool keeps its sign-in and the client key travels beside
    /// it.
    Subscription,
}

/// How a tool makes itself known to the gateway.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A client key, `ark_…`.
    Key(Secret),
    /// None; the gateway serves everyone who reaches it.
    Placeholder,
}

/// What a tool's settings are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setup {
    /// The gateway.
    pub gateway: GatewayUrl,
    /// What the tools send to it.
    pub credential: Credential,
    /// Whom to attribute requests to, where the key does not say.
    pub user: Option<String>,
    /// Their team, likewise.
    pub team: Option<String>,
    /// Who pays.
    pub billing: Billing,
}

impl Credential {
    /// A credential as it stands in a tool's settings.
    pub fn of(text: &str) -> Self {
        match text {
            PLACEHOLDER => Self::Placeholder,
            key => Self::Key(Secret(key.to_owned())),
        }
    }

    /// What stands where a tool wants a key.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Key(Secret(key)) => key,
            Self::Placeholder => PLACEHOLDER,
        }
    }

    /// The client key, if there is one.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Key(Secret(key)) => Some(key),
            Self::Placeholder => None,
        }
    }
}

/// Without the key.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key(_) => "Key(***)",
            Self::Placeholder => "Placeholder",
        })
    }
}

/// Whether a credential in a tool's settings is one that this program writes.
pub fn is_ours(credential: &str) -> bool {
    credential == PLACEHOLDER || credential.starts_with(CLIENT_KEY_PREFIX)
}

impl Setup {
    /// `x-anyray-metadata`: a flat JSON object of strings in ASCII, as headers are.
    pub fn metadata(&self) -> Option<String> {
        #[derive(Serialize)]
        struct Metadata<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            user: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            team: Option<&'a str>,
        }
        let (user, team) = (self.user.as_deref(), self.team.as_deref());
        if user.is_none() && team.is_none() {
            return None;
        }
        let json = serde_json::to_string(&Metadata { user, team }).ok()?;
        Some(escape_non_ascii(&json))
    }

    /// The headers of ours that a tool adds to what it sends by itself, in this order.
    ///
    /// `subscription_backend` is where the tool's subscription is served, unless its provider's
    /// usual host does.
    pub fn headers(&self, subscription_backend: Option<&str>) -> Vec<(&'static str, String)> {
        let mut all = Vec::new();
        if self.billing == Billing::Subscription {
            all.push((AUTH_MODE, "passthrough".to_owned()));
            all.extend(subscription_backend.map(|host| (CUSTOM_HOST, host.to_owned())));
            all.extend(self.credential.key().map(|key| (API_KEY, key.to_owned())));
        }
        all.extend(self.metadata().map(|text| (METADATA, text)));
        all
    }
}

const API_KEY: &str = "x-anyray-api-key";
const AUTH_MODE: &str = "x-anyray-auth-mode";
const CUSTOM_HOST: &str = "x-anyray-custom-host";
const METADATA: &str = "x-anyray-metadata";

/// Whether a header is one that this program writes.
pub fn is_our_header(name: &str) -> bool {
    let ours = [API_KEY, AUTH_MODE, CUSTOM_HOST, METADATA];
    ours.iter().any(|our| name.trim().eq_ignore_ascii_case(our))
}

/// JSON with escapes for all that is not ASCII, in UTF-16 as JSON has them.
fn escape_non_ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() {
            text.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            text.push_str(&format!("\\u{unit:04x}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup(billing: Billing) -> Setup {
        Setup {
            gateway: GatewayUrl::parse("https://llm.example.com").expect("an address"),
            credential: Credential::Key(Secret("ark_secret".to_owned())),
            user: Some("zoë@example.com".to_owned()),
            team: Some("🦀".to_owned()),
            billing,
        }
    }

    #[test]
    fn metadata_is_json_in_ascii() {
        let text = setup(Billing::Organisation).metadata().expect("metadata");
        assert!(text.is_ascii(), "{text}");
        let read: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(read["user"], "zoë@example.com");
        assert_eq!(read["team"], "🦀");
    }

    #[test]
    fn the_key_is_among_the_headers_only_beside_a_subscription() {
        let names = |billing| {
            let headers = setup(billing).headers(Some(CODEX_SUBSCRIPTION_BACKEND));
            headers
                .into_iter()
                .map(|(name, _)| name)
                .collect::<Vec<_>>()
        };
        assert_eq!(names(Billing::Organisation), [METADATA]);
        let expected = [AUTH_MODE, CUSTOM_HOST, API_KEY, METADATA];
        assert_eq!(names(Billing::Subscription), expected);
    }

    #[test]
    fn nothing_of_the_key_is_in_debug_output() {
        let shown = format!("{:?}", setup(Billing::Subscription));
        assert!(!shown.contains("secret"), "{shown}");
    }
}
