//! Amazon Bedrock: its runtime's own paths, and Claude by Anthropic's.
//!
//! Source: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html>.

use anyray_wire::{
    Dialect,
    gateway_config::{CredentialKind, Endpoint},
};

use super::{Adaptation, AuthScheme, Call, PathError, Provider};
use crate::{
    path::{Operation, Route, push_segment},
    settings::{Need, Settings},
};

/// Bedrock's form of Anthropic's API, which takes it byte for byte.
const MESSAGES_PATH: &str = "/anthropic/v1/messages";

#[derive(Debug)]
pub(crate) struct Bedrock;

impl Provider for Bedrock {
    fn slug(&self) -> &'static str {
        "bedrock"
    }

    fn accepts(&self, dialect: Dialect, operation: Operation) -> Option<Adaptation> {
        (dialect == Dialect::AnthropicMessages && operation == Operation::Messages)
            .then_some(Adaptation::ClaudeOnBedrock)
    }

    fn credentials(&self) -> &'static [CredentialKind] {
        &[CredentialKind::AwsKeys, CredentialKind::ApiKey]
    }

    fn auth(&self, kind: CredentialKind, host: &str) -> AuthScheme {
        match kind {
            CredentialKind::AwsKeys if host.starts_with("bedrock-mantle.") => {
                AuthScheme::SigV4("bedrock-mantle")
            }
            CredentialKind::AwsKeys => AuthScheme::SigV4("bedrock"),
            _ => AuthScheme::Bearer,
        }
    }

    fn settings(&self) -> Settings {
        Settings {
            region: Need::Required,
            ..Settings::default()
        }
    }

    fn public_url(&self, endpoint: &Endpoint) -> Option<String> {
        let region = endpoint.region.as_deref()?;
        let domain = if region.starts_with("cn-") {
            "amazonaws.com.cn"
        } else {
            "amazonaws.com"
        };
        Some(format!("https://bedrock-runtime.{region}.{domain}"))
    }

    fn read_path(&self, path: &str) -> Option<Route> {
        match path.strip_prefix(MESSAGES_PATH) {
            Some("") => {
                let messages = Dialect::AnthropicMessages;
                return Some(Route::post(Operation::Messages, messages));
            }
            Some("/count_tokens") => {
                let messages = Dialect::AnthropicMessages;
                return Some(Route::post(Operation::CountTokens, messages));
            }
            _ => {}
        }
        let (model, action) = model_and_action(path)?;
        let (operation, dialect) = match action {
            "invoke" | "invoke-with-response-stream" => {
                (Operation::InvokeModel, Dialect::BedrockInvoke)
            }
            "converse" | "converse-stream" => (Operation::Converse, Dialect::BedrockConverse),
            "count-tokens" => (Operation::CountTokens, Dialect::BedrockInvoke),
            _ => return None,
        };
        Route::post(operation, dialect).with_model(model)
    }

    /// What the caller escaped in a path stays as it is, for the signature is made over it.
    fn write_path(&self, call: &Call<'_>, url: &mut String) -> Result<(), PathError> {
        let action = match (call.is_native, model_and_action(call.path)) {
            (true, Some((_, action))) if call.mapped.is_some() => action,
            (true, _) => {
                call.push_received(url);
                return Ok(());
            }
            (false, _) if call.is_stream => "invoke-with-response-stream",
            (false, _) => "invoke",
        };
        url.push_str("/model/");
        push_segment(url, call.provider_model()?);
        url.push('/');
        url.push_str(action);
        if call.is_native {
            call.push_query(url);
        }
        Ok(())
    }
}

/// The encoded model and what is asked of it, in a path such as `/model/ID/converse`.
fn model_and_action(path: &str) -> Option<(&str, &str)> {
    path.strip_prefix("/model/")?.split_once('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:bedrock:eu-central-1:1:inference-profile/eu.anthropic.claude";

    fn call<'a>(path: &'a str, endpoint: &'a Endpoint) -> Call<'a> {
        Call {
            operation: Operation::InvokeModel,
            is_native: true,
            path,
            query: None,
            model: Some("claude"),
            mapped: None,
            is_stream: false,
            endpoint,
        }
    }

    fn write(call: &Call<'_>) -> String {
        let mut url = String::new();
        Bedrock.write_path(call, &mut url).expect("a path");
        url
    }

    #[test]
    fn a_model_in_the_path_is_read_whatever_its_escapes() {
        for (path, model, operation) in [
            ("/model/a.b-v1:0/invoke", "a.b-v1:0", Operation::InvokeModel),
            (
                "/model/a.b-v1%3A0/invoke-with-response-stream",
                "a.b-v1:0",
                Operation::InvokeModel,
            ),
            ("/model/x%2Fy/converse", "x/y", Operation::Converse),
            ("/model/x/converse-stream", "x", Operation::Converse),
            ("/model/x/count-tokens", "x", Operation::CountTokens),
        ] {
            let route = Bedrock.read_path(path).expect(path);
            assert_eq!(route.model.as_deref(), Some(model), "{path}");
            assert_eq!(route.operation, operation, "{path}");
        }
        for path in [
            "/model",
            "/model/x",
            "/model/x/async-invoke",
            "/model//invoke",
            "/model/x/y/invoke",
            "/model/%ff/invoke",
            "/anthropic/v1/messages/batches",
            "/v1/model/x/invoke",
        ] {
            assert_eq!(Bedrock.read_path(path), None, "{path}");
        }
        let messages = Bedrock
            .read_path("/anthropic/v1/messages")
            .expect("messages");
        assert_eq!(messages.dialect, Some(Dialect::AnthropicMessages));
        assert_eq!(messages.model, None);
    }

    #[test]
    fn native_paths_keep_their_escapes_unless_the_model_is_mapped() {
        let endpoint = Endpoint::default();
        let path = "/model/a.b-v1%3A0/invoke";
        assert_eq!(write(&call(path, &endpoint)), path);
        let mapped = Call {
            mapped: Some(ARN),
            query: Some("x=1"),
            ..call(path, &endpoint)
        };
        assert_eq!(
            write(&mapped),
            "/model/arn%3Aaws%3Abedrock%3Aeu-central-1%3A1%3Ainference-profile%2Feu.anthropic.claude/invoke?x=1"
        );
    }

    #[test]
    fn anthropics_path_becomes_an_invocation() {
        let endpoint = Endpoint::default();
        let plain = Call {
            operation: Operation::Messages,
            is_native: false,
            query: Some("beta=true"),
            ..call("/messages", &endpoint)
        };
        assert_eq!(write(&plain), "/model/claude/invoke");
        let streaming = Call {
            is_stream: true,
            ..plain
        };
        assert_eq!(
            write(&streaming),
            "/model/claude/invoke-with-response-stream"
        );
        let nameless = Call {
            model: None,
            ..plain
        };
        let written = Bedrock.write_path(&nameless, &mut String::new());
        assert_eq!(written, Err(PathError::ModelMissing));
        for model in ["..", "", "a/../../b", "a\\..\\b", "a%2e%2e", "a\0b"] {
            let elsewhere = Call {
                model: Some(model),
                ..plain
            };
            let written = Bedrock.write_path(&elsewhere, &mut String::new());
            assert_eq!(written, Err(PathError::ModelUnfit), "{model:?}");
        }
    }

    #[test]
    fn each_region_has_its_host() {
        let host = |region: &str| {
            Bedrock.public_url(&Endpoint {
                region: Some(region.to_owned()),
                ..Endpoint::default()
            })
        };
        assert_eq!(
            host("eu-central-1").as_deref(),
            Some("https://bedrock-runtime.eu-central-1.amazonaws.com")
        );
        assert_eq!(
            host("cn-north-1").as_deref(),
            Some("https://bedrock-runtime.cn-north-1.amazonaws.com.cn")
        );
        assert_eq!(Bedrock.public_url(&Endpoint::default()), None);
    }
}
