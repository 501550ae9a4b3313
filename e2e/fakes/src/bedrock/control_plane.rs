//! What the control plane shows: inference profiles and foundation models.
//!
//! Source: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock.html>.

use crate::json::{Json, array, object};

/// What the lists show, with the names for people; any other id of a profile is
/// answered as well.
const MODELS: [(&str, &str, &str); 3] = [
    (
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
        "Claude Sonnet 4.5",
        "Anthropic",
    ),
    ("anthropic.claude-opus-4-7", "Claude Opus 4.7", "Anthropic"),
    ("amazon.nova-lite-v1:0", "Nova Lite", "Amazon"),
];

const MADE_AT: &str = "2026-10-01T00:00:00Z";

/// `GET /inference-profiles`.
pub(crate) fn list_profiles() -> Json {
    let profiles = MODELS
        .into_iter()
        .map(|(id, name, _)| build_summary(&format!("eu.{id}"), &format!("EU {name}"), id))
        .collect();
    object! { "inferenceProfileSummaries" => Json::Array(profiles) }
}

/// `GET /inference-profiles/{id}`, by id or ARN.
pub(crate) fn build_profile(id: &str) -> Json {
    let id = id.rsplit_once('/').map_or(id, |(_, id)| id);
    let model = id.split_once('.').map_or(id, |(_, model)| model);
    let known = MODELS.into_iter().find(|(known, _, _)| *known == model);
    build_summary(id, known.map_or(id, |(_, name, _)| name), model)
}

fn build_summary(id: &str, name: &str, model: &str) -> Json {
    object! {
        "createdAt" => MADE_AT,
        "description" => format!("Routes requests to {name} in several regions."),
        "inferenceProfileArn" =>
            format!("arn:aws:bedrock:eu-central-1:123456789012:inference-profile/{id}"),
        "inferenceProfileId" => id,
        "inferenceProfileName" => name,
        "models" => array![object! { "modelArn" => model_arn(model) }],
        "status" => "ACTIVE",
        "type" => "SYSTEM_DEFINED",
        "updatedAt" => MADE_AT,
    }
}

/// `GET /foundation-models`.
pub(crate) fn list_models() -> Json {
    let models = MODELS.into_iter().map(|(id, name, maker)| {
        object! {
            "customizationsSupported" => array![],
            "inferenceTypesSupported" => array!["ON_DEMAND"],
            "inputModalities" => array!["TEXT", "IMAGE"],
            "modelArn" => model_arn(id),
            "modelId" => id,
            "modelLifecycle" => object! { "status" => "ACTIVE" },
            "modelName" => name,
            "outputModalities" => array!["TEXT"],
            "providerName" => maker,
            "responseStreamingSupported" => true,
        }
    });
    object! { "modelSummaries" => Json::Array(models.collect()) }
}

fn model_arn(id: &str) -> String {
    format!("arn:aws:bedrock:eu-central-1::foundation-model/{id}")
}
