//! Each broken promise is noticed: a comparison that never fails proves nothing.

use anyray_fakes::Outcome;
use bytes::Bytes;

use super::*;
use crate::exchange::Message;

const BODY: &str = r#"{"model":"gpt-5.6"}"#;
const ANSWER: &str = "data: {}\n\n";

fn headers(pairs: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
        .collect()
}

fn message(headers: Vec<(String, Vec<u8>)>, body: &'static str) -> Message {
    Message {
        headers,
        body: Bytes::from(body),
        is_complete: true,
    }
}

/// A request that all promises hold for.
fn exchange() -> Exchange {
    let ids = [
        ("x-anyray-request-id", "1"),
        ("x-request-id", "2"),
        ("request-id", "2"),
    ];
    let sent = [
        ("authorization", "Bearer anyray-placeholder"),
        ("x-new", "1"),
        ("cookie", "c"),
    ];
    Exchange {
        method: "POST".to_owned(),
        path_and_query: "/responses".to_owned(),
        request: message(headers(&sent), BODY),
        status: Some(200),
        response: message(headers(&ids), ANSWER),
        order: 0,
    }
}

fn recorded() -> Recorded {
    let bearer = format!("Bearer {OPENAI_KEY}");
    let got = [
        ("authorization", bearer.as_str()),
        ("x-new", "1"),
        ("accept-encoding", "identity"),
    ];
    Recorded {
        method: "POST".to_owned(),
        path_and_query: "/v1/responses".to_owned(),
        headers: headers(&got),
        body: Bytes::from(BODY),
        body_complete: true,
        sent: Bytes::from(ANSWER),
        outcome: Outcome::Completed,
        connection: 1,
    }
}

/// What is said of a pair after both sides were changed.
fn complaint(change: impl FnOnce(&mut Exchange, &mut Recorded)) -> Option<String> {
    let (mut client, mut provider) = (exchange(), recorded());
    change(&mut client, &mut provider);
    let checked = Ends::pair(vec![client], vec![provider]).and_then(|ends| ends.check());
    Some(format!("{:#}", checked.err()?))
}

#[track_caller]
fn refused(part: &str, change: impl FnOnce(&mut Exchange, &mut Recorded)) {
    let text = complaint(change).expect("it is noticed");
    assert!(text.contains(part), "{text}");
}

#[test]
fn a_pair_that_keeps_all_promises_passes() {
    assert_eq!(complaint(|_, _| {}), None);
}

#[test]
fn a_changed_body_is_noticed_with_its_place() {
    refused("differs at byte 2", |_, provider| {
        provider.body = r#"{"Model":"gpt-5.6"}"#.into();
    });
    refused("differs at byte 0", |_, provider| {
        provider.body = Bytes::new();
    });
}

#[test]
fn a_changed_answer_is_noticed_with_its_place() {
    refused("differs at byte 6", |client, _| {
        client.response.body = "data: []\n\n".into();
    });
}

#[test]
fn other_credentials_are_noticed() {
    refused("0 credentials", |_, provider| {
        provider.headers.retain(|(name, _)| name == "x-new");
    });
    refused("2 credentials", |_, provider| {
        provider
            .headers
            .extend(headers(&[("x-api-key", ANTHROPIC_KEY)]));
    });
    refused("not the provider key", |client, provider| {
        provider.headers[0]
            .1
            .clone_from(&client.request.headers[0].1);
    });
    refused(
        "x-new upstream has the caller's credential",
        |_, provider| {
            provider.headers[1].1 = CALLER_KEY.into();
        },
    );
}

#[test]
fn headers_that_must_not_pass_are_noticed() {
    for name in ["x-anyray-metadata", "cookie", "x-forwarded-for"] {
        refused(name, |_, provider| {
            provider.headers.extend(headers(&[(name, "1")]));
        });
    }
    refused("accept-encoding", |_, provider| {
        provider.headers[2].1 = b"gzip".to_vec();
    });
}

#[test]
fn headers_that_must_pass_are_noticed() {
    refused("x-new did not pass", |_, provider| {
        provider.headers[1].1 = b"2".to_vec();
    });
    refused("0 request-id", |client, _| {
        client.response.headers.truncate(2);
    });
}

#[test]
fn a_request_that_nobody_sent_is_noticed() {
    refused("no client sent POST /v1/other", |_, provider| {
        provider.path_and_query = "/v1/other".to_owned();
    });
}

#[test]
fn each_cloud_gets_its_own_kind_of_credential() {
    let signed = format!(
        "AWS4-HMAC-SHA256 Credential={}/20261130/eu-central-1/bedrock/aws4_request",
        aws_keys::LONG_TERM.access_key_id
    );
    for (name, value, is_ours) in [
        ("authorization", signed.as_str(), true),
        ("authorization", "Bearer ya29.c.token", true),
        ("authorization", "Bearer eyJ0.e30.token", true),
        ("api-key", azure_openai::API_KEY, true),
        ("api-key", ANTHROPIC_KEY, false),
        ("x-api-key", azure_openai::API_KEY, false),
        ("x-goog-api-key", "ya29.c.token", false),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIAOFTHECALLER00001/20261130",
            false,
        ),
    ] {
        let noticed = complaint(|_, provider| {
            provider.headers[0] = (name.to_owned(), value.as_bytes().to_vec());
        });
        assert_eq!(noticed.is_none(), is_ours, "{name}: {value}");
    }
}

#[test]
fn paths_of_clouds_pass_but_for_googles_project_and_location() {
    let ours = format!(
        "/projects/{}/locations/{}",
        vertex::PROJECT_ID,
        vertex::LOCATION
    );
    for (client, upstream) in [
        ("/model/a%3A0/invoke", "/model/a%3A0/invoke".to_owned()),
        ("/openai/v1/responses", "/openai/v1/responses".to_owned()),
        (
            "/v1beta1/projects/p/locations/l/publishers/google/models/m:countTokens",
            format!("/v1beta1{ours}/publishers/google/models/m:countTokens"),
        ),
        (
            "/projects/p/locations/l/publishers/anthropic/models/m@1:rawPredict",
            format!("/v1{ours}/publishers/anthropic/models/m@1:rawPredict"),
        ),
    ] {
        assert_eq!(upstream_path(client), upstream);
    }
}
