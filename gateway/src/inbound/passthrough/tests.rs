//! Which credential may go where, when the caller asks to go on as itself.

use std::fs;

use http::{HeaderName, header::AUTHORIZATION};

use super::*;
use crate::config;

const SUBSCRIPTION: (&str, &str) = ("x-anyray-auth-mode", "passthrough");

fn config(is_enabled: bool) -> Snapshot {
    let directory = tempfile::tempdir().expect("a directory");
    let text = format!(
        r#"{{"schemaVersion":1,
        "auth":{{"clientKeys":"Optional","subscriptionPassthrough":{is_enabled}}},
        "egress":{{"customHosts":[{{"host":"llm.example.com"}},
        {{"host":"llm.example.com:8443"}}]}}}}"#
    );
    fs::write(directory.path().join("gateway.json"), text).expect("written");
    config::load(directory.path()).expect("a configuration").0
}

fn token(value: &str) -> CallerCredential {
    CallerCredential {
        header: AUTHORIZATION,
        value: value.parse().expect("a header"),
    }
}

/// What a request with these headers and this token of the caller's own asks for.
fn ask(
    pairs: &[(&'static str, &'static str)],
    own: Option<&str>,
    config: &Snapshot,
) -> Result<Option<Passthrough>, GatewayError> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let value = HeaderValue::from_static(value);
        headers.append(HeaderName::from_static(name), value);
    }
    let own = own.map(token);
    read(&headers, own.as_ref(), config)
}

#[test]
fn without_either_header_the_gateways_keys_are_used() {
    let asked = ask(&[], Some("Bearer sk-1"), &config(true));
    assert!(asked.expect("nothing special").is_none());
}

#[test]
fn a_subscription_needs_the_right_word_leave_and_a_token() {
    let own = Some("Bearer sk-ant-oat01-x");
    for (value, is_enabled, own, expected) in [
        ("passthrough", true, own, None),
        ("PassThrough", true, own, None),
        ("", true, own, Some(GatewayError::UnknownAuthMode)),
        ("key", true, own, Some(GatewayError::UnknownAuthMode)),
        (
            "passthrough",
            false,
            own,
            Some(GatewayError::PassthroughDisabled),
        ),
        (
            "passthrough",
            true,
            None,
            Some(GatewayError::OwnTokenMissing),
        ),
    ] {
        let asked = ask(&[("x-anyray-auth-mode", value)], own, &config(is_enabled));
        assert_eq!(asked.err(), expected, "{value}");
    }
}

#[test]
fn a_custom_host_needs_a_token_and_comes_once() {
    const HOST: (&str, &str) = ("x-anyray-custom-host", "https://llm.example.com");
    let config = config(false);
    let asked = ask(&[HOST], Some("Bearer sk-1"), &config).expect("a host");
    let host = asked
        .and_then(|passthrough| passthrough.host)
        .expect("a host");
    assert_eq!(host.authority(), "llm.example.com");
    let without = ask(&[HOST], None, &config).err();
    assert_eq!(without, Some(GatewayError::OwnTokenMissing));
    let header = "x-anyray-custom-host";
    let twice = ask(&[HOST, HOST], Some("Bearer sk-1"), &config).err();
    assert_eq!(twice, Some(GatewayError::DuplicateCredential { header }));
    let address = ask(&[(header, "http://169.254.169.254")], None, &config).err();
    assert!(matches!(
        address,
        Some(GatewayError::InvalidCustomHost { .. })
    ));
}

/// Whether a token may go to a provider at a host, if one is named.
fn check(
    token: &str,
    pairs: &[(&'static str, &'static str)],
    slug: &str,
) -> Result<(), GatewayError> {
    let config = config(true);
    let asked = ask(pairs, Some(token), &config).expect("acceptable");
    let passthrough = asked.expect("a passthrough");
    passthrough.check(anyray_providers::find(slug).expect("a provider"), &config)
}

#[test]
fn a_token_goes_to_no_other_provider() {
    for (token, slug, is_allowed) in [
        ("Bearer sk-ant-oat01-x", "anthropic", true),
        ("Bearer sk-ant-oat01-x", "openai", false),
        ("Bearer sk-proj-1", "openai", true),
        ("Bearer sk-proj-1", "anthropic", false),
        ("Bearer eyJh.eyJi.c", "openai", true),
        ("Bearer eyJh.eyJi.c", "anthropic", false),
    ] {
        let checked = check(token, &[SUBSCRIPTION], slug);
        assert_eq!(checked.is_ok(), is_allowed, "{token} {slug}: {checked:?}");
        if let Err(error) = checked {
            let provider = anyray_providers::find(slug).expect("a provider").slug();
            assert_eq!(error, GatewayError::TokenOfOtherProvider { provider });
            assert!(!error.to_string().contains(token));
        }
    }
}

/// Row S10 of the security catalogue.
#[test]
fn s10_a_token_goes_to_listed_hosts_and_subscriptions_to_their_providers_own() {
    const NAME: &str = "x-anyray-custom-host";
    for (host, is_subscription, is_allowed) in [
        ("https://llm.example.com/v1", false, true),
        ("llm.example.com:8443", false, true),
        ("LLM.example.com", false, true),
        ("https://llm.example.com:8444", false, false),
        ("https://llm.example.com.evil.net", false, false),
        ("https://a.llm.example.com", false, false),
        ("https://api.openai.com", false, false),
        ("https://api.openai.com", true, true),
        ("https://chatgpt.com/backend-api/codex", true, true),
        ("https://chatgpt.com:444", true, false),
        ("https://api.anthropic.com", true, false),
        ("https://metadata.google.internal", true, false),
    ] {
        let pairs = if is_subscription {
            vec![(NAME, host), SUBSCRIPTION]
        } else {
            vec![(NAME, host)]
        };
        let checked = check("Bearer sk-1", &pairs, "openai");
        let expected = if is_allowed {
            Ok(())
        } else {
            Err(GatewayError::CustomHostNotAllowed)
        };
        assert_eq!(checked, expected, "{host} {is_subscription}");
    }
}

#[test]
fn what_goes_on_is_what_the_caller_sent() {
    let asked = ask(
        &[SUBSCRIPTION],
        Some("bearer  sk-ant-oat01-x"),
        &config(true),
    );
    let passthrough = asked.expect("acceptable").expect("a passthrough");
    assert_eq!(passthrough.credential.header, AUTHORIZATION);
    assert_eq!(passthrough.credential.value, "bearer  sk-ant-oat01-x");
}
