//! How one dialect answers one request: headers, shapes, refusals.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{
        CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER, SET_COOKIE,
        WWW_AUTHENTICATE,
    },
    request::Parts,
};

use crate::{
    answer::{Answer, Stamp, Wait},
    anthropic, azure_openai, bedrock,
    json::{Json, array},
    openai,
    refusal::Refusal,
    route::{Dialect, Page},
    scenario::{ParseScenarioError, Scenario},
    stream::plan_body,
    vertex,
};

/// How much more than the truth [`Scenario::WrongLength`] claims.
const EXTRA_LENGTH: usize = 64;

/// One dialect, answering one request.
#[derive(Clone, Copy)]
pub(crate) struct Voice {
    pub(crate) dialect: Dialect,
    pub(crate) stamp: Stamp,
}

impl Voice {
    /// An answer in one piece.
    pub(crate) fn say(self, body: &Json, scenario: &Scenario) -> Answer {
        let kind = match self.dialect {
            Dialect::Vertex | Dialect::VertexList => "application/json; charset=UTF-8",
            _ => "application/json",
        };
        let mut headers = self.build_headers();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        say_with(headers, body, scenario)
    }

    /// Adds what depends on the request's own headers.
    pub(crate) fn finish(self, mut answer: Answer, parts: &Parts) -> Answer {
        if self.dialect == Dialect::AzureOpenAi {
            azure_openai::repeat_client_id(parts, &mut answer.headers);
        }
        answer
    }

    pub(crate) fn refuse_with(self, status: u16) -> Answer {
        self.refuse(&match self.dialect {
            Dialect::OpenAi => openai::error::refuse_with(status),
            Dialect::Anthropic => anthropic::error::refuse_with(status),
            Dialect::VertexClaude if !vertex::error::is_of_the_front(status) => {
                anthropic::error::refuse_with(status)
            }
            Dialect::Vertex | Dialect::VertexList | Dialect::VertexClaude => {
                vertex::error::refuse_with(status)
            }
            Dialect::AzureOpenAi => azure_openai::error::refuse_with(status),
            Dialect::Bedrock => bedrock::error::refuse_with(status),
            Dialect::BedrockClaude => anthropic::error::refuse_with(status),
        })
    }

    pub(crate) fn refuse(self, refusal: &Refusal) -> Answer {
        let body = match self.dialect {
            Dialect::OpenAi => openai::error::build_body(refusal),
            Dialect::Anthropic => {
                let id = anthropic::request_id(self.stamp.serial);
                anthropic::error::build_body(refusal, &id)
            }
            Dialect::VertexClaude if !vertex::error::is_of_the_front(refusal.status) => {
                let id = vertex::claude::request_id(self.stamp.serial);
                anthropic::error::build_body(refusal, &id)
            }
            Dialect::Vertex | Dialect::VertexClaude => vertex::error::build_body(refusal),
            Dialect::VertexList => array![vertex::error::build_body(refusal)],
            Dialect::AzureOpenAi => azure_openai::error::build_body(refusal),
            // Only the front's own refusals bring a name.
            Dialect::BedrockClaude if refusal.code.is_none() => {
                anthropic::error::build_body(refusal, &bedrock::request_id(self.stamp.serial))
            }
            Dialect::Bedrock | Dialect::BedrockClaude => bedrock::error::build_body(refusal),
        };
        let mut answer = self.say(&body, &Scenario::Answer);
        answer.status =
            StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        answer.headers.extend(self.error_headers(refusal));
        answer
    }

    fn error_headers(self, refusal: &Refusal) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers = Vec::new();
        let status = refusal.status;
        let says_when = matches!(
            self.dialect,
            Dialect::OpenAi | Dialect::Anthropic | Dialect::AzureOpenAi
        );
        if status == 429 && says_when {
            headers.push((RETRY_AFTER, HeaderValue::from_static("1")));
        }
        if (300..400).contains(&status) {
            headers.push((LOCATION, HeaderValue::from_static("/v1/elsewhere")));
        }
        match self.dialect {
            Dialect::OpenAi | Dialect::AzureOpenAi if status == 429 => {
                let name = HeaderName::from_static("retry-after-ms");
                headers.push((name, HeaderValue::from_static("100")));
            }
            Dialect::Vertex | Dialect::VertexList | Dialect::VertexClaude if status == 401 => {
                let challenge = "Bearer realm=\"https://accounts.google.com/\"";
                headers.push((WWW_AUTHENTICATE, HeaderValue::from_static(challenge)));
            }
            Dialect::OpenAi
            | Dialect::AzureOpenAi
            | Dialect::Vertex
            | Dialect::VertexList
            | Dialect::VertexClaude => {}
            Dialect::BedrockClaude if refusal.code.is_none() => {}
            Dialect::Bedrock | Dialect::BedrockClaude => {
                headers.extend(bedrock::error::build_header(refusal));
            }
            Dialect::Anthropic => {
                let is_worth = anthropic::error::is_worth_a_retry(status);
                let value = HeaderValue::from_static(if is_worth { "true" } else { "false" });
                headers.push((HeaderName::from_static("x-should-retry"), value));
            }
        }
        headers
    }

    pub(crate) fn build_headers(self) -> HeaderMap {
        match self.dialect {
            Dialect::OpenAi => openai::build_headers(self.stamp.serial),
            Dialect::Anthropic => anthropic::build_headers(self.stamp.serial, self.stamp.now),
            Dialect::Vertex | Dialect::VertexList => vertex::build_headers(),
            Dialect::VertexClaude => vertex::claude::build_headers(self.stamp.serial),
            Dialect::AzureOpenAi => azure_openai::build_headers(self.stamp.serial),
            Dialect::Bedrock => bedrock::build_headers(self.stamp.serial),
            Dialect::BedrockClaude => bedrock::build_messages_headers(self.stamp.serial),
        }
    }

    pub(crate) fn build_page(self, page: &Page) -> Json {
        let created = self.stamp.now;
        match (page, self.dialect) {
            (Page::Models, Dialect::Anthropic) => anthropic::models::build_list(),
            (Page::Models, Dialect::AzureOpenAi) => azure_openai::models::build_list(),
            (Page::Models, _) => openai::models::build_list(),
            (Page::Model(id), Dialect::Anthropic) => anthropic::models::build_model(id),
            (Page::Model(id), Dialect::AzureOpenAi) => azure_openai::models::build_model(id),
            (Page::Model(id), _) => openai::models::build_model(id),
            (Page::Files, Dialect::Anthropic) => anthropic::files::build_list(),
            (Page::Files, _) => openai::files::build_list(),
            (Page::Response(id), _) => {
                openai::responses::paths::build_stored(id, created, "completed")
            }
            (Page::CancelResponse(id), _) => {
                openai::responses::paths::build_stored(id, created, "cancelled")
            }
            (Page::DeleteResponse(id), _) => openai::responses::paths::build_deleted(id),
            (Page::InferenceProfiles, _) => bedrock::control_plane::list_profiles(),
            (Page::InferenceProfile(id), _) => bedrock::control_plane::build_profile(id),
            (Page::FoundationModels, _) => bedrock::control_plane::list_models(),
            (Page::InputItems, _) => openai::responses::paths::list_input_items(),
        }
    }

    pub(crate) fn refuse_model(self, model: &str, why: &ParseScenarioError) -> Refusal {
        match self.dialect {
            Dialect::OpenAi => openai::error::refuse_model(model, why),
            Dialect::Anthropic => anthropic::error::refuse_model(model, why),
            Dialect::Vertex | Dialect::VertexList | Dialect::VertexClaude => {
                vertex::error::refuse_model(model, why)
            }
            Dialect::AzureOpenAi => azure_openai::error::refuse_model(model, why),
            Dialect::Bedrock => bedrock::error::refuse_model(model, why),
            Dialect::BedrockClaude => anthropic::error::refuse_model(model, why),
        }
    }

    pub(crate) fn refuse_json(self) -> Refusal {
        match self.dialect {
            Dialect::OpenAi | Dialect::AzureOpenAi => {
                Refusal::new(400, "We could not parse the JSON body of your request.")
            }
            Dialect::Anthropic | Dialect::VertexClaude | Dialect::BedrockClaude => {
                Refusal::new(400, "The request body is not valid JSON.")
            }
            Dialect::Vertex | Dialect::VertexList => vertex::error::refuse_json(),
            Dialect::Bedrock => bedrock::error::refuse_with(400),
        }
    }

    pub(crate) fn refuse_method(self, parts: &Parts) -> Refusal {
        match self.dialect {
            Dialect::OpenAi => {
                let (method, path) = (&parts.method, parts.uri.path());
                let message = format!(
                    "Not allowed to {method} on {path}. (HINT: Perhaps you meant to use a \
                     different HTTP method?)"
                );
                Refusal::new(405, message).with_code("method_not_supported")
            }
            Dialect::Anthropic => Refusal::new(405, "Method Not Allowed"),
            Dialect::AzureOpenAi => azure_openai::error::refuse_path(),
            Dialect::Bedrock | Dialect::BedrockClaude => bedrock::error::refuse_operation(),
            Dialect::Vertex | Dialect::VertexList | Dialect::VertexClaude => {
                vertex::error::refuse_with(404)
            }
        }
    }

    pub(crate) fn refuse_path(self, parts: &Parts) -> Refusal {
        match self.dialect {
            Dialect::OpenAi => {
                let (method, path) = (&parts.method, parts.uri.path());
                Refusal::new(404, format!("Invalid URL ({method} {path})"))
            }
            Dialect::Anthropic => anthropic::error::refuse_with(404),
            Dialect::AzureOpenAi => azure_openai::error::refuse_path(),
            Dialect::Bedrock | Dialect::BedrockClaude => bedrock::error::refuse_operation(),
            Dialect::Vertex | Dialect::VertexList | Dialect::VertexClaude => {
                vertex::error::refuse_with(404)
            }
        }
    }
}

/// An answer in one piece under headers that say its kind.
pub(crate) fn say_with(mut headers: HeaderMap, body: &Json, scenario: &Scenario) -> Answer {
    let body = body.to_bytes();
    headers.extend(content_length(&body, scenario));
    add_spoofs(&mut headers, scenario);
    let steps = plan_body(&body, scenario);
    Answer {
        wait: Wait::No,
        status: StatusCode::OK,
        headers,
        steps,
    }
}

/// The header, as true as the scenario wants it.
pub(crate) fn content_length(
    body: &Bytes,
    scenario: &Scenario,
) -> Option<(HeaderName, HeaderValue)> {
    let length = match scenario {
        Scenario::EndlessLine => return None,
        Scenario::WrongLength => body.len() + EXTRA_LENGTH,
        _ => body.len(),
    };
    Some((CONTENT_LENGTH, length.into()))
}

/// Headers that a gateway must not pass on.
pub(crate) fn add_spoofs(headers: &mut HeaderMap, scenario: &Scenario) {
    if *scenario != Scenario::SetCookie {
        return;
    }
    let spoofs = [
        ("x-anyray-provider", "spoofed"),
        ("x-anyray-request-id", "spoofed"),
        ("x-fake-hop", "for this hop only"),
        (CONNECTION.as_str(), "x-fake-hop"),
        (
            SET_COOKIE.as_str(),
            "__cf_bm=fake; path=/; HttpOnly; Secure",
        ),
        ("keep-alive", "timeout=5"),
    ];
    for (name, value) in spoofs {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
