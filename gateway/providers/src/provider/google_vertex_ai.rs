//! Google Vertex AI: Claude and Gemini by Google's own paths, Claude by Anthropic's, and the chat
//! completions that Google serves in OpenAI's form.
//!
//! Source: <https://cloud.google.com/vertex-ai/docs/reference/rest>.

use anyray_wire::{
    Dialect,
    gateway_config::{CredentialKind, Endpoint},
};

use super::{Adaptation, AuthScheme, Call, PathError, Provider};
use crate::{
    path::{self, Operation, Route, push_segment},
    settings::{Need, Settings},
};

/// Stands in place of a model where Claude's tokens are counted; the body names the model.
const COUNT_TOKENS: &str = "count-tokens";

const OPENAPI_CHAT: &str = "endpoints/openapi/chat/completions";

#[derive(Debug)]
pub(crate) struct GoogleVertexAi;

impl Provider for GoogleVertexAi {
    fn slug(&self) -> &'static str {
        "google-vertex-ai"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["vertex-ai"]
    }

    fn accepts(&self, dialect: Dialect, operation: Operation) -> Option<Adaptation> {
        match (dialect, operation) {
            (Dialect::AnthropicMessages, Operation::Messages) => Some(Adaptation::ClaudeOnVertex),
            (Dialect::AnthropicMessages, Operation::CountTokens) => {
                Some(Adaptation::ClaudeOnVertexCountTokens)
            }
            (Dialect::OpenAiChat, Operation::ChatCompletions) => Some(Adaptation::AsIs),
            _ => None,
        }
    }

    fn credentials(&self) -> &'static [CredentialKind] {
        &[CredentialKind::GoogleServiceAccount]
    }

    fn auth(&self, _kind: CredentialKind, _host: &str) -> AuthScheme {
        AuthScheme::Bearer
    }

    fn settings(&self) -> Settings {
        Settings {
            project_id: Need::Required,
            location: Need::Required,
            ..Settings::default()
        }
    }

    fn public_url(&self, endpoint: &Endpoint) -> Option<String> {
        Some(match endpoint.location.as_deref()? {
            "global" => "https://aiplatform.googleapis.com".to_owned(),
            multi @ ("us" | "eu") => format!("https://aiplatform.{multi}.rep.googleapis.com"),
            region => format!("https://{region}-aiplatform.googleapis.com"),
        })
    }

    fn read_path(&self, path: &str) -> Option<Route> {
        let rest = split(path)?.rest;
        if rest == OPENAPI_CHAT {
            return Some(Route::post(Operation::ChatCompletions, Dialect::OpenAiChat));
        }
        let (publisher, model) = rest.strip_prefix("publishers/")?.split_once("/models/")?;
        let (model, method) = model.rsplit_once(':')?;
        let claude = |operation| Route::post(operation, Dialect::AnthropicMessages);
        let gemini = |operation| Route::post(operation, Dialect::GeminiGenerate);
        match (publisher, method) {
            ("anthropic", "rawPredict") if model == COUNT_TOKENS => {
                Some(claude(Operation::CountTokens))
            }
            ("anthropic", "rawPredict" | "streamRawPredict") => {
                claude(Operation::Messages).with_model(model)
            }
            ("google", "generateContent" | "streamGenerateContent") => {
                gemini(Operation::GenerateContent).with_model(model)
            }
            ("google", "countTokens") => gemini(Operation::CountTokens).with_model(model),
            _ => None,
        }
        .filter(|_| !model.contains('/'))
    }

    /// Project and location are the key's, whatever the caller's path says.
    fn write_path(&self, call: &Call<'_>, url: &mut String) -> Result<(), PathError> {
        let native = split(call.path).filter(|_| call.is_native);
        url.push('/');
        url.push_str(native.as_ref().map_or("v1", |native| native.version));
        for (collection, name) in [
            ("/projects/", &call.endpoint.project_id),
            ("/locations/", &call.endpoint.location),
        ] {
            url.push_str(collection);
            url.push_str(name.as_deref().unwrap_or_default());
        }
        url.push('/');
        match native {
            Some(native) => push_native(call, &native, url),
            None => push_plain(call, url)?,
        }
        let query = call.query.filter(|_| call.is_native);
        if let Some(query) = path::query_without(query, is_credential) {
            url.push('?');
            url.push_str(&query);
        }
        Ok(())
    }

    fn appended(&self) -> Vec<&'static str> {
        vec!["/v1", "/v1beta1"]
    }
}

/// Whether a parameter of a query is a credential, or names who pays.
///
/// Source: <https://cloud.google.com/apis/docs/system-parameters>.
fn is_credential(parameter: &str) -> bool {
    matches!(
        parameter.trim_start_matches('$'),
        "access_token" | "key" | "oauth_token" | "quotaUser" | "userProject"
    )
}

/// One of Google's paths, without project and location.
#[derive(Debug)]
struct NativePath<'p> {
    version: &'p str,
    /// From `publishers/` or `endpoints/` on.
    rest: &'p str,
}

/// Takes a path apart: with or without a version, and in Google's express mode without project and
/// location.
fn split(path: &str) -> Option<NativePath<'_>> {
    let path = path.strip_prefix('/')?;
    let (version, rest) = match path.split_once('/')? {
        (version @ ("v1" | "v1beta1"), rest) => (version, rest),
        _ => ("v1", path),
    };
    let rest = match rest.strip_prefix("projects/") {
        Some(rest) => {
            let (_, rest) = rest.split_once("/locations/")?;
            rest.split_once('/')?.1
        }
        None => rest,
    };
    Some(NativePath { version, rest })
}

fn push_native(call: &Call<'_>, native: &NativePath<'_>, url: &mut String) {
    let renamed = call.mapped.and_then(|name| {
        let (before, model) = native.rest.split_once("/models/")?;
        let (_, method) = model.rsplit_once(':')?;
        (call.operation != Operation::CountTokens || !model.starts_with(COUNT_TOKENS))
            .then_some((before, name, method))
    });
    let Some((before, name, method)) = renamed else {
        url.push_str(native.rest);
        return;
    };
    url.push_str(before);
    url.push_str("/models/");
    push_segment(url, name);
    url.push(':');
    url.push_str(method);
}

fn push_plain(call: &Call<'_>, url: &mut String) -> Result<(), PathError> {
    if call.operation == Operation::ChatCompletions {
        url.push_str(OPENAPI_CHAT);
        return Ok(());
    }
    url.push_str("publishers/anthropic/models/");
    if call.operation == Operation::CountTokens {
        url.push_str(COUNT_TOKENS);
    } else {
        push_segment(url, call.provider_model()?);
    }
    url.push_str(
        if call.is_stream && call.operation != Operation::CountTokens {
            ":streamRawPredict"
        } else {
            ":rawPredict"
        },
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint() -> Endpoint {
        Endpoint {
            project_id: Some("acme".to_owned()),
            location: Some("europe-west1".to_owned()),
            ..Endpoint::default()
        }
    }

    fn write(call: &Call<'_>) -> String {
        let mut url = String::new();
        GoogleVertexAi.write_path(call, &mut url).expect("a path");
        url
    }

    fn native<'a>(path: &'a str, endpoint: &'a Endpoint) -> Call<'a> {
        Call {
            operation: GoogleVertexAi.read_path(path).expect(path).operation,
            is_native: true,
            path,
            query: None,
            model: Some("x"),
            mapped: None,
            is_stream: false,
            endpoint,
        }
    }

    #[test]
    fn googles_paths_are_read_with_and_without_version_and_project() {
        for (path, operation, model) in [
            (
                "/v1/projects/p/locations/l/publishers/anthropic/models/claude@1:streamRawPredict",
                Operation::Messages,
                Some("claude@1"),
            ),
            (
                "/projects/p/locations/l/publishers/anthropic/models/claude%401:rawPredict",
                Operation::Messages,
                Some("claude@1"),
            ),
            (
                "/v1/projects/p/locations/l/publishers/anthropic/models/count-tokens:rawPredict",
                Operation::CountTokens,
                None,
            ),
            (
                "/v1beta1/projects/p/locations/l/publishers/google/models/gemini:generateContent",
                Operation::GenerateContent,
                Some("gemini"),
            ),
            (
                "/v1beta1/publishers/google/models/gemini:countTokens",
                Operation::CountTokens,
                Some("gemini"),
            ),
            (
                "/v1/projects/p/locations/l/endpoints/openapi/chat/completions",
                Operation::ChatCompletions,
                None,
            ),
        ] {
            let route = GoogleVertexAi.read_path(path).expect(path);
            assert_eq!(
                (route.operation, route.model.as_deref()),
                (operation, model),
                "{path}"
            );
        }
        for path in [
            "/v1/projects/p/locations/l/publishers/anthropic/models/claude:predict",
            "/v1/projects/p/locations/l/publishers/google/models/gemini:rawPredict",
            "/v1/projects/p/locations/l/publishers/google/models/a/b:generateContent",
            "/v1/projects/p/publishers/google/models/gemini:generateContent",
            "/v2/projects/p/locations/l/publishers/google/models/gemini:generateContent",
            "/v1/projects/p/locations/l/endpoints/1:predict",
            "/v1/projects/p/locations/l/cachedContents",
        ] {
            assert_eq!(GoogleVertexAi.read_path(path), None, "{path}");
        }
    }

    #[test]
    fn project_and_location_are_the_keys() {
        let endpoint = endpoint();
        let path = "/projects/other/locations/us-east5/publishers/anthropic/models/c@1:rawPredict";
        assert_eq!(
            write(&native(path, &endpoint)),
            "/v1/projects/acme/locations/europe-west1/publishers/anthropic/models/c@1:rawPredict"
        );
        let express = Call {
            query: Some("alt=sse"),
            mapped: Some("gemini-9"),
            ..native(
                "/v1beta1/publishers/google/models/g:streamGenerateContent",
                &endpoint,
            )
        };
        assert_eq!(
            write(&express),
            "/v1beta1/projects/acme/locations/europe-west1/publishers/google/models/gemini-9:streamGenerateContent?alt=sse"
        );
        let count = Call {
            mapped: Some("c@2"),
            ..native(
                "/v1/projects/p/locations/l/publishers/anthropic/models/count-tokens:rawPredict",
                &endpoint,
            )
        };
        assert!(write(&count).ends_with("/models/count-tokens:rawPredict"));
    }

    #[test]
    fn neither_credentials_nor_payers_pass_in_a_query() {
        let endpoint = endpoint();
        let express = Call {
            query: Some("key=AIza&alt=sse&$userProject=other&access_token=x&%71uotaUser=v"),
            ..native(
                "/v1beta1/publishers/google/models/g:streamGenerateContent",
                &endpoint,
            )
        };
        assert!(write(&express).ends_with("/g:streamGenerateContent?alt=sse"));
    }

    #[test]
    fn anthropics_paths_become_predictions() {
        let endpoint = endpoint();
        let plain = Call {
            operation: Operation::Messages,
            is_native: false,
            path: "/messages",
            query: Some("beta=true"),
            model: Some("claude-sonnet-4-5@20250929"),
            mapped: None,
            is_stream: true,
            endpoint: &endpoint,
        };
        let base = "/v1/projects/acme/locations/europe-west1/publishers/anthropic/models/";
        assert_eq!(
            write(&plain),
            format!("{base}claude-sonnet-4-5@20250929:streamRawPredict")
        );
        let count = Call {
            operation: Operation::CountTokens,
            is_stream: false,
            ..plain
        };
        assert_eq!(write(&count), format!("{base}count-tokens:rawPredict"));
    }

    #[test]
    fn each_location_has_its_host() {
        for (location, host) in [
            ("global", "https://aiplatform.googleapis.com"),
            ("eu", "https://aiplatform.eu.rep.googleapis.com"),
            (
                "europe-west1",
                "https://europe-west1-aiplatform.googleapis.com",
            ),
        ] {
            let endpoint = Endpoint {
                location: Some(location.to_owned()),
                ..Endpoint::default()
            };
            assert_eq!(GoogleVertexAi.public_url(&endpoint).as_deref(), Some(host));
        }
    }
}
