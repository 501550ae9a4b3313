//! The Invite of a code that was made here.

use anyray_crds::v1alpha1::{
    Invite,
    access::{GatewayRef, Permissions},
    invite::{InviteSpec, KeyTemplate},
};
use anyray_wire::anyray::credential::CredentialDigest;
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kube::core::Duration;
use serde_json::{Value, json};

use crate::cli::InviteCreate;

/// Characters of the random end of a name: no vowels, so that it says nothing, and nothing that
/// looks like another.
const SUFFIX_ALPHABET: &[u8] = b"bcdfghjkmnpqrstvwxz2456789";

/// Characters of the random end of a name.
pub const SUFFIX_LENGTH: usize = 5;

/// Longest beginning of a name; with its end, and `-code`, it stays readable in columns.
const MAX_SLUG_LENGTH: usize = 40;

/// When a code ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    /// So long after it is created; 72 hours if nothing is said.
    After(Option<Duration>),
    /// Then.
    At(Timestamp),
}

/// Which object it is to be.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Name of the gateway.
    pub gateway: &'a str,
}

/// The Invite of a code of which only the digest goes into it.
pub fn build(
    place: Place<'_>,
    options: &InviteCreate,
    code: &CredentialDigest,
    end: End,
) -> Invite {
    let (ttl, expires_at) = match end {
        End::After(life) => (life, None),
        End::At(time) => (None, Some(Time(time))),
    };
    let spec = InviteSpec {
        gateway_ref: GatewayRef {
            name: place.gateway.to_owned(),
        },
        user: options.user.clone(),
        team: options.team.clone(),
        ttl,
        expires_at,
        code_hash: Some(code.to_string()),
        secret_name: None,
        key: KeyTemplate {
            expires_after: options.key_expires_after,
            permissions: Permissions {
                models: options.models.clone(),
                providers: options.providers.clone(),
                requests_per_minute: options.requests_per_minute,
                concurrent_requests: options.concurrent_requests,
            },
            ..KeyTemplate::default()
        },
        revoked: false,
    };
    let mut invite = Invite::new(place.name, spec);
    invite.metadata.namespace = Some(place.namespace.to_owned());
    invite
}

/// The Invite as it is written by hand: without what goes without saying.
///
/// # Errors
/// The one of the encoder, which an Invite does not give it cause for.
pub fn brief(invite: &Invite) -> Result<Value, serde_json::Error> {
    let mut value = serde_json::to_value(invite)?;
    remove_if(&mut value, "/spec/key", "permissions", &json!({}));
    remove_if(&mut value, "/spec/key", "deletionPolicy", &json!("Revoke"));
    remove_if(&mut value, "/spec", "key", &json!({}));
    remove_if(&mut value, "/spec", "revoked", &json!(false));
    Ok(value)
}

fn remove_if(value: &mut Value, parent: &str, field: &str, default: &Value) {
    if let Some(Value::Object(fields)) = value.pointer_mut(parent)
        && fields.get(field) == Some(default)
    {
        fields.remove(field);
    }
}

/// A name that says whose invite it is, and is not taken.
pub fn name(user: &str, random: [u8; SUFFIX_LENGTH]) -> String {
    let alphabet = SUFFIX_ALPHABET;
    let places = random.map(|byte| usize::from(byte) % alphabet.len());
    let suffix = places.iter().filter_map(|place| alphabet.get(*place));
    let suffix: String = suffix.copied().map(char::from).collect();
    format!("{}-{suffix}", slug(user))
}

/// What of a user can be part of a name: what stands before the `@`, in lower-case ASCII.
fn slug(user: &str) -> String {
    let user = user.split('@').next().unwrap_or(user);
    let mut slug = String::new();
    for character in user.chars() {
        if character.is_ascii_alphanumeric() {
            slug.push(character.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(MAX_SLUG_LENGTH);
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "invite" } else { slug }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(user: &str) -> InviteCreate {
        InviteCreate {
            user: user.to_owned(),
            gateway: None,
            team: None,
            ttl: None,
            expires_at: None,
            key_expires_after: None,
            models: Vec::new(),
            providers: Vec::new(),
            requests_per_minute: None,
            concurrent_requests: None,
            name: None,
            url: None,
            dry_run: false,
        }
    }

    fn place() -> Place<'static> {
        Place {
            namespace: "llm",
            name: "alice",
            gateway: "team-a",
        }
    }

    #[test]
    fn names_say_who_and_fit_everywhere() {
        for (user, expected) in [
            ("alice@example.com", "alice-bbbbb"),
            ("Alice B. Carol", "alice-b-carol-bbbbb"),
            ("Zoë", "zo-bbbbb"),
            ("山田", "invite-bbbbb"),
            ("@", "invite-bbbbb"),
            ("..a..", "a-bbbbb"),
        ] {
            assert_eq!(name(user, [0; 5]), expected);
        }
        let long = name(&"a".repeat(254), [255; 5]);
        assert_eq!(long.len(), 46, "{long}");
        assert_ne!(name("a", [0; 5]), name("a", [0, 0, 0, 0, 1]));
    }

    #[test]
    fn what_goes_without_saying_is_not_said() {
        let digest = CredentialDigest::of("code");
        let invite = build(place(), &options("alice"), &digest, End::After(None));
        let expected = json!({
            "apiVersion": "anyray.ai/v1alpha1",
            "kind": "Invite",
            "metadata": { "name": "alice", "namespace": "llm" },
            "spec": {
                "gatewayRef": { "name": "team-a" },
                "user": "alice",
                "codeHash": digest.to_string(),
            },
        });
        assert_eq!(brief(&invite).expect("JSON"), expected);
    }

    #[test]
    fn what_is_said_is_there() {
        let options = InviteCreate {
            team: Some("research".to_owned()),
            key_expires_after: "1h".parse().ok(),
            models: vec!["claude-*".to_owned()],
            providers: vec!["anthropic".to_owned()],
            requests_per_minute: Some(60),
            concurrent_requests: Some(2),
            ..options("alice")
        };
        let end = End::At("2030-01-31T12:00:00Z".parse().expect("a time"));
        let invite = build(place(), &options, &CredentialDigest::of("code"), end);
        let spec = &brief(&invite).expect("JSON")["spec"];
        assert_eq!(spec["team"], "research");
        assert_eq!(spec["expiresAt"], "2030-01-31T12:00:00Z");
        assert_eq!(spec.get("ttl"), None);
        let permissions = json!({
            "models": ["claude-*"],
            "providers": ["anthropic"],
            "requestsPerMinute": 60,
            "concurrentRequests": 2,
        });
        let key = json!({ "expiresAfter": "3600s", "permissions": permissions });
        assert_eq!(spec["key"], key);
    }
}
