//! Which credential of a request is ours, and which is the caller's own.

use anyray_wire::anyray::credential::{
    CredentialFault, SECRET_BYTES, write_client_key, write_invite_code,
};

use super::*;

fn presented(pairs: &[(&'static str, &str)]) -> Result<Presented, GatewayError> {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(*name, value.parse().expect("header value"));
    }
    read(&map)
}

fn own(pairs: &[(&'static str, &str)]) -> Option<(String, String)> {
    let found = presented(pairs).expect("readable").own;
    found.map(|c| {
        let value = c.value.to_str().expect("text").to_owned();
        (c.header.to_string(), value)
    })
}

fn key(byte: u8) -> String {
    write_client_key(KeyId::from_random([byte; 8]), &[byte; SECRET_BYTES])
}

#[test]
fn a_providers_own_key_is_found_in_any_header() {
    for (name, value) in [
        ("authorization", "Bearer sk-1"),
        ("x-api-key", "sk-ant-1"),
        ("api-key", "azure"),
        ("x-goog-api-key", "google"),
    ] {
        let found = own(&[(name, value)]);
        assert_eq!(found, Some((name.to_owned(), value.to_owned())));
    }
}

#[test]
fn a_client_key_is_found_in_any_header_and_spelling() {
    let key = key(1);
    let id = KeyId::from_random([1; 8]);
    for (name, value) in [
        ("authorization", format!("Bearer {key}")),
        ("authorization", format!("bearer  {key}")),
        ("authorization", key.clone()),
        ("x-api-key", key.clone()),
        ("api-key", key.clone()),
        ("x-goog-api-key", key.clone()),
        ("x-anyray-api-key", key.clone()),
        (
            "authorization",
            format!(
                "AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=host;x-amz-date, Signature=00"
            ),
        ),
    ] {
        let found = presented(&[(name, &value)]).expect("readable");
        assert_eq!(found.key.map(|key| key.id), Some(id), "{name}");
        assert_eq!(
            found.key.map(|key| key.digest),
            Some(CredentialDigest::of(&key))
        );
        assert!(found.own.is_none(), "{name}");
    }
}

#[test]
fn gateway_credentials_are_no_provider_credentials() {
    let key = key(1);
    for value in [
        "Bearer anyray-placeholder".to_owned(),
        "Bearer ".to_owned(),
        "Bearer".to_owned(),
        String::new(),
        format!("Bearer\t{key}"),
        format!("Basic {key}"),
        format!("\"{key}\""),
        format!("Bearer sk-1,Bearer {key}"),
        format!("Bearer Bearer {key}"),
    ] {
        assert_eq!(own(&[("authorization", &value)]), None, "{value:?}");
    }
    assert_eq!(own(&[("x-anyray-api-key", "sk-1")]), None);
}

#[test]
fn exactly_one_credential_remains_of_several() {
    let both = [
        ("x-api-key", "sk-ant-1"),
        ("authorization", "Bearer sk-ant-1"),
    ];
    let authorization = ("authorization".to_owned(), "Bearer sk-ant-1".to_owned());
    assert_eq!(own(&both), Some(authorization));
    let bearer = format!("Bearer {}", key(1));
    let ours_and_theirs = [
        ("authorization", bearer.as_str()),
        ("x-api-key", "sk-ant-1"),
    ];
    let theirs = ("x-api-key".to_owned(), "sk-ant-1".to_owned());
    assert_eq!(own(&ours_and_theirs), Some(theirs));
}

#[test]
fn the_same_header_twice_is_refused() {
    let twice = presented(&[("x-api-key", "a"), ("x-api-key", "a")]);
    let header = "x-api-key";
    assert_eq!(
        twice.err(),
        Some(GatewayError::DuplicateCredential { header })
    );
}

#[test]
fn the_same_key_in_two_headers_is_one_and_two_keys_are_a_conflict() {
    let bearer = format!("Bearer {}", key(1));
    let same = presented(&[("authorization", &bearer), ("x-api-key", &key(1))]);
    assert!(same.expect("one key").key.is_some());
    let other = presented(&[("authorization", &bearer), ("x-api-key", &key(2))]);
    assert_eq!(other.err(), Some(GatewayError::ConflictingCredentials));
}

#[test]
fn a_truncated_key_and_a_code_are_told_apart_from_unknown_keys() {
    let key = key(1);
    let cut = presented(&[("x-api-key", key.get(..30).expect("ASCII"))]);
    let fault = CredentialFault::Length(66);
    assert_eq!(cut.err(), Some(GatewayError::InvalidKey { fault }));
    let code = presented(&[("x-api-key", &write_invite_code(&[1; 32]))]);
    assert_eq!(code.err(), Some(GatewayError::InviteCodeAsKey));
}

#[test]
fn without_a_store_keys_of_ours_count_for_nothing_whole_or_not() {
    let key = key(1);
    for ours in [
        key.as_str(),
        key.get(..30).expect("a part"),
        "ark_",
        "ari_code",
        "anyray-placeholder",
    ] {
        let mut map = HeaderMap::new();
        map.insert("x-api-key", ours.parse().expect("header value"));
        let found = read_without_ours(&map).expect("readable");
        assert!(found.key.is_none() && found.own.is_none(), "{ours}");
        map.insert("api-key", "azure".parse().expect("header value"));
        let found = read_without_ours(&map).expect("readable").own;
        assert_eq!(found.expect("its own").token(), "azure");
    }
}

#[test]
fn a_token_may_be_a_service_accounts_or_a_subscriptions() {
    let token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln";
    let found = presented(&[("authorization", &format!("Bearer {token}"))]).expect("readable");
    assert_eq!(found.token.expect("a token").1.as_ref(), token);
    assert_eq!(found.own.expect("its own").token(), token);
}

#[test]
fn a_key_in_the_url_is_seen_however_it_is_spelled() {
    for url in [
        "/v1/models?key=ark_abc",
        "/v1/models?a=1&key=ark%5Fabc",
        "/v1/models?code=ari_abc",
        "/v1/models?key=%61rk_abc",
        "/v1/models?key=%61%72%6B%5fabc",
        "/v1/ark_abc/models",
    ] {
        assert!(is_in_url(&url.parse().expect("a URL")), "{url}");
    }
    for url in [
        "/v1/models",
        "/v1/models?key=100%&x=%zz_",
        "/v1/models?key=sk_1",
        "/v1/files/park_1?x=dark_y",
    ] {
        assert!(!is_in_url(&url.parse().expect("a URL")), "{url}");
    }
}
