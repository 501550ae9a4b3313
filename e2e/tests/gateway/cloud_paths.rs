//! Where a request goes at a cloud: native paths as they came, plain paths to the cloud's own,
//! names of models by the key's map, project and location by the key.

use anyhow::{Context, Result, bail, ensure};
use anyray_e2e::{
    call::{Dialect, Request},
    clouds::{AwsPair, Cloud, CloudRig},
    difference::find_added,
    raw::Answer,
    stand::{Stand, send},
};
use anyray_fakes::{Recorded, Scenario, vertex};
use anyray_wire::aws_event_stream::{Decoder, Kind, Message};
use serde_json::{Value, json};

const BEDROCK: Cloud = Cloud::Bedrock(AwsPair::LongTerm);

const PROFILE: &str =
    "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.anthropic.claude-opus-4-7";

/// The same as one segment of a path.
const PROFILE_SEGMENT: &str = "arn%3Aaws%3Abedrock%3Aeu-central-1%3A123456789012%3A\
                               inference-profile%2Feu.anthropic.claude-opus-4-7";

fn post(path: &str, body: &Value) -> Request {
    Request::new("POST", path)
        .header("content-type", "application/json")
        .body(body.to_string())
}

/// A body of Claude's as Bedrock's `InvokeModel` takes it.
fn invocation() -> Value {
    json!({
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "hi"}],
    })
}

fn conversation() -> Value {
    json!({"messages": [{"role": "user", "content": [{"text": "hi"}]}]})
}

fn generation() -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]})
}

/// Sends a request that must be answered, and returns what the provider got of it.
async fn pass(stand: &Stand, request: &Request) -> Result<Recorded> {
    let answer = stand.send(request).await?;
    ensure!(answer.status() == 200, "{request:?}: {}", answer.text());
    let got = stand.take_request()?;
    ensure!(answer.body == got.sent, "the answer was changed");
    Ok(got)
}

#[tokio::test]
async fn the_escapes_of_bedrocks_paths_stay_and_are_signed() -> Result<()> {
    let stand = BEDROCK.stand().await?;
    for model in [
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "us.anthropic.claude-sonnet-4-5-20250929-v1%3A0",
        "us.anthropic.claude-sonnet-4-5-20250929-v1%3a0",
        PROFILE_SEGMENT,
        &PROFILE.replace('/', "%2F"),
    ] {
        for (action, body) in [("invoke", invocation()), ("converse", conversation())] {
            let path = format!("/model/{model}/{action}");
            let got = pass(&stand, &post(&path, &body)).await?;
            assert_eq!(got.path_and_query, path);
            assert_eq!(got.body, body.to_string());
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_model_of_bedrock_that_is_escaped_twice_goes_nowhere() -> Result<()> {
    let stand = BEDROCK.stand().await?;
    let twice = PROFILE_SEGMENT.replace('%', "%25");
    let answer = stand
        .send(&post(&format!("/model/{twice}/converse"), &conversation()))
        .await?;
    assert_eq!(answer.status(), 400, "{}", answer.text());
    assert!(stand.fake.requests().is_empty());
    Ok(())
}

#[tokio::test]
async fn the_map_of_a_bedrock_key_names_the_model_in_each_path() -> Result<()> {
    let models = json!({"models": {"house-claude": PROFILE}});
    let stand = BEDROCK.stand_with(models, |config| config).await?;
    let got = pass(
        &stand,
        &post("/model/house-claude/converse", &conversation()),
    )
    .await?;
    assert_eq!(
        got.path_and_query,
        format!("/model/{PROFILE_SEGMENT}/converse")
    );
    let plain = Dialect::Messages
        .request("house-claude")
        .header("x-anyray-provider", "bedrock");
    let got = pass(&stand, &plain).await?;
    assert_eq!(
        got.path_and_query,
        format!("/model/{PROFILE_SEGMENT}/invoke")
    );
    let body = json!({"model": "house-claude", "max_tokens": 9,
        "messages": [{"role": "user", "content": "hi"}]});
    let messages = post("/anthropic/v1/messages", &body).header("anthropic-version", "2023-06-01");
    let got = pass(&stand, &messages).await?;
    let sent: Value = serde_json::from_slice(&got.body)?;
    assert_eq!(sent["model"], PROFILE);
    Ok(())
}

#[tokio::test]
async fn project_and_location_are_the_keys_whatever_the_callers_path_says() -> Result<()> {
    let models = json!({"models": {"house-gemini": "gemini-3-pro"}});
    let stand = Cloud::VertexAi.stand_with(models, |config| config).await?;
    let ours = format!(
        "/projects/{}/locations/{}",
        vertex::PROJECT_ID,
        vertex::LOCATION
    );
    let google = "publishers/google/models";
    for (path, expected) in [
        (
            format!("/v1/projects/p/locations/us-east5/{google}/m:generateContent"),
            format!("/v1{ours}/{google}/m:generateContent"),
        ),
        (
            format!("/projects/p/locations/l/{google}/m:streamGenerateContent?alt=sse"),
            format!("/v1{ours}/{google}/m:streamGenerateContent?alt=sse"),
        ),
        (
            format!("/v1beta1/{google}/house-gemini:generateContent"),
            format!("/v1beta1{ours}/{google}/gemini-3-pro:generateContent"),
        ),
    ] {
        let got = pass(&stand, &post(&path, &generation())).await?;
        assert_eq!(got.path_and_query, expected);
    }
    Ok(())
}

#[tokio::test]
async fn openais_chats_go_to_vertex_ai_on_googles_path() -> Result<()> {
    let models = json!({"models": {"house-gemini": "google/gemini-3-pro"}});
    let stand = Cloud::VertexAi.stand_with(models, |config| config).await?;
    for model in ["google/gemini-3-pro", "house-gemini"] {
        for request in [Dialect::Chat.request(model), Dialect::Chat.stream(model)] {
            let request = request.header("x-anyray-provider", "vertex-ai");
            let got = pass(&stand, &request).await?;
            let end = "/endpoints/openapi/chat/completions";
            assert!(got.path_and_query.ends_with(end), "{got:?}");
            let body: Value = serde_json::from_slice(&got.body)?;
            assert_eq!(body["model"], "google/gemini-3-pro");
        }
    }
    Ok(())
}

#[tokio::test]
async fn openais_paths_go_to_azures_v1_or_with_a_version_to_deployments() -> Result<()> {
    let models = json!({"house-gpt": "our-gpt-5.6"});
    let newer = json!({ "models": models });
    let older = json!({ "models": models, "apiVersion": "2024-10-21" });
    let version = "?api-version=2024-10-21";
    for (more, dialect, expected) in [
        (
            &newer,
            Dialect::Chat,
            "/openai/v1/chat/completions".to_owned(),
        ),
        (
            &newer,
            Dialect::Responses,
            "/openai/v1/responses".to_owned(),
        ),
        (
            &older,
            Dialect::Chat,
            format!("/openai/deployments/our-gpt-5.6/chat/completions{version}"),
        ),
        (
            &older,
            Dialect::Responses,
            format!("/openai/responses{version}"),
        ),
    ] {
        let cloud = Cloud::AzureOpenAi;
        let stand = cloud.stand_with(more.clone(), |config| config).await?;
        for request in [dialect.request("house-gpt"), dialect.stream("house-gpt")] {
            let request = request.header("x-anyray-provider", "azure-openai");
            let got = pass(&stand, &request).await?;
            assert_eq!(got.path_and_query, expected);
            let body: Value = serde_json::from_slice(&got.body)?;
            assert_eq!(body["model"], "our-gpt-5.6");
        }
    }
    Ok(())
}

/// Claude Code asks for them without a credential, and waits for the answer.
#[tokio::test]
async fn inference_profiles_are_answered_to_whoever_asks_and_ask_nobody() -> Result<()> {
    let CloudRig { rig, .. } = &CloudRig::start(BEDROCK).await?;
    let list = Request::new("GET", "/inference-profiles?type=SYSTEM_DEFINED");
    let answer = send(&rig.gateway, &list).await?;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.json()?, json!({"inferenceProfileSummaries": []}));
    for id in [PROFILE_SEGMENT, "eu.anthropic.claude-opus-4-7"] {
        let one = Request::new("GET", &format!("/inference-profiles/{id}"));
        let answer = send(&rig.gateway, &one).await?;
        assert_eq!(answer.status(), 404, "{}", answer.text());
        let class = answer.head.header("x-amzn-errortype");
        assert_eq!(class, Some("ResourceNotFoundException"));
    }
    assert!(rig.fake.requests().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_path_of_a_cloud_leads_to_no_other_provider() -> Result<()> {
    let stand = BEDROCK.stand().await?;
    let path = "/model/anthropic.claude-x/converse";
    let request = post(path, &conversation()).header("x-anyray-provider", "openai");
    let answer = stand.send(&request).await?;
    assert_eq!(answer.status(), 400, "{}", answer.text());
    let class = answer.head.header("x-amzn-errortype");
    assert_eq!(class, Some("ValidationException"));
    assert_eq!(answer.json()?["errorCode"], "path_of_other_provider");
    Ok(())
}

#[tokio::test]
async fn a_cloud_without_a_key_says_so_in_its_own_shape() -> Result<()> {
    let stand = Stand::start().await?;
    let answer = stand
        .send(&post("/model/anthropic.claude-x/converse", &conversation()))
        .await?;
    assert_eq!(answer.status(), 424, "{}", answer.text());
    assert_eq!(answer.json()?["errorCode"], "provider_key_missing");
    let gemini = "/v1/projects/p/locations/l/publishers/google/models/m:generateContent";
    let answer = stand.send(&post(gemini, &generation())).await?;
    assert_eq!(answer.status(), 424, "{}", answer.text());
    assert_eq!(
        answer.json()?["error"]["details"][0]["reason"],
        "provider_key_missing"
    );
    Ok(())
}

/// What the gateway added to a stream of Bedrock's, as the last of AWS's frames.
async fn read_tail(stand: &Stand, path: &str, body: &Value) -> Result<(Answer, Message)> {
    let answer = stand.send(&post(path, body)).await?;
    let added = find_added(&stand.take_request()?.sent, &answer.body)?;
    let mut decoder = Decoder::default();
    decoder.push(&added.tail);
    let message = decoder.next_message()?.context("nothing was added")?;
    ensure!(decoder.is_between_frames(), "more than a frame was added");
    Ok((answer, message))
}

#[tokio::test]
async fn a_native_stream_of_bedrock_that_lacks_its_end_ends_in_an_exception() -> Result<()> {
    let stand = BEDROCK.stand().await?;
    for scenario in [Scenario::Cut { after: 3 }, Scenario::EndEarly { after: 3 }] {
        for (action, body) in [
            ("invoke-with-response-stream", invocation()),
            ("converse-stream", conversation()),
        ] {
            let path = format!("/model/anthropic.{scenario}/{action}");
            let (answer, message) = read_tail(&stand, &path, &body).await?;
            ensure!(answer.is_whole, "{path} was broken off");
            let Kind::Exception(name) = &message.kind else {
                bail!("{path}: {message:?}")
            };
            assert_eq!(name, "modelStreamErrorException");
            let payload: Value = serde_json::from_slice(&message.payload)?;
            assert_eq!(payload["errorCode"], "upstream_cut");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_native_stream_of_bedrock_that_is_cut_in_a_frame_is_broken_off() -> Result<()> {
    let stand = BEDROCK.stand().await?;
    let scenario = Scenario::CutMidFrame { after: 3 };
    let path = format!("/model/anthropic.{scenario}/converse-stream");
    let answer = stand.send(&post(&path, &conversation())).await?;
    assert_eq!(answer.body, stand.take_request()?.sent);
    assert!(!answer.is_whole, "it ended cleanly");
    Ok(())
}

#[tokio::test]
async fn native_streams_of_bedrock_get_no_pings() -> Result<()> {
    let pinging =
        |config: anyray_e2e::config::Config| config.with("timeouts", json!({"pingMs": 100}));
    let stand = BEDROCK.stand_with(json!({}), pinging).await?;
    let path = "/model/anthropic.fake-silent-400/converse-stream";
    pass(&stand, &post(path, &conversation())).await?;
    Ok(())
}

#[tokio::test]
async fn a_stream_of_gemini_that_lacks_its_end_ends_in_an_error() -> Result<()> {
    let stand = Cloud::VertexAi.stand().await?;
    for scenario in [Scenario::Cut { after: 2 }, Scenario::EndEarly { after: 2 }] {
        let model = format!("/v1beta1/publishers/google/models/{scenario}");
        let path = format!("{model}:streamGenerateContent?alt=sse");
        let answer = stand.send(&post(&path, &generation())).await?;
        let added = find_added(&stand.take_request()?.sent, &answer.body)?;
        let tail = String::from_utf8_lossy(&added.tail).into_owned();
        let data = tail.strip_prefix("data: ").context(tail.clone())?;
        let error: Value = serde_json::from_str(data.trim_end())?;
        assert_eq!(error["error"]["details"][0]["reason"], "upstream_cut");
        // Without `alt=sse` the answer is a list, which nothing can end but its connection.
        let path = format!("{model}:streamGenerateContent");
        let answer = stand.send(&post(&path, &generation())).await?;
        let is_cut = scenario == Scenario::Cut { after: 2 };
        assert_eq!(answer.is_whole, !is_cut, "{}", answer.text());
        assert_eq!(answer.body, stand.take_request()?.sent);
    }
    Ok(())
}

#[tokio::test]
async fn a_large_body_is_signed_whole() -> Result<()> {
    let stand = BEDROCK.stand().await?;
    let text = "x".repeat(3_000_000);
    let body = json!({"messages": [{"role": "user", "content": [{"text": text}]}]});
    for request in [
        post("/model/anthropic.claude-x/converse", &body),
        post("/model/anthropic.claude-x/converse", &body).chunked(),
    ] {
        let got = pass(&stand, &request).await?;
        assert_eq!(got.body.len(), request.body_bytes().len());
    }
    Ok(())
}
