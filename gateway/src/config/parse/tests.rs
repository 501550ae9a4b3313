//! Which configurations are accepted, and what the refused ones are told.

use std::collections::BTreeMap;

use super::*;

const KEYS: &str = r#"[{"name":"main","provider":"openai","credential":{"file":"keys/a"}}]"#;

fn files(config: &str) -> Files {
    let secrets = [
        ("keys/a", "sk-1\n"),
        ("keys/empty", " \n"),
        ("keys/two-lines", "a\nb"),
        (
            "keys/aws",
            r#"{"accessKeyId":"AKIAEXAMPLEEXAMPLE00","secretAccessKey":"a-secret-of-forty-characters-as-it-goes-"}"#,
        ),
    ];
    Files {
        config: config.as_bytes().to_vec(),
        index: None,
        secrets: secrets
            .map(|(name, key)| (name.to_owned(), key.as_bytes().to_vec().into()))
            .into(),
    }
}

/// A configuration with one provider key and these further top-level fields.
fn config(fields: &str) -> String {
    let comma = if fields.is_empty() { "" } else { "," };
    format!(
        r#"{{"schemaVersion":1,"auth":{{"clientKeys":"Optional"}},"providerKeys":{KEYS}{comma}{fields}}}"#
    )
}

/// A configuration with this one provider key.
fn with_key(key: &str) -> String {
    config("").replace(KEYS, &format!("[{key}]"))
}

fn with_endpoint(endpoint: &str) -> String {
    with_key(&format!(
        r#"{{"name":"main","provider":"openai","credential":{{"file":"keys/a"}},"endpoint":{endpoint}}}"#
    ))
}

/// A key of AWS; `more` is what its endpoint has besides the names of models.
fn bedrock(file: &str, more: &str) -> String {
    format!(
        r#"{{"name":"main","provider":"bedrock","credential":{{"file":"{file}","type":"awsKeys"}},"endpoint":{{"models":{{"claude":"eu.anthropic.claude"}}{more}}}}}"#
    )
}

fn refusal(config: &str) -> String {
    match snapshot(&files(config)) {
        Ok(_) => panic!("accepted {config}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_minimal_configuration_gets_the_documented_defaults() {
    let snapshot = snapshot(&files(&config(""))).expect("accepted");
    let key = snapshot.keys.first().expect("one key");
    assert_eq!(key.authority, "api.openai.com");
    assert_eq!(key.base_path, "/v1");
    assert!(
        matches!(&key.credential, Some(Credential::ApiKey(secret)) if secret.expose_secret() == "sk-1")
    );
    assert_eq!(snapshot.timeouts.first_byte, Duration::from_secs(600));
    assert_eq!(snapshot.limits.max_body_bytes, 64 << 20);
    for (slug, is_public) in [("openai", true), ("anthropic", true), ("bedrock", false)] {
        let mut public = snapshot.public_endpoints.iter();
        let found = public.any(|endpoint| endpoint.provider.slug() == slug);
        assert_eq!(found, is_public, "{slug}");
    }
}

#[test]
fn wrong_fields_are_named_with_their_path() {
    for (config, expected) in [
        ("{", "field .: EOF while parsing"),
        (&format!("{} x", config("")), "field .: trailing characters"),
        (r#"{"schemaVersion":1}"#, "field .: missing field `auth`"),
        (
            &config("").replace(":1,", ":2,"),
            "field schemaVersion: must be 1",
        ),
        (
            &config(r#""limitz":{}"#),
            "field limitz: unknown field `limitz`",
        ),
        (
            &config(r#""limits":{"maxBodyBytes":"1"}"#),
            "field limits.maxBodyBytes: expected a whole number, not negative at line 1",
        ),
        (
            &config(r#""limits":{"maxBodyBytes":0}"#),
            "field limits.maxBodyBytes: must be at least 1",
        ),
        (
            &config(r#""timeouts":{"pingMs":0}"#),
            "field timeouts.pingMs: must be between 1 and",
        ),
        (
            &config(r#""egress":{"allowedNetworks":["10.0.0.0/8","x"]}"#),
            "field egress.allowedNetworks[1]: must be a network",
        ),
        (
            &config(r#""routing":{"models":[{"match":"*","providerKey":"other"}]}"#),
            "field routing.models[0].providerKey: names no entry of providerKeys",
        ),
        (
            &config("").replace("Optional", "Off"),
            "field auth.clientKeys: expected `Required` or `Optional` at line 1",
        ),
    ] {
        let message = refusal(config);
        assert!(
            message.contains(expected),
            "{config}\n{message}\nlacks {expected}"
        );
    }
}

/// Row S4 of the security catalogue.
#[test]
fn s4_a_secret_in_the_wrong_field_is_not_told() {
    let secret = r#""sk-secret, expected sk-secret""#;
    for (config, expected) in [
        (
            config("").replace(r#"{"file":"keys/a"}"#, secret),
            "field providerKeys[0].credential: expected an object",
        ),
        (
            config("").replace(r#""Optional""#, secret),
            "field auth.clientKeys: expected `Required` or `Optional`",
        ),
        (
            config(&format!(r#""limits":{{"maxBodyBytes":{secret}}}"#)),
            "field limits.maxBodyBytes: expected a whole number",
        ),
        (
            config(&format!(r#""passthroughPaths":{secret}"#)),
            "field passthroughPaths: expected a list",
        ),
    ] {
        let message = refusal(&config);
        assert!(message.contains(expected), "{message}\nlacks {expected}");
        assert!(!message.contains("sk-secret"), "{message}");
    }
}

#[test]
fn provider_keys_are_checked_one_by_one() {
    let key = r#"{"name":"main","provider":"openai","credential":{"file":"keys/a"}}"#;
    for (config, expected) in [
        (
            with_key(&key.replace("main", "Main")),
            "providerKeys[0].name: must be 1 to 253",
        ),
        (
            with_key(&format!("{key},{key}")),
            "providerKeys[1].name: is used by another",
        ),
        (
            with_key(&key.replace("openai", "nope")),
            "providerKeys[0].provider: must be one of openai, anthropic",
        ),
        (
            with_key(&key.replace("keys/a", "keys/empty")),
            "providerKeys[0].credential.file: keys/empty is empty",
        ),
        (
            with_key(&key.replace("keys/a", "keys/two-lines")),
            "providerKeys[0].credential.file: keys/two-lines is not an API key",
        ),
        (
            with_key(&key.replace(r#""keys/a""#, r#""keys/a","type":"awsKeys""#)),
            "providerKeys[0].credential.type: is not taken by the provider openai, which takes apiKey",
        ),
        (
            with_key(&key.replace("openai", "bedrock")),
            "providerKeys[0].endpoint.region: must be set for the provider bedrock",
        ),
        (
            with_key(&bedrock("keys/a", r#","region":"eu-central-1""#)),
            "providerKeys[0].credential.file: keys/a is not JSON with accessKeyId",
        ),
        (
            with_key(&bedrock("keys/aws", r#","region":"eu/x""#)),
            "providerKeys[0].endpoint.region: must be letters",
        ),
        (
            with_key(&bedrock("keys/aws", r#","region":"eu","location":"eu""#)),
            "providerKeys[0].endpoint.location: means nothing to the provider bedrock",
        ),
    ] {
        let message = refusal(&config);
        assert!(
            message.contains(expected),
            "{config}\n{message}\nlacks {expected}"
        );
        assert!(!message.contains("sk-1"), "{message}");
    }
}

#[test]
fn a_key_without_a_credential_is_accepted_and_may_be_named_by_rules() {
    for credential in ["", r#","credential":null"#] {
        let key = format!(r#"{{"name":"main","provider":"openai"{credential}}}"#);
        let rules = r#""routing":{"models":[{"match":"*","providerKey":"main"}]}"#;
        let text = config(rules).replace(KEYS, &format!("[{key}]"));
        let parsed: GatewayConfig = json(CONFIG_FILE, text.as_bytes()).expect("fits the schema");
        assert!(secret_files(&parsed).expect("no files").is_empty());
        let snapshot = snapshot(&files(&text)).expect("accepted");
        assert!(snapshot.keys.iter().all(|key| key.credential.is_none()));
        assert!(
            snapshot
                .model_rules
                .iter()
                .all(|rule| rule.key.as_ref().is_ok_and(|key| key.name == "main"))
        );
    }
}

#[test]
fn a_key_without_a_credential_is_checked_like_any_other() {
    let key = r#"{"name":"main","provider":"openai","endpoint":{"url":"https://[::1]/"}}"#;
    let message = refusal(&with_key(key));
    let expected = "providerKeys[0].endpoint.url: is a private address";
    assert!(message.contains(expected), "{message}");
}

#[test]
fn a_key_without_a_credential_and_endpoint_needs_no_settings() {
    let snapshot = snapshot(&files(&with_key(r#"{"name":"main","provider":"bedrock"}"#)));
    let snapshot = snapshot.expect("accepted");
    assert_eq!(snapshot.keys[0].provider.slug(), "bedrock");
}

#[test]
fn a_cloud_has_its_host_credential_and_names() {
    let text = with_key(&bedrock("keys/aws", r#","region":"eu-central-1""#));
    let snapshot = snapshot(&files(&text)).expect("accepted");
    let key = snapshot.keys.first().expect("one key");
    assert_eq!(key.authority, "bedrock-runtime.eu-central-1.amazonaws.com");
    assert!(matches!(&key.credential, Some(Credential::AwsKeys(_))));
    assert_eq!(key.mapped(Some("claude")), Some("eu.anthropic.claude"));
    assert_eq!(key.mapped(Some("other")), None);
}

#[test]
fn endpoints_that_are_not_safe_are_refused() {
    for (endpoint, expected) in [
        (r#"{"url":"not a url"}"#, "must be a URL"),
        (r#"{"url":"/v1"}"#, "must begin with https://"),
        (r#"{"url":"ftp://h/"}"#, "must begin with https://"),
        (
            r#"{"url":"http://h/v1"}"#,
            "plain http needs endpoint.allowInsecure",
        ),
        (
            r#"{"url":"https://user:pw@h/"}"#,
            "must not hold a user or password",
        ),
        (r#"{"url":"https://h/v1?x=1"}"#, "must not have a query"),
        (
            r#"{"url":"https://169.254.169.254/"}"#,
            "is a private address",
        ),
        (r#"{"url":"https://[::1]/"}"#, "is a private address"),
        (
            r#"{"url":"https://[::ffff:10.0.0.1]/"}"#,
            "is a private address",
        ),
        (
            r#"{"url":"https://h/","caBundle":"x"}"#,
            "must hold at least one PEM certificate",
        ),
    ] {
        let message = refusal(&with_endpoint(endpoint));
        assert!(
            message.contains(expected),
            "{endpoint}\n{message}\nlacks {expected}"
        );
    }
}

#[test]
fn base_urls_are_what_the_providers_sdk_takes() {
    for (provider, url, expected) in [
        ("openai", "https://h:8443/proxy/v1/", "/proxy/v1"),
        ("openai", "https://h", ""),
        ("anthropic", "https://h", ""),
        ("anthropic", "https://h/proxy/", "/proxy"),
        ("azure-openai", "https://h/", ""),
    ] {
        let endpoint = with_endpoint(&format!(r#"{{"url":"{url}"}}"#)).replace("openai", provider);
        let snapshot = snapshot(&files(&endpoint)).expect(url);
        assert_eq!(snapshot.keys[0].base_path, expected, "{provider} {url}");
    }
}

#[test]
fn only_paths_of_the_api_can_be_passed_through() {
    for path in [
        "/files",
        "/v1/",
        "/v1",
        "/v1/*",
        "/v1/../admin",
        "/v1/a*",
        "/v1/a?b",
        "/v1/a//b",
        "/v1/%2e",
    ] {
        let message = refusal(&config(&format!(r#""passthroughPaths":["{path}"]"#)));
        assert!(
            message.contains("passthroughPaths[0]: must be a path"),
            "{path}: {message}"
        );
    }
    for path in ["/v1/files", "/v1/files/*", "/v1/fine_tuning/jobs"] {
        snapshot(&files(&config(&format!(
            r#""passthroughPaths":["{path}"]"#
        ))))
        .expect(path);
    }
}

#[test]
fn secret_files_stay_inside_the_directory() {
    for file in ["", "/etc/passwd", "../a", "keys/../../a", "keys//a", "./a"] {
        let text = with_key(&format!(
            r#"{{"name":"main","provider":"openai","credential":{{"file":"{file}"}}}}"#
        ));
        let parsed: GatewayConfig = json(CONFIG_FILE, text.as_bytes()).expect(file);
        let message = secret_files(&parsed).expect_err(file).to_string();
        assert!(message.contains("providerKeys[0].credential.file: must be a path inside"));
    }
}

/// Row R17 of the reliability catalogue.
#[test]
fn r17_an_index_must_cover_and_match_every_file() {
    let digest = |text: &[u8]| hexadecimal(&Sha256::digest(text));
    let text = config("");
    let with_index = |entries: &[(&str, String)]| {
        let entries: BTreeMap<_, _> = entries.iter().map(|(k, v)| (*k, v.as_str())).collect();
        let index = serde_json::json!({ "files": entries })
            .to_string()
            .into_bytes();
        let mut files = files(&text);
        files.secrets.retain(|name, _| name == "keys/a");
        snapshot(&Files {
            index: Some(index),
            ..files
        })
        .map_err(|error| error.to_string())
    };
    let config_entry = ("gateway.json", digest(text.as_bytes()));
    let key_entry = ("keys/a", digest(b"sk-1\n"));
    assert!(with_index(&[config_entry.clone(), key_entry.clone()]).is_ok());
    for (entries, file) in [
        (vec![config_entry.clone()], "keys/a"),
        (vec![config_entry, ("keys/a", digest(b"old"))], "keys/a"),
        (
            vec![("gateway.json", digest(b"old")), key_entry],
            "gateway.json",
        ),
    ] {
        let message = with_index(&entries).expect_err("a mixture");
        assert!(
            message.starts_with(&format!("{file} does not match its digest")),
            "{message}"
        );
    }
}

#[test]
fn a_new_version_of_a_key_changes_the_hash_and_a_new_key_alone_does_not() {
    let hash = |config: &str, key: &str| {
        let mut files = files(config);
        files
            .secrets
            .insert("keys/a".to_owned(), key.as_bytes().to_vec().into());
        snapshot(&files).expect("accepted").hash
    };
    let versioned = config("").replace(r#""keys/a""#, r#""keys/a","version":"2""#);
    assert_eq!(hash(&config(""), "sk-1"), hash(&config(""), "sk-2"));
    assert_ne!(hash(&config(""), "sk-1"), hash(&versioned, "sk-1"));
}
