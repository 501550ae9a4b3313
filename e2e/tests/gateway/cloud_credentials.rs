//! The credentials that the gateway makes for a cloud: tokens of Google and of Microsoft Entra,
//! signatures of AWS.
//!
//! That each is right is checked by the fake, in every test with a cloud. Here is when it is
//! renewed, and what a caller sees when there is none.

use std::time::Duration;

use anyhow::{Result, ensure};
use anyray_e2e::{
    call::{Dialect, Request},
    clouds::{AwsPair, Cloud},
    config::Config,
    raw::Answer,
    stand::Stand,
    wait,
};
use anyray_fakes::{Scenario, aws_keys};
use serde_json::json;

/// Clouds whose credential is exchanged for a token.
const WITH_TOKENS: [Cloud; 2] = [Cloud::VertexAi, Cloud::AzureOpenAiEntra];

/// Longest wait for the renewal of a token that lives for four seconds.
const RENEWAL_LIMIT: Duration = Duration::from_secs(10);

/// Longest wait after a failed exchange for the next one.
const RETRY_LIMIT: Duration = Duration::from_secs(10);

/// The dialect whose plain path each cloud serves in these tests.
fn dialect(cloud: Cloud) -> Dialect {
    match cloud {
        Cloud::AzureOpenAi | Cloud::AzureOpenAiEntra => Dialect::Chat,
        _ => Dialect::Messages,
    }
}

fn ask(cloud: Cloud) -> Request {
    dialect(cloud)
        .request("claude-x")
        .header("x-anyray-provider", cloud.provider())
}

async fn send(stand: &Stand, cloud: Cloud) -> Result<Answer> {
    stand.send(&ask(cloud)).await
}

async fn send_well(stand: &Stand, cloud: Cloud) -> Result<()> {
    let answer = send(stand, cloud).await?;
    ensure!(answer.status() == 200, "{cloud:?}: {}", answer.text());
    Ok(())
}

#[tokio::test]
async fn one_token_serves_all_requests_even_the_first_ones_at_once() -> Result<()> {
    for cloud in WITH_TOKENS {
        let stand = cloud.stand().await?;
        let address = stand.gateway.address();
        let requests = (0..20).map(|_| async move {
            let mut connection = anyray_e2e::raw::Connection::open(address).await?;
            connection.send(ask(cloud).to_bytes()).await?;
            Ok(connection.read_answer().await?.status())
        });
        let statuses = wait::for_all(requests).await?;
        assert_eq!(statuses, [200; 20], "{cloud:?}");
        assert_eq!(stand.fake.tokens_issued(), 1, "{cloud:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_token_is_renewed_before_its_end_and_no_request_notices() -> Result<()> {
    for cloud in WITH_TOKENS {
        let stand = cloud.stand().await?;
        stand.fake.set_token_life(Duration::from_secs(4));
        let mut statuses = Vec::new();
        let renewed = async || {
            let answer = send(&stand, cloud).await;
            statuses.push(answer.map(|answer| answer.status()).unwrap_or_default());
            (stand.fake.tokens_issued() >= 2).then_some(())
        };
        wait::until("a second token", RENEWAL_LIMIT, renewed).await?;
        let all_answered = statuses.iter().all(|status| *status == 200);
        ensure!(all_answered, "{cloud:?}: {statuses:?}");
        let issued = stand.fake.tokens_issued();
        ensure!(issued == 2, "{cloud:?}: {issued} tokens");
    }
    Ok(())
}

#[tokio::test]
async fn a_new_token_that_is_refused_leads_to_no_further_one() -> Result<()> {
    for cloud in WITH_TOKENS {
        let stand = cloud.stand().await?;
        send_well(&stand, cloud).await?;
        stand.fake.revoke_tokens();
        for _ in 0..3 {
            let answer = send(&stand, cloud).await?;
            ensure!(answer.status() == 401, "{cloud:?}: {}", answer.text());
            let body = answer.json()?;
            ensure!(body["error"]["message"].is_string(), "{cloud:?}: {body}");
        }
        let issued = stand.fake.tokens_issued();
        ensure!(issued == 1, "{cloud:?}: {issued} tokens");
    }
    Ok(())
}

#[tokio::test]
async fn without_a_token_the_caller_is_told_why_and_a_later_request_tries_again() -> Result<()> {
    for cloud in WITH_TOKENS {
        for (scenario, status, code) in [
            (Scenario::Status(400), 424, "provider_credential_refused"),
            (Scenario::Status(401), 424, "provider_credential_refused"),
            (Scenario::Status(503), 502, "provider_token_unavailable"),
            (Scenario::CutBody, 502, "provider_token_unavailable"),
            (Scenario::Html, 502, "provider_token_unavailable"),
        ] {
            let stand = cloud.stand().await?;
            stand.fake.script_tokens([scenario.clone()]);
            let answer = send(&stand, cloud).await?;
            let message = dialect(cloud).check_error(&answer, status)?;
            let found = dialect(cloud).read_code(&answer)?;
            ensure!(found == code, "{cloud:?} {scenario}: {found}");
            ensure!(message.contains(cloud.provider()), "{message}");
            ensure!(stand.fake.requests().is_empty(), "{cloud:?} {scenario}");
            let answered = async || send_well(&stand, cloud).await.ok();
            wait::until("another try", RETRY_LIMIT, answered).await?;
            let asked = stand.fake.token_requests().len();
            ensure!(asked == 2, "{cloud:?} {scenario}: asked {asked} times");
        }
    }
    Ok(())
}

/// A gateway whose key file says something else than the cloud's.
async fn stand_with_credential(cloud: Cloud, change: impl Fn(String) -> String) -> Result<Stand> {
    let file = format!("keys/{}", cloud.provider());
    let fake = anyray_fakes::FakeProvider::start().await?;
    let credential = change(cloud.credential(&fake));
    let config: Config = cloud.config(&fake).with_file(&file, &credential);
    let gateway = anyray_e2e::stand::start_gateway(&config, &[]).await?;
    Ok(Stand { fake, gateway })
}

#[tokio::test]
async fn a_wrong_secret_is_refused_and_told_to_nobody() -> Result<()> {
    let change = |secret: &'static str| move |file: String| file.replace(secret, "not-the-secret");
    let bedrock = Cloud::Bedrock(AwsPair::LongTerm);
    for (cloud, secret, status) in [
        (bedrock, aws_keys::LONG_TERM.secret_access_key, 403),
        (
            Cloud::Bedrock(AwsPair::Temporary),
            aws_keys::TEMPORARY.session_token.unwrap_or_default(),
            403,
        ),
        (Cloud::BedrockApiKey, "ABSK", 403),
        (
            Cloud::AzureOpenAiEntra,
            anyray_fakes::oauth::entra::CLIENT_SECRET,
            424,
        ),
        (
            Cloud::VertexAi,
            anyray_fakes::oauth::google::CLIENT_EMAIL,
            424,
        ),
    ] {
        let stand = stand_with_credential(cloud, change(secret)).await?;
        let answer = send(&stand, cloud).await?;
        ensure!(answer.status() == status, "{cloud:?}: {}", answer.text());
        let body = answer.json()?;
        ensure!(body["error"]["message"].is_string(), "{cloud:?}: {body}");
        let told = [answer.text(), stand.gateway.diagnostics().concat()].concat();
        ensure!(!told.contains("not-the-secret"), "{cloud:?}: {told}");
    }
    Ok(())
}

#[tokio::test]
async fn nothing_of_a_callers_own_signature_goes_upstream() -> Result<()> {
    let cloud = Cloud::Bedrock(AwsPair::LongTerm);
    let stand = cloud.stand().await?;
    let body = json!({"messages": [{"role": "user", "content": [{"text": "hi"}]}]});
    let request = Request::new("POST", "/model/anthropic.claude-x/converse")
        .header("content-type", "application/json")
        .header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIAOFTHECALLER00001/20261130/us-east-1/bedrock/aws4_request, \
             SignedHeaders=host;x-amz-date;x-amz-security-token, Signature=00",
        )
        .header("x-amz-date", "20261130T000000Z")
        .header("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
        .header("x-amz-security-token", "token-of-the-caller")
        .body(body.to_string());
    let answer = stand.send(&request).await?;
    ensure!(answer.status() == 200, "{}", answer.text());
    for (name, value) in &stand.take_request()?.headers {
        let value = String::from_utf8_lossy(value);
        let is_callers = value.contains("CALLER") || value.contains("caller");
        ensure!(!is_callers && name != "x-amz-content-sha256", "{name}");
    }
    Ok(())
}
