//! Contents of files in, credentials or what is wrong with them out.

use serde_json::{Value, json};

use super::*;

/// A private key that belongs to nobody.
const PRIVATE_KEY: &str = include_str!("test-key.pem");

fn service_account() -> Value {
    json!({
        "type": "service_account",
        "project_id": "acme",
        "private_key_id": "k1",
        "private_key": PRIVATE_KEY,
        "client_email": "gateway@acme.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": "https://oauth2.googleapis.com/token",
        "universe_domain": "googleapis.com",
    })
}

fn with(mut object: Value, field: &str, value: Value) -> Value {
    object[field] = value;
    object
}

fn fault(kind: CredentialKind, content: &str) -> String {
    let checked = check(kind, content.as_bytes());
    checked.expect_err("refused").to_string()
}

#[test]
fn each_kind_reads_what_its_provider_hands_out() {
    let api_key = check(CredentialKind::ApiKey, b" sk-1\n");
    assert!(matches!(api_key, Ok(Content::ApiKey("sk-1"))));

    let aws =
        br#"{"accessKeyId":"AKIAIOSFODNN7EXAMPLE","secretAccessKey":"a/b+c","sessionToken":"t=="}"#;
    let Ok(Content::AwsKeys(keys)) = check(CredentialKind::AwsKeys, aws) else {
        panic!("access keys");
    };
    assert_eq!(keys.access_key_id, "AKIAIOSFODNN7EXAMPLE");
    assert_eq!(keys.session_token, Some(Secret("t==".to_owned())));

    let google = service_account().to_string();
    let checked = check(CredentialKind::GoogleServiceAccount, google.as_bytes());
    let Ok(Content::GoogleServiceAccount(account)) = checked else {
        panic!("a service account");
    };
    assert_eq!(account.client_email, "gateway@acme.iam.gserviceaccount.com");
    assert_eq!(account.private_key.public().modulus_len(), 256);

    let entra = br#"{"tenantId":"contoso.example","clientId":"1-2","clientSecret":"s~"}"#;
    let Ok(Content::EntraClient(client)) = check(CredentialKind::EntraClient, entra) else {
        panic!("a client");
    };
    assert_eq!(client.authority, None);
}

#[test]
fn debug_output_has_nothing_of_a_content() {
    let google = service_account().to_string();
    for (kind, content) in [
        (CredentialKind::ApiKey, "sk-1"),
        (CredentialKind::GoogleServiceAccount, &google),
    ] {
        let checked = check(kind, content.as_bytes());
        assert_eq!(format!("{checked:?}"), format!("Ok({kind:?})"));
    }
}

#[test]
fn nothing_is_told_apart_from_something_else() {
    for kind in [
        CredentialKind::ApiKey,
        CredentialKind::AwsKeys,
        CredentialKind::GoogleServiceAccount,
        CredentialKind::EntraClient,
    ] {
        assert_eq!(fault(kind, " \n"), "is empty");
        let message = fault(kind, "no\njson");
        assert!(message.starts_with("is not "), "{message}");
        assert!(!message.contains("json\n"), "{message}");
    }
}

#[test]
fn access_keys_are_what_a_signature_can_be_made_with() {
    for (content, expected) in [
        (
            json!({"accessKeyId": "AKIA", "secretAccessKey": "s"}),
            "has an accessKeyId that is none",
        ),
        (
            json!({"accessKeyId": "AKIAIOSFODNN7/EXAMPLE", "secretAccessKey": "s"}),
            "has an accessKeyId that is none",
        ),
        (
            json!({"accessKeyId": "AKIAIOSFODNN7EXAMPLE", "secretAccessKey": "s\n"}),
            "has a secretAccessKey or sessionToken",
        ),
        (
            json!({"accessKeyId": "AKIAIOSFODNN7EXAMPLE", "secretAccessKey": "s", "sessionToken": ""}),
            "has a secretAccessKey or sessionToken",
        ),
        (
            json!({"accessKeyId": "AKIAIOSFODNN7EXAMPLE", "secretAccessKey": "s", "region": "x"}),
            "is not JSON with accessKeyId",
        ),
    ] {
        let message = fault(CredentialKind::AwsKeys, &content.to_string());
        assert!(message.starts_with(expected), "{message}");
    }
}

#[test]
fn a_service_account_has_a_key_and_a_place_for_tokens() {
    let encrypted = PRIVATE_KEY.replace("PRIVATE KEY", "RSA PRIVATE KEY");
    for (content, expected) in [
        (
            with(service_account(), "type", json!("authorized_user")),
            "has another type",
        ),
        (
            with(service_account(), "private_key", json!("x")),
            "has a private_key that is no RSA key",
        ),
        (
            with(service_account(), "private_key", json!(encrypted)),
            "has a private_key that is no RSA key",
        ),
        (
            with(service_account(), "token_uri", json!("oauth2")),
            "has a token_uri that is no URL",
        ),
        (
            with(service_account(), "client_email", json!(1)),
            "is not the JSON file of a service account",
        ),
    ] {
        let message = fault(CredentialKind::GoogleServiceAccount, &content.to_string());
        assert!(message.starts_with(expected), "{message}");
    }
    let mut bare = service_account();
    bare.as_object_mut().expect("object").remove("token_uri");
    let bare = bare.to_string();
    let Ok(Content::GoogleServiceAccount(account)) =
        check(CredentialKind::GoogleServiceAccount, bare.as_bytes())
    else {
        panic!("a service account");
    };
    assert_eq!(account.token_uri, GOOGLE_TOKEN_URI);
}

#[test]
fn a_tenant_cannot_lead_to_another_path() {
    for (tenant, expected) in [
        ("a/b", "has a tenantId"),
        ("", "has a tenantId"),
        ("a?b", "has a tenantId"),
    ] {
        let content = json!({"tenantId": tenant, "clientId": "c", "clientSecret": "s"});
        let message = fault(CredentialKind::EntraClient, &content.to_string());
        assert!(message.starts_with(expected), "{message}");
    }
    let content = json!({
        "tenantId": "t", "clientId": "c", "clientSecret": "s", "authority": "login",
    });
    let message = fault(CredentialKind::EntraClient, &content.to_string());
    assert_eq!(message, "has an authority that is no URL");
}
