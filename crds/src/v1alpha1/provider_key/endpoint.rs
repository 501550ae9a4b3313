//! Where requests of a key go. Which provider needs which setting is in `anyray-providers`.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::{v1alpha1::reference::ConfigMapKeyRef, validation};

/// Where requests go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [validation::ENDPOINT_SCHEME, validation::ENDPOINT_PARTS, validation::ENDPOINT_CA_BUNDLE]))]
pub struct Endpoint {
    /// Base URL as the provider's own SDK takes it: for `openai` with `/v1`, for example
    /// `https://llm.example.com/v1`, for `anthropic` without. A provider without a public API needs
    /// it. Default: the provider's public API, in the region or location below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub url: Option<String>,
    /// Allows plain `http://`, which shows the key and all content to the network. Default: false.
    #[serde(default)]
    pub allow_insecure: bool,
    /// PEM certificates that are trusted instead of the public ones. Default: the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle_ref: Option<ConfigMapKeyRef>,
    /// Region of AWS, such as `eu-central-1`, for `bedrock`, which needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63), regex(pattern = r"^[a-z0-9][-a-z0-9]*$"))]
    pub region: Option<String>,
    /// Id or number of a project of Google Cloud, for `google-vertex-ai`, which needs it. Requests
    /// go there whatever project a caller names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63), regex(pattern = r"^[a-z0-9][-.:a-z0-9]*$"))]
    pub project_id: Option<String>,
    /// Location in Google Cloud, such as `europe-west1`, `eu` or `global`, for `google-vertex-ai`,
    /// which needs it. Requests go there whatever location a caller names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63), regex(pattern = r"^[a-z0-9][-a-z0-9]*$"))]
    pub location: Option<String>,
    /// Version of Azure's API, such as `2024-10-21`, for `azure-openai`. With it, requests on
    /// OpenAI's paths go to Azure's older API, which has a deployment in each path. Default: none;
    /// then they go to `/openai/v1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63), regex(pattern = r"^[-a-zA-Z0-9]+$"))]
    pub api_version: Option<String>,
    /// What the provider calls a model, by the name that callers use, at most 256: a deployment of
    /// Azure, an inference profile of Bedrock. A model that is not in it keeps its name.
    /// Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "models")]
    pub models: BTreeMap<String, String>,
}

/// Names that can stand in a path: printable ASCII without spaces, and not dots alone, which would
/// be a step in it. An ARN of AWS has at most 2048 characters.
fn models(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 256,
        "additionalProperties": {
            "type": "string",
            "maxLength": 2048,
            "pattern": r"^[!-~]*[!-\-/-~][!-~]*$",
        },
        "x-kubernetes-validations": [validation::MODEL_NAMES],
    })
}
