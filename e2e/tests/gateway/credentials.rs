//! Row S12, credentials: exactly one goes upstream, and it is the right one.
//!
//! Where no key is configured, a caller's own credential goes to the provider's public address,
//! which no test may reach: that way is tested beside the code, in `routing` and `outbound`.

use anyhow::{Result, ensure};
use anyray_e2e::{
    call::{Dialect, Request},
    config::{ANTHROPIC_KEY, OPENAI_KEY},
    stand::Stand,
};
use serde_json::json;

/// Headers in which callers send a credential.
const HEADERS: [&str; 5] = [
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "x-anyray-api-key",
];

/// Values that are no credential of a provider.
const OWN_VALUES: [&str; 4] = ["ark_key_0123456789", "ari_invite", "anyray-placeholder", ""];

fn with_all(request: Request, headers: &[(&str, &str)]) -> Request {
    headers.iter().fold(request, |request, (name, value)| {
        request.header(name, value)
    })
}

/// A gateway without provider keys.
async fn start_without_keys() -> Result<Stand> {
    Stand::start_with(|config| config.with("providerKeys", json!([]))).await
}

#[tokio::test]
async fn s12_exactly_one_credential_goes_upstream_and_it_is_the_providers() -> Result<()> {
    let stand = Stand::start().await?;
    let callers = [
        vec![],
        vec![("authorization", "Bearer sk-caller")],
        vec![("x-api-key", "sk-caller")],
        vec![
            ("authorization", "Bearer ark_caller"),
            ("x-api-key", "sk-caller"),
        ],
        vec![
            ("authorization", "Bearer sk-caller"),
            ("x-api-key", "anyray-placeholder"),
        ],
        HEADERS.iter().map(|name| (*name, "sk-caller")).collect(),
        vec![
            ("proxy-authorization", "Basic sk-caller"),
            ("cookie", "key=sk-caller"),
        ],
        vec![("authorization", "Basic sk-caller:")],
    ];
    for headers in &callers {
        for dialect in Dialect::ALL {
            let answer = stand.send(&with_all(dialect.request("m"), headers)).await?;
            ensure!(answer.status() == 200, "{headers:?}: {}", answer.text());
            let request = stand.take_request()?;
            let credentials: Vec<_> = HEADERS
                .iter()
                .flat_map(|name| {
                    request
                        .header_values(name)
                        .into_iter()
                        .map(move |v| (*name, v))
                })
                .collect();
            let bearer = format!("Bearer {OPENAI_KEY}");
            let expected = match dialect {
                Dialect::Messages => ("x-api-key", ANTHROPIC_KEY.as_bytes()),
                Dialect::Chat | Dialect::Responses => ("authorization", bearer.as_bytes()),
            };
            ensure!(credentials == [expected], "{dialect:?} with {headers:?}");
            let leaks = |value: &[u8]| String::from_utf8_lossy(value).contains("caller");
            ensure!(
                !request.headers.iter().any(|(_, value)| leaks(value)),
                "a credential leaked"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn s12_the_same_credential_header_twice_is_refused() -> Result<()> {
    let stand = Stand::start().await?;
    for name in HEADERS {
        for (first, second) in [
            ("Bearer a", "Bearer b"),
            ("same", "same"),
            ("ark_1", "sk-1"),
        ] {
            for dialect in Dialect::ALL {
                let request = dialect
                    .request("m")
                    .header(name, first)
                    .header(name, second);
                let message = dialect.check_error(&stand.send(&request).await?, 400)?;
                ensure!(message.contains(name), "{message}");
            }
        }
    }
    ensure!(
        stand.fake.requests().is_empty(),
        "a request with two credentials went upstream"
    );
    Ok(())
}

#[tokio::test]
async fn s12_without_a_provider_key_our_own_credentials_are_a_424() -> Result<()> {
    let stand = start_without_keys().await?;
    for dialect in Dialect::ALL {
        for value in OWN_VALUES {
            let bearer = format!("Bearer {value}");
            let variants: [&[(&str, &str)]; 4] = [
                &[("authorization", bearer.trim_end())],
                &[("authorization", &format!("bearer  {value}"))],
                &[("x-api-key", value)],
                &[("x-anyray-api-key", "sk-real"), ("authorization", &bearer)],
            ];
            for headers in variants {
                let answer = stand.send(&with_all(dialect.request("m"), headers)).await?;
                let message = dialect.check_error(&answer, 424)?;
                ensure!(
                    message.contains(dialect.provider()),
                    "{headers:?}: {message}"
                );
                assert_eq!(answer.head.header("x-should-retry"), Some("false"));
            }
        }
        dialect.check_error(&stand.send(&dialect.request("m")).await?, 424)?;
    }
    Ok(())
}

#[tokio::test]
async fn s12_a_key_of_one_provider_is_no_key_of_another() -> Result<()> {
    let stand = Stand::start_with(|config| {
        config.with(
            "providerKeys",
            json!([{
                "name": "only",
                "provider": "anthropic",
                "credential": {"file": "keys/anthropic"},
                "endpoint": {"url": "http://127.0.0.1:1", "allowInsecure": true},
            }]),
        )
    })
    .await?;
    let answer = stand.send(&Dialect::Chat.request("m")).await?;
    Dialect::Chat.check_error(&answer, 424)?;
    Ok(())
}
