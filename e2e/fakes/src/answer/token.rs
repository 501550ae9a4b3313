//! Answers of the token servers.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, HOST, RETRY_AFTER},
    request::Parts,
};

use crate::{
    answer::{Answer, Stamp, build_html, voice::say_with, wait_of},
    json::Json,
    oauth::{
        Form, build_grant, build_refusal, entra, google, refuse_with,
        tokens::{Issued, Tokens},
    },
    refusal::Refusal,
    route::Issuer,
    scenario::Scenario,
};

/// Issues a token to who may have one, or plays what the token servers are told to.
pub(super) fn answer_token(
    issuer: &Issuer,
    parts: &Parts,
    body: &Bytes,
    tokens: &Tokens,
    stamp: Stamp,
) -> Answer {
    let scenario = tokens.choose().unwrap_or(Scenario::Answer);
    let form = Form::read(&parts.headers, body);
    let granted = match &scenario {
        Scenario::Html => return build_html(),
        Scenario::Status(status) => Err(refuse_with(*status)),
        _ => grant(issuer, parts, &form, tokens, stamp.now),
    };
    let answer = match granted {
        Ok(issued) => say_with(build_headers(), &write_grant(issuer, &issued), &scenario),
        Err(refusal) => refuse(issuer, &refusal, stamp),
    };
    Answer {
        wait: wait_of(&scenario, &answer),
        ..answer
    }
}

fn grant(
    issuer: &Issuer,
    parts: &Parts,
    form: &Form,
    tokens: &Tokens,
    now: u64,
) -> Result<Issued, Refusal> {
    match issuer {
        Issuer::Google => {
            let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
            google::check_grant(form, host.unwrap_or_default(), now)?;
            Ok(tokens.issue(google::TOKEN_PREFIX, google::SCOPE, now))
        }
        Issuer::Entra { tenant } => {
            let audience = entra::check_grant(form, tenant)?;
            Ok(tokens.issue(entra::TOKEN_PREFIX, audience, now))
        }
    }
}

fn write_grant(issuer: &Issuer, issued: &Issued) -> Json {
    match issuer {
        Issuer::Google => build_grant(issued),
        Issuer::Entra { .. } => entra::build_answer(issued),
    }
}

fn refuse(issuer: &Issuer, refusal: &Refusal, stamp: Stamp) -> Answer {
    let body = match issuer {
        Issuer::Google => build_refusal(refusal),
        Issuer::Entra { .. } => entra::build_error(refusal, stamp.serial, stamp.now),
    };
    let mut headers = build_headers();
    if refusal.status == 429 {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    let answer = say_with(headers, &body, &Scenario::Answer);
    let status = StatusCode::from_u16(refusal.status);
    Answer {
        status: status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        ..answer
    }
}

fn build_headers() -> HeaderMap {
    let fixed = [
        (CONTENT_TYPE, "application/json; charset=utf-8"),
        (
            CACHE_CONTROL,
            "no-cache, no-store, max-age=0, must-revalidate",
        ),
    ];
    fixed
        .into_iter()
        .map(|(name, value)| (name, HeaderValue::from_static(value)))
        .collect()
}
