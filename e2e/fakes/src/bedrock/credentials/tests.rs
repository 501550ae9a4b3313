//! Claims about `credentials`.

use http::Request;

use super::*;
use crate::aws_keys::{LONG_TERM, TEMPORARY};

/// 2026-10-01T00:00:00Z.
const NOW: u64 = 1_790_812_800;
const SENT_AT: &str = "20261001T000000Z";
const BODY: &[u8] = br#"{"messages":[]}"#;

/// What a signer says and does; each test changes one thing.
#[derive(Clone, Copy)]
struct Signer {
    keys: AwsKeys,
    sent_at: &'static str,
    date: &'static str,
    region: &'static str,
    service: &'static str,
    terminator: &'static str,
    signed_headers: &'static str,
}

const SIGNER: Signer = Signer {
    keys: LONG_TERM,
    sent_at: SENT_AT,
    date: "20261001",
    region: "eu-central-1",
    service: "bedrock",
    terminator: TERMINATOR,
    signed_headers: "content-type;host;x-amz-date",
};

/// A signer with the temporary pair that does all as it should.
const TEMPORARY_SIGNER: Signer = Signer {
    keys: TEMPORARY,
    signed_headers: "host;x-amz-date;x-amz-security-token",
    ..SIGNER
};

impl Signer {
    /// The head of a request with a signature, for a body.
    fn sign(self, path: &str, body: &[u8]) -> Parts {
        let request = Request::post(path)
            .header("host", "127.0.0.1:1234")
            .header("content-type", "application/json")
            .header("x-amz-date", self.sent_at);
        let request = match self.keys.session_token {
            Some(token) => request.header("x-amz-security-token", token),
            None => request,
        };
        let (mut parts, ()) = request.body(()).expect("a request").into_parts();
        let unsigned = format!(
            "AWS4-HMAC-SHA256 Credential={}/{}/{}/{}/{}, SignedHeaders={}, Signature=",
            self.keys.access_key_id,
            self.date,
            self.region,
            self.service,
            self.terminator,
            self.signed_headers,
        );
        let authorization = Authorization::parse(&unsigned).expect("an authorization");
        let canonical = canonical_request(&parts, body, &authorization.signed_headers);
        let to_sign = string_to_sign(&authorization, self.sent_at, &canonical);
        let signature = authorization.sign(self.keys.secret_access_key, &to_sign);
        let value = format!("{unsigned}{signature}");
        let value = value.try_into().expect("a value of a header");
        parts.headers.insert(AUTHORIZATION, value);
        parts
    }
}

const PATH: &str = "/model/anthropic.claude-v2%3A1/converse";

fn check(parts: &Parts, body: &[u8], door: Door) -> Result<(), (&'static str, String)> {
    check_credentials(parts, body, door, NOW).map_err(|refusal| {
        assert_eq!(refusal.status, 403);
        (
            refusal.code.unwrap_or_default(),
            refusal.message.into_owned(),
        )
    })
}

/// Checks that a signer is refused, and why.
fn refused(signer: Signer, name: &str, words: &str) {
    let parts = signer.sign(PATH, BODY);
    let (code, message) = check(&parts, BODY, Door::Operations).expect_err("a refusal");
    assert_eq!(code, name, "{message}");
    assert!(message.contains(words), "{message}");
}

fn with_header(name: &'static str, value: &str) -> Parts {
    let request = Request::post(PATH).header(name, value);
    request.body(()).expect("a request").into_parts().0
}

#[test]
fn both_pairs_sign_what_is_taken() {
    for signer in [SIGNER, TEMPORARY_SIGNER] {
        let parts = signer.sign(PATH, BODY);
        assert_eq!(check(&parts, BODY, Door::Operations), Ok(()));
    }
}

#[test]
fn whatever_is_changed_on_the_way_breaks_the_signature() {
    let changed = |change: fn(&mut Parts)| {
        let mut parts = SIGNER.sign(PATH, BODY);
        change(&mut parts);
        check(&parts, BODY, Door::Operations)
            .expect_err("a refusal")
            .0
    };
    let value = |text: &'static str| text.parse().expect("a value");
    for change in [
        (|parts| parts.method = http::Method::PUT) as fn(&mut Parts),
        |parts| {
            parts.uri = "/model/anthropic.claude-v2%3A2/converse"
                .parse()
                .expect("a path");
        },
        |parts| {
            parts.uri = "/model/anthropic.claude-v2:1/converse?a=b"
                .parse()
                .expect("a path");
        },
        |parts| {
            let host = "another.example".parse().expect("a value");
            parts.headers.insert("host", host);
        },
    ] {
        assert_eq!(changed(change), INVALID_SIGNATURE);
    }
    let mut parts = SIGNER.sign(PATH, BODY);
    parts.headers.append("content-type", value("text/plain"));
    assert!(check(&parts, BODY, Door::Operations).is_err());
    let parts = SIGNER.sign(PATH, BODY);
    assert!(check(&parts, b"{}", Door::Operations).is_err());
}

#[test]
fn headers_that_are_not_signed_may_change() {
    let mut parts = SIGNER.sign(PATH, BODY);
    let agent = "curl".parse().expect("a value");
    parts.headers.insert("user-agent", agent);
    assert_eq!(check(&parts, BODY, Door::Operations), Ok(()));
}

#[test]
fn a_wrong_secret_is_told_what_should_have_been_signed() {
    let keys = AwsKeys {
        secret_access_key: "another",
        ..LONG_TERM
    };
    let signer = Signer { keys, ..SIGNER };
    refused(
        signer,
        INVALID_SIGNATURE,
        "does not match the signature you provided",
    );
    refused(
        signer,
        INVALID_SIGNATURE,
        "POST\n/model/anthropic.claude-v2%253A1/converse\n",
    );
}

#[test]
fn keys_are_known_with_their_own_token_only() {
    let of = |keys: AwsKeys| Signer {
        keys,
        ..TEMPORARY_SIGNER
    };
    for keys in [
        AwsKeys {
            access_key_id: "AKIAUNHEARDOF0000000",
            ..LONG_TERM
        },
        AwsKeys {
            session_token: TEMPORARY.session_token,
            ..LONG_TERM
        },
        AwsKeys {
            session_token: Some("another"),
            ..TEMPORARY
        },
        AwsKeys {
            session_token: None,
            ..TEMPORARY
        },
    ] {
        refused(
            of(keys),
            UNRECOGNIZED_CLIENT,
            "The security token included in the request is invalid.",
        );
    }
    let signed_headers = SIGNER.signed_headers;
    let unsigned = Signer {
        signed_headers,
        ..TEMPORARY_SIGNER
    };
    refused(
        unsigned,
        INVALID_SIGNATURE,
        "'x-amz-security-token' must be a 'SignedHeader'",
    );
}

#[test]
fn the_scope_is_that_of_bedrock_today() {
    for (signer, words) in [
        (
            Signer {
                signed_headers: "x-amz-date",
                ..SIGNER
            },
            "'Host' or ':authority' must be a 'SignedHeader'",
        ),
        (
            Signer {
                region: "frankfurt",
                ..SIGNER
            },
            "scoped to a valid region",
        ),
        (
            Signer {
                service: "bedrock-runtime",
                ..SIGNER
            },
            "scoped to correct service: 'bedrock'",
        ),
        (
            Signer {
                service: "bedrock-mantle",
                ..SIGNER
            },
            "scoped to correct service: 'bedrock'",
        ),
        (
            Signer {
                terminator: "aws5_request",
                ..SIGNER
            },
            "valid terminator: 'aws4_request'",
        ),
        (
            Signer {
                date: "20260930",
                ..SIGNER
            },
            "'20260930' != '20261001', from '20261001T000000Z'",
        ),
    ] {
        refused(signer, INVALID_SIGNATURE, words);
    }
}

#[test]
fn the_messages_api_takes_the_scope_of_its_other_host_too() {
    for (service, is_taken) in [
        ("bedrock", true),
        ("bedrock-mantle", true),
        ("mantle", false),
    ] {
        let parts = Signer { service, ..SIGNER }.sign("/anthropic/v1/messages", BODY);
        assert_eq!(
            check(&parts, BODY, Door::Messages).is_ok(),
            is_taken,
            "{service}"
        );
    }
}

#[test]
fn clocks_may_be_five_minutes_apart() {
    let at = |sent_at, date| Signer {
        sent_at,
        date,
        ..SIGNER
    };
    for signer in [
        at("20260930T235500Z", "20260930"),
        at("20261001T000500Z", "20261001"),
    ] {
        let parts = signer.sign(PATH, BODY);
        assert_eq!(check(&parts, BODY, Door::Operations), Ok(()));
    }
    refused(
        at("20260930T235459Z", "20260930"),
        INVALID_SIGNATURE,
        "Signature expired: 20260930T235459Z is now earlier than 20260930T235500Z \
         (20261001T000000Z - 5 min.)",
    );
    refused(
        at("20261001T000501Z", "20261001"),
        INVALID_SIGNATURE,
        "Signature not yet current: 20261001T000501Z is still later than 20261001T000500Z \
         (20261001T000000Z + 5 min.)",
    );
    refused(
        at("20261001", "20261001"),
        INCOMPLETE_SIGNATURE,
        "ISO-8601 'basic format'",
    );
}

#[test]
fn without_a_signature_there_is_a_key_or_a_refusal() {
    for (value, name, words) in [
        (
            "Bearer sk-1",
            ACCESS_DENIED,
            "Must start with pre-defined prefix",
        ),
        (
            "Bearer ABSKanother",
            ACCESS_DENIED,
            "make sure your API Key is valid",
        ),
        ("Basic k", INCOMPLETE_SIGNATURE, "algorithm"),
        (
            "AWS4-HMAC-SHA256 Credential=a/b/c/d/e",
            INCOMPLETE_SIGNATURE,
            "'SignedHeaders' parameter",
        ),
    ] {
        let parts = with_header("authorization", value);
        let (code, message) = check(&parts, BODY, Door::Operations).expect_err("a refusal");
        assert_eq!(code, name, "{message}");
        assert!(message.contains(words), "{message}");
    }
    let (parts, ()) = Request::new(()).into_parts();
    let refusal = check(&parts, BODY, Door::Operations);
    assert_eq!(
        refusal,
        Err((ACCESS_DENIED, "Authorization header is missing".to_owned()))
    );
}

#[test]
fn a_bedrock_key_opens_both_doors_and_its_own_header_one() {
    let bearer = format!("Bearer {BEDROCK_API_KEY}");
    for (name, value, door, is_open) in [
        ("authorization", bearer.as_str(), Door::Operations, true),
        ("authorization", &bearer, Door::Messages, true),
        ("x-api-key", BEDROCK_API_KEY, Door::Messages, true),
        ("x-api-key", BEDROCK_API_KEY, Door::Operations, false),
        ("x-api-key", "ABSKanother", Door::Messages, false),
    ] {
        let parts = with_header(name, value);
        assert_eq!(
            check(&parts, BODY, door).is_ok(),
            is_open,
            "{name} {door:?}"
        );
    }
}

#[test]
fn two_credentials_are_none() {
    let mut parts = SIGNER.sign(PATH, BODY);
    let bearer = format!("Bearer {BEDROCK_API_KEY}")
        .parse()
        .expect("a value");
    parts.headers.append(AUTHORIZATION, bearer);
    let (code, _) = check(&parts, BODY, Door::Operations).expect_err("a refusal");
    assert_eq!(code, INCOMPLETE_SIGNATURE);
}
