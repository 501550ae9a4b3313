//! Checks what a provider key says against what its provider takes.
//!
//! The operator checks with it what it writes, and the gateway what it reads.

use anyray_wire::gateway_config::{
    CredentialKind, Endpoint, FieldError,
    credential::Content,
    egress::EgressRule,
    endpoint::{self, CheckedEndpoint},
};

use crate::{path, provider::Provider, settings::Need};

/// Most bytes of a name in `models`, on either side.
const MAX_MODEL_BYTES: usize = 2048;

/// Checks the endpoint of a provider key and completes it; an absent one has only defaults.
///
/// # Errors
/// The field of `endpoint` that is wrong, or missing.
pub fn check_endpoint(
    provider: &dyn Provider,
    endpoint: &Endpoint,
    egress: &EgressRule,
) -> Result<CheckedEndpoint, FieldError> {
    let settings = provider.settings();
    for (field, need, value, is_fit) in [
        (
            "url",
            settings.url,
            &endpoint.url,
            is_any as fn(&str) -> bool,
        ),
        ("region", settings.region, &endpoint.region, is_place),
        (
            "projectId",
            settings.project_id,
            &endpoint.project_id,
            is_project,
        ),
        ("location", settings.location, &endpoint.location, is_place),
        (
            "apiVersion",
            settings.api_version,
            &endpoint.api_version,
            is_version,
        ),
    ] {
        check_setting(provider, field, need, value.as_deref(), is_fit)?;
    }
    check_models(provider, endpoint)?;
    let url = endpoint.url.clone();
    let url = url.or_else(|| provider.public_url(endpoint));
    let url = url.ok_or_else(|| missing(provider, "url"))?;
    let checked = endpoint::check(&url, endpoint, egress)?;
    check_end(provider, &checked.path)?;
    Ok(checked)
}

fn check_end(provider: &dyn Provider, path: &str) -> Result<(), FieldError> {
    let appended = provider.appended();
    let end = appended
        .iter()
        .find(|end| !end.is_empty() && path.ends_with(**end));
    let Some(end) = end else { return Ok(()) };
    let message = format!("must not end with {end}, which is appended");
    Err(FieldError::new("url", message))
}

fn check_setting(
    provider: &dyn Provider,
    field: &str,
    need: Need,
    value: Option<&str>,
    is_fit: fn(&str) -> bool,
) -> Result<(), FieldError> {
    match (need, value) {
        (Need::Never, Some(_)) => {
            let message = format!(
                "means nothing to the provider {}: remove it",
                provider.slug()
            );
            Err(FieldError::new(field, message))
        }
        (Need::Required, None) => Err(missing(provider, field)),
        (_, Some(value)) if !is_fit(value) => {
            let message = "must be letters, digits and '-', as the provider writes it";
            Err(FieldError::new(field, message))
        }
        _ => Ok(()),
    }
}

fn missing(provider: &dyn Provider, field: &str) -> FieldError {
    let message = format!("must be set for the provider {}", provider.slug());
    FieldError::new(field, message)
}

fn check_models(provider: &dyn Provider, endpoint: &Endpoint) -> Result<(), FieldError> {
    for (public, own) in &endpoint.models {
        let fault = |message: &str| {
            let field = format!("models.{}", public.escape_debug());
            Err(FieldError::new(field, message))
        };
        if public.is_empty() || public.len() > MAX_MODEL_BYTES {
            return fault("the name must have 1 to 2048 bytes");
        }
        if public.contains('*') {
            return fault("the name must be a whole one: '*' stands for itself here");
        }
        let is_plain = own.bytes().all(|byte| byte.is_ascii_graphic());
        if own.is_empty() || own.len() > MAX_MODEL_BYTES || !is_plain {
            return fault("must be 1 to 2048 printable ASCII characters without spaces");
        }
        if !path::is_name(own) {
            return fault("must have no '%', '\\', '.', '..' or empty part between slashes");
        }
        if let Err(message) = provider.check_model(own) {
            return fault(message);
        }
    }
    Ok(())
}

/// Checks where a credential is exchanged for a token, as an endpoint; `None` where it is not
/// exchanged.
///
/// # Errors
/// What is wrong with that URL, without a word of it.
pub fn check_token_url(
    content: &Content<'_>,
    allow_insecure: bool,
    egress: &EgressRule,
) -> Result<Option<CheckedEndpoint>, &'static str> {
    let url = match content {
        Content::ApiKey(_) | Content::AwsKeys(_) => return Ok(None),
        Content::GoogleServiceAccount(account) => account.token_uri.as_str(),
        Content::EntraClient(client) => client.authority(),
    };
    endpoint::check_url(url, allow_insecure, egress).map(Some)
}

/// Whether the provider takes a credential of this kind.
///
/// # Errors
/// `type`.
pub fn check_credential(provider: &dyn Provider, kind: CredentialKind) -> Result<(), FieldError> {
    if provider.credentials().contains(&kind) {
        return Ok(());
    }
    let kinds = provider.credentials().iter();
    let kinds: Vec<_> = kinds.map(|kind| kind.name()).collect();
    let message = format!(
        "is not taken by the provider {}, which takes {}",
        provider.slug(),
        kinds.join(" or ")
    );
    Err(FieldError::new("type", message))
}

fn is_any(_: &str) -> bool {
    true
}

/// A region or location: it becomes part of a host's name and of a path.
fn is_place(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    is_bounded(text) && text.bytes().all(is_allowed) && !text.starts_with('-')
}

/// A project's id or number, perhaps with a domain: `example.com:acme`.
fn is_project(text: &str) -> bool {
    let is_allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.:".contains(&byte);
    is_bounded(text) && text.bytes().all(is_allowed) && !text.starts_with(['-', '.', ':'])
}

fn is_version(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    is_bounded(text) && text.bytes().all(is_allowed)
}

fn is_bounded(text: &str) -> bool {
    (1..=63).contains(&text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{self, ALL};

    fn check(slug: &str, endpoint: &Endpoint) -> Result<CheckedEndpoint, String> {
        let provider = registry::find(slug).expect(slug);
        check_endpoint(provider, endpoint, &EgressRule::default())
            .map_err(|error| error.to_string())
    }

    fn vertex() -> Endpoint {
        Endpoint {
            project_id: Some("acme-1".to_owned()),
            location: Some("europe-west1".to_owned()),
            ..Endpoint::default()
        }
    }

    #[test]
    fn every_provider_says_which_setting_is_missing() {
        for (slug, expected) in [
            ("openai", None),
            ("anthropic", None),
            ("bedrock", Some("region: must be set")),
            ("google-vertex-ai", Some("projectId: must be set")),
            ("azure-openai", Some("url: must be set")),
            ("anyray-upstream", Some("url: must be set")),
        ] {
            let checked = check(slug, &Endpoint::default());
            match expected {
                None => assert!(checked.is_ok(), "{slug}: {checked:?}"),
                Some(expected) => {
                    let message = checked.expect_err(slug);
                    assert!(message.starts_with(expected), "{slug}: {message}");
                }
            }
        }
    }

    #[test]
    fn settings_of_another_provider_are_mistakes() {
        let message = check("openai", &vertex()).expect_err("refused");
        assert_eq!(
            message,
            "projectId: means nothing to the provider openai: remove it"
        );
    }

    #[test]
    fn settings_cannot_lead_to_another_host_or_path() {
        for location in ["x.evil.example", "a/b", "", "-a", "EU", "a?b"] {
            let endpoint = Endpoint {
                location: Some(location.to_owned()),
                ..vertex()
            };
            let message = check("vertex-ai", &endpoint).expect_err(location);
            assert!(message.starts_with("location: must be"), "{message}");
        }
        let checked = check("vertex-ai", &vertex()).expect("complete");
        assert_eq!(checked.authority, "europe-west1-aiplatform.googleapis.com");
    }

    #[test]
    fn a_base_url_ends_where_the_gateway_goes_on() {
        for (slug, url, end) in [
            ("openai", "https://h/v1", None),
            ("anthropic", "https://h/v1/", Some("/v1")),
            ("anthropic", "https://h/proxy", None),
            ("azure-openai", "https://h/openai", Some("/openai")),
            ("azure-openai", "https://h/openai/v1", Some("/openai/v1")),
            ("vertex-ai", "https://h/v1", Some("/v1")),
            ("vertex-ai", "https://h/v1beta1", Some("/v1beta1")),
            ("anyray-upstream", "https://h/v1", Some("/v1")),
        ] {
            let endpoint = Endpoint {
                url: Some(url.to_owned()),
                ..if slug == "vertex-ai" {
                    vertex()
                } else {
                    Endpoint::default()
                }
            };
            let expected =
                end.map(|end| format!("url: must not end with {end}, which is appended"));
            assert_eq!(check(slug, &endpoint).err(), expected, "{slug} {url}");
        }
    }

    #[test]
    fn a_map_of_models_holds_names() {
        for (slug, own, is_fit) in [
            ("openai", "acme/tuned-v1", true),
            ("openai", "", false),
            ("openai", "..", false),
            ("openai", "a/../b", false),
            ("openai", "a%2e", false),
            ("openai", "a b", false),
            ("azure-openai", "prod.1", true),
            ("azure-openai", "acme/tuned", false),
        ] {
            let endpoint = Endpoint {
                url: Some("https://llm.example.com".to_owned()),
                models: [("gpt-6".to_owned(), own.to_owned())].into(),
                ..Endpoint::default()
            };
            let checked = check(slug, &endpoint);
            assert_eq!(checked.is_ok(), is_fit, "{slug} {own}: {checked:?}");
            if let Err(message) = checked {
                assert!(message.starts_with("models.gpt-6: must "), "{message}");
            }
        }
    }

    #[test]
    fn names_of_providers_are_unique_and_can_be_found() {
        let mut names = Vec::new();
        for provider in ALL.iter() {
            names.push(provider.slug());
            names.extend(provider.aliases());
            assert!(!provider.credentials().is_empty(), "{}", provider.slug());
        }
        for name in &names {
            let count = names.iter().filter(|other| *other == name).count();
            assert_eq!(count, 1, "{name}");
            assert!(registry::find(name).is_some(), "{name}");
        }
    }
}
