//! Azure OpenAI: OpenAI's bodies under Azure's paths, with a deployment in place of a model.
//!
//! Source: <https://learn.microsoft.com/azure/ai-services/openai/reference>.

use anyray_wire::{
    Dialect,
    anyray::headers,
    gateway_config::{CredentialKind, Endpoint},
};

use super::{Adaptation, AuthScheme, Call, PathError, Provider};
use crate::{
    path::{self, Operation, Route, push_segment},
    settings::{Need, Settings},
};

const DEPLOYMENTS: &str = "/openai/deployments/";

/// Azure's newer API, which is OpenAI's.
const V1: &str = "/openai/v1";

#[derive(Debug)]
pub(crate) struct AzureOpenAi;

impl Provider for AzureOpenAi {
    fn slug(&self) -> &'static str {
        "azure-openai"
    }

    fn accepts(&self, dialect: Dialect, operation: Operation) -> Option<Adaptation> {
        Adaptation::as_is(
            &[Dialect::OpenAiChat, Dialect::OpenAiResponses],
            dialect,
            operation,
        )
    }

    fn credentials(&self) -> &'static [CredentialKind] {
        &[CredentialKind::ApiKey, CredentialKind::EntraClient]
    }

    fn auth(&self, kind: CredentialKind, _host: &str) -> AuthScheme {
        match kind {
            CredentialKind::ApiKey => AuthScheme::ApiKeyHeader(headers::AZURE_API_KEY),
            _ => AuthScheme::Bearer,
        }
    }

    fn settings(&self) -> Settings {
        Settings {
            url: Need::Required,
            api_version: Need::Optional,
            ..Settings::default()
        }
    }

    fn public_url(&self, _endpoint: &Endpoint) -> Option<String> {
        None
    }

    fn check_model(&self, name: &str) -> Result<(), &'static str> {
        if is_deployment(name) {
            Ok(())
        } else {
            Err(
                "must be the name of a deployment: letters, digits, '-', '.' or '_', and not begin with '.'",
            )
        }
    }

    fn read_path(&self, path: &str) -> Option<Route> {
        if let Some((deployment, rest)) = deployment_and_rest(path) {
            let route = path::find_plain(rest).filter(|route| has_deployment(route.operation))?;
            return route
                .with_model(deployment)
                .filter(|_| is_deployment(deployment));
        }
        let newer = path.strip_prefix(V1);
        let plain = newer.or_else(|| path.strip_prefix("/openai"))?;
        let route = path::find_plain(plain).filter(|_| !plain.starts_with("/messages"))?;
        // The older API has only these without a deployment.
        let is_served = newer.is_some() || !has_deployment(route.operation);
        is_served.then(|| Route {
            dialect: route.dialect.or(Some(Dialect::OpenAiChat)),
            ..route
        })
    }

    fn write_path(&self, call: &Call<'_>, url: &mut String) -> Result<(), PathError> {
        // What merely passes through may be written as Azure has it.
        if call.is_native || call.path.starts_with("/openai/") {
            return write_native(call, url);
        }
        let Some(version) = &call.endpoint.api_version else {
            url.push_str(V1);
            call.push_received(url);
            return Ok(());
        };
        if has_deployment(call.operation) {
            let deployment = call.provider_model()?;
            if !is_deployment(deployment) {
                return Err(PathError::ModelUnfit);
            }
            url.push_str(DEPLOYMENTS);
            url.push_str(deployment);
        } else {
            url.push_str("/openai");
        }
        url.push_str(call.path);
        url.push_str("?api-version=");
        url.push_str(version);
        if let Some(query) = path::query_without(call.query, |name| name == "api-version") {
            url.push('&');
            url.push_str(&query);
        }
        Ok(())
    }

    fn appended(&self) -> Vec<&'static str> {
        vec!["/openai", V1]
    }
}

/// As received, but for the deployment where the map has another name for it.
fn write_native(call: &Call<'_>, url: &mut String) -> Result<(), PathError> {
    match (call.mapped, deployment_and_rest(call.path)) {
        (Some(deployment), Some((_, rest))) => {
            url.push_str(DEPLOYMENTS);
            push_segment(url, deployment);
            url.push_str(rest);
            call.push_query(url);
        }
        _ => call.push_received(url),
    }
    Ok(())
}

/// The deployment, and the path below it with its slash.
fn deployment_and_rest(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix(DEPLOYMENTS)?;
    rest.split_at_checked(rest.find('/')?)
}

/// Whether the older API has the operation under a deployment.
fn has_deployment(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::ChatCompletions | Operation::Completions | Operation::Embeddings
    )
}

fn is_deployment(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(api_version: Option<&str>) -> Endpoint {
        Endpoint {
            api_version: api_version.map(str::to_owned),
            ..Endpoint::default()
        }
    }

    fn plain<'a>(operation: Operation, path: &'a str, endpoint: &'a Endpoint) -> Call<'a> {
        Call {
            operation,
            is_native: false,
            path,
            query: None,
            model: Some("gpt-6"),
            mapped: None,
            is_stream: false,
            endpoint,
        }
    }

    fn write(call: &Call<'_>) -> Result<String, PathError> {
        let mut url = String::new();
        AzureOpenAi.write_path(call, &mut url).map(|()| url)
    }

    #[test]
    fn both_forms_of_azures_paths_are_read() {
        for (path, operation, model) in [
            (
                "/openai/deployments/gpt-6/chat/completions",
                Operation::ChatCompletions,
                Some("gpt-6"),
            ),
            (
                "/openai/deployments/e.1_2/embeddings",
                Operation::Embeddings,
                Some("e.1_2"),
            ),
            ("/openai/v1/responses", Operation::Responses, None),
            (
                "/openai/v1/chat/completions",
                Operation::ChatCompletions,
                None,
            ),
            ("/openai/responses", Operation::Responses, None),
            ("/openai/models", Operation::Models, None),
        ] {
            let route = AzureOpenAi.read_path(path).expect(path);
            assert_eq!(
                (route.operation, route.model.as_deref()),
                (operation, model),
                "{path}"
            );
            assert!(route.dialect.is_some(), "{path}");
        }
        for path in [
            "/openai/chat/completions",
            "/openai/v1/messages",
            "/openai/deployments/gpt-6/responses",
            "/openai/deployments/gpt%2D6/chat/completions",
            "/openai/deployments/.x/chat/completions",
            "/openai/deployments//chat/completions",
            "/openai/v1",
            "/v1/openai/v1/responses",
        ] {
            assert_eq!(AzureOpenAi.read_path(path), None, "{path}");
        }
    }

    #[test]
    fn plain_paths_go_to_the_newer_api_unless_a_version_is_set() {
        let newer = endpoint(None);
        let chat = plain(Operation::ChatCompletions, "/chat/completions", &newer);
        assert_eq!(write(&chat), Ok("/openai/v1/chat/completions".to_owned()));
        let older = endpoint(Some("2024-10-21"));
        let chat = Call {
            query: Some("api-version=1999-01-01&x=1"),
            mapped: Some("prod"),
            ..plain(Operation::ChatCompletions, "/chat/completions", &older)
        };
        assert_eq!(
            write(&chat),
            Ok("/openai/deployments/prod/chat/completions?api-version=2024-10-21&x=1".to_owned())
        );
        let images = "/openai/deployments/prod/images/generations";
        let passing = plain(Operation::Passthrough, images, &older);
        assert_eq!(write(&passing), Ok(images.to_owned()));
        let responses = plain(Operation::Responses, "/responses", &older);
        assert_eq!(
            write(&responses),
            Ok("/openai/responses?api-version=2024-10-21".to_owned())
        );
    }

    #[test]
    fn a_model_that_could_lead_elsewhere_is_no_deployment() {
        let older = endpoint(Some("2024-10-21"));
        let chat = plain(Operation::ChatCompletions, "/chat/completions", &older);
        for (model, expected) in [
            (Some("gpt-6/../gpt-4"), PathError::ModelUnfit),
            (Some(".."), PathError::ModelUnfit),
            (None, PathError::ModelMissing),
        ] {
            assert_eq!(write(&Call { model, ..chat }), Err(expected), "{model:?}");
        }
    }

    #[test]
    fn native_paths_change_only_where_a_deployment_is_mapped() {
        let endpoint = endpoint(Some("2024-10-21"));
        let native = Call {
            is_native: true,
            query: Some("api-version=2025-01-01-preview"),
            ..plain(
                Operation::ChatCompletions,
                "/openai/deployments/gpt-6/chat/completions",
                &endpoint,
            )
        };
        assert_eq!(
            write(&native),
            Ok(
                "/openai/deployments/gpt-6/chat/completions?api-version=2025-01-01-preview"
                    .to_owned()
            )
        );
        let mapped = Call {
            mapped: Some("prod"),
            ..native
        };
        assert_eq!(
            write(&mapped),
            Ok(
                "/openai/deployments/prod/chat/completions?api-version=2025-01-01-preview"
                    .to_owned()
            )
        );
    }
}
