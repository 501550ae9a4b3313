//! Claims about `google`.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use ring::{rand::SystemRandom, signature::RSA_PKCS1_SHA256};
use serde_json::json;

use super::*;

const HOST: &str = "127.0.0.1:8786";
const NOW: u64 = 1_790_812_800;

fn claims() -> Value {
    json!({
        "iss": CLIENT_EMAIL,
        "scope": SCOPE,
        "aud": format!("http://{HOST}/token"),
        "iat": NOW,
        "exp": NOW + 3600,
    })
}

fn encode(part: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(part.to_string())
}

/// Signs as a client does that has nothing but the account's JSON.
fn sign(header: &Value, claims: &Value) -> String {
    let account: Value =
        serde_json::from_str(&build_service_account("http://a")).expect("an account");
    let pem = account["private_key"].as_str().expect("a key");
    let key = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).expect("PEM");
    let key = rsa::KeyPair::from_pkcs8(key.secret_pkcs8_der()).expect("an RSA key");
    let signed = format!("{}.{}", encode(header), encode(claims));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        signed.as_bytes(),
        &mut signature,
    )
    .expect("a signature");
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

fn header() -> Value {
    json!({"alg": "RS256", "typ": "JWT", "kid": PRIVATE_KEY_ID})
}

fn ask(fields: &[(&str, &str)]) -> Result<(), Refusal> {
    let pairs: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
    check_grant(
        &Form::read(&headers, &Bytes::from(pairs.join("&"))),
        HOST,
        NOW,
    )
}

fn ask_with(assertion: &str) -> Result<(), Refusal> {
    ask(&[("grant_type", GRANT_TYPE), ("assertion", assertion)])
}

/// The error's name and the start of its description.
fn refusal_of(result: Result<(), Refusal>) -> (&'static str, String) {
    let refusal = result.expect_err("a refusal");
    assert_eq!(refusal.status, 400);
    (
        refusal.code.expect("an error's name"),
        refusal.message.into_owned(),
    )
}

#[test]
fn what_the_account_signs_is_granted() {
    ask_with(&sign(&header(), &claims())).expect("a grant");
}

#[test]
fn the_real_server_is_named_by_googles_own_libraries() {
    let mut claims = claims();
    claims["aud"] = json!("https://oauth2.googleapis.com/token");
    ask_with(&sign(&header(), &claims)).expect("a grant");
}

#[test]
fn each_wrong_claim_is_refused_in_googles_words() {
    for (name, value, error, words) in [
        (
            "iss",
            json!("other@x"),
            "invalid_grant",
            "account not found",
        ),
        (
            "aud",
            json!("http://127.0.0.1/token"),
            "invalid_grant",
            "audience",
        ),
        (
            "aud",
            json!("http://127.0.0.1:8786/token/"),
            "invalid_grant",
            "audience",
        ),
        (
            "iat",
            json!(NOW + 61),
            "invalid_grant",
            "reasonable timeframe",
        ),
        (
            "iat",
            json!(NOW - 1),
            "invalid_grant",
            "reasonable timeframe",
        ),
        ("exp", json!(NOW), "invalid_grant", "reasonable timeframe"),
        ("exp", json!(null), "invalid_grant", "reasonable timeframe"),
        ("scope", json!("openid"), "invalid_scope", "scope"),
    ] {
        let mut claims = claims();
        claims[name] = value;
        let (got, message) = refusal_of(ask_with(&sign(&header(), &claims)));
        assert_eq!(got, error, "{name}: {message}");
        assert!(message.contains(words), "{name}: {message}");
    }
}

#[test]
fn one_scope_among_several_is_enough() {
    let mut claims = claims();
    claims["scope"] = json!(format!("openid {SCOPE}"));
    ask_with(&sign(&header(), &claims)).expect("a grant");
}

#[test]
fn other_keys_algorithms_and_changed_claims_have_no_signature() {
    let good = sign(&header(), &claims());
    let (signed, signature) = good.rsplit_once('.').expect("a signature");
    let (head, _) = signed.split_once('.').expect("a header");
    let mut later = claims();
    later["exp"] = json!(NOW + 1);
    for assertion in [
        format!("{head}.{}.{signature}", encode(&later)),
        format!("{signed}."),
        sign(&json!({"alg": "RS256", "kid": "other"}), &claims()),
        sign(&json!({"alg": "none", "kid": PRIVATE_KEY_ID}), &claims()),
    ] {
        let (error, message) = refusal_of(ask_with(&assertion));
        assert_eq!(
            (error, message.as_str()),
            ("invalid_grant", "Invalid JWT Signature.")
        );
    }
}

#[test]
fn what_is_no_assertion_is_refused() {
    for assertion in ["x", "a.b.c", "e30.e30", "e30.e30.e30.e30"] {
        let (_, message) = refusal_of(ask_with(assertion));
        assert!(
            message.starts_with("Invalid JWT:"),
            "{assertion}: {message}"
        );
    }
}

#[test]
fn fields_that_are_missing_are_named() {
    for (fields, error) in [
        (vec![], "invalid_request"),
        (vec![("grant_type", GRANT_TYPE)], "invalid_request"),
        (
            vec![("grant_type", "client_credentials")],
            "unsupported_grant_type",
        ),
    ] {
        assert_eq!(refusal_of(ask(&fields)).0, error, "{fields:?}");
    }
}

#[test]
fn the_account_says_where_its_tokens_come_from() {
    let account = build_service_account("http://a:1");
    let account: Value = serde_json::from_str(&account).expect("JSON");
    assert_eq!(account["token_uri"], "http://a:1/token");
    assert_eq!(account["type"], "service_account");
}
