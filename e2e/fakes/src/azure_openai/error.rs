//! The error bodies of Azure's front; behind it they are OpenAI's.

use crate::{
    azure_openai::filter::build_results,
    json::{Json, object},
    openai,
    refusal::Refusal,
    scenario::ParseScenarioError,
};

/// Code of the refusal of a filtered prompt.
const CONTENT_FILTER: &str = "content_filter";

/// The provider's refusal with a status, worded as it words it.
pub(crate) fn refuse_with(status: u16) -> Refusal {
    match status {
        401 => refuse_key(),
        403 => Refusal::new(403, "Access denied due to Virtual Network/Firewall rules."),
        404 => refuse_path(),
        429 => Refusal::new(
            429,
            "Requests to the ChatCompletions_Create Operation under Azure OpenAI API have \
             exceeded call rate limit of your current OpenAI S0 pricing tier. Please retry after \
             1 second.",
        ),
        _ => openai::error::refuse_with(status),
    }
}

/// There is no key, a wrong one, or one beside another credential.
pub(crate) fn refuse_key() -> Refusal {
    Refusal::new(
        401,
        "Access denied due to invalid subscription key or wrong API endpoint. Make sure to \
         provide a valid key for an active subscription and use a correct regional API endpoint \
         for your resource.",
    )
}

/// The bearer is no token that is good here.
pub(crate) fn refuse_token() -> Refusal {
    Refusal::new(
        401,
        "Unauthorized. Access token is missing, invalid, audience is incorrect \
         (https://cognitiveservices.azure.com), or have expired.",
    )
}

/// The path, the method or the version is none.
pub(crate) fn refuse_path() -> Refusal {
    Refusal::new(404, "Resource not found")
}

/// There is no such deployment.
pub(crate) fn refuse_deployment() -> Refusal {
    Refusal::new(
        404,
        "The API deployment for this resource does not exist. If you created the deployment \
         within the last 5 minutes, please wait a moment and try again.",
    )
    .with_code("DeploymentNotFound")
}

/// A deployment's name asks for a scenario that there is not.
pub(crate) fn refuse_model(deployment: &str, why: &ParseScenarioError) -> Refusal {
    let message = format!("The API deployment {deployment} does not exist: {why}.");
    Refusal::new(404, message).with_code("DeploymentNotFound")
}

/// The content filter stopped the prompt.
pub(crate) fn refuse_prompt() -> Refusal {
    Refusal::new(
        400,
        "The response was filtered due to the prompt triggering Azure OpenAI's content management \
         policy. Please modify your prompt and retry. To learn more about our content filtering \
         policies please read our documentation: https://go.microsoft.com/fwlink/?linkid=2198766",
    )
    .with_code(CONTENT_FILTER)
    .with_param("prompt")
}

/// The body of an error.
pub(crate) fn build_body(refusal: &Refusal) -> Json {
    if is_of_the_front(refusal.status) {
        let code = refusal.code.map(str::to_owned);
        return object! {
            "error" => object! {
                "code" => code.unwrap_or_else(|| refusal.status.to_string()),
                "message" => refusal.message.as_ref(),
            },
        };
    }
    if refusal.code == Some(CONTENT_FILTER) {
        return build_filtered(refusal);
    }
    openai::error::build_body(refusal)
}

fn is_of_the_front(status: u16) -> bool {
    matches!(status, 401 | 403 | 404 | 429)
}

fn build_filtered(refusal: &Refusal) -> Json {
    object! {
        "error" => object! {
            "message" => refusal.message.as_ref(),
            "type" => Json::NULL,
            "param" => refusal.param,
            "code" => refusal.code,
            "status" => u64::from(refusal.status),
            "innererror" => object! {
                "code" => "ResponsibleAIPolicyViolation",
                "content_filter_result" => build_results(true),
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn body(refusal: &Refusal) -> Value {
        serde_json::from_str(&build_body(refusal).to_text()).expect("JSON")
    }

    #[test]
    fn the_front_says_a_code_and_a_message() {
        assert_eq!(
            body(&refuse_path()),
            json!({"error": {"code": "404", "message": "Resource not found"}})
        );
        for (refusal, code) in [
            (refuse_key(), "401"),
            (refuse_token(), "401"),
            (refuse_deployment(), "DeploymentNotFound"),
            (refuse_with(429), "429"),
        ] {
            assert_eq!(body(&refusal)["error"]["code"], code);
        }
    }

    #[test]
    fn what_is_behind_it_says_what_openai_does() {
        assert_eq!(body(&refuse_with(500))["error"]["type"], "server_error");
        assert_eq!(
            body(&refuse_with(400))["error"]["type"],
            "invalid_request_error"
        );
    }

    #[test]
    fn a_filtered_prompt_says_what_for() {
        let error = body(&refuse_prompt())["error"].clone();
        assert_eq!(error["code"], "content_filter");
        assert_eq!(error["innererror"]["code"], "ResponsibleAIPolicyViolation");
        assert_eq!(
            error["innererror"]["content_filter_result"]["violence"]["filtered"],
            true
        );
    }
}
