//! Who gets a request, for every combination of what decides.

use std::{sync::LazyLock, time::Duration};

use anyray_providers::Operation;
use anyray_wire::{
    Dialect,
    gateway_config::{ClientKeys, Limits, egress::EgressRule},
};
use http::{HeaderValue, header::AUTHORIZATION, uri::Scheme};

use super::*;
use crate::{
    config::{
        credential::Credential,
        snapshot::{CustomHost, ModelRule, Timeouts},
        transport::Transport,
    },
    inbound::passthrough,
};

/// A key with a secret, or a public endpoint, which has no name.
fn key(name: &str, provider: &str) -> Arc<ProviderKey> {
    build_key(name, provider, (!name.is_empty()).then_some("sk"))
}

fn build_key(name: &str, provider: &str, secret: Option<&str>) -> Arc<ProviderKey> {
    Arc::new(ProviderKey {
        name: name.to_owned(),
        provider: providers::find(provider).expect("known provider"),
        credential: secret.map(|secret| Credential::ApiKey(secret.into())),
        endpoint: Endpoint::default(),
        scheme: Scheme::HTTPS,
        authority: "host".parse().expect("authority"),
        base_path: String::new(),
        transport: Arc::new(Transport {
            ca_bundle: None,
            egress: Arc::new(EgressRule::default()),
            connect_timeout: Duration::from_secs(1),
        }),
    })
}

/// Two keys per name prefix, and rules `gpt-*` and `claude-*` to the second one of each.
fn config(providers: &[&str]) -> Snapshot {
    let keys: Vec<_> = providers
        .iter()
        .flat_map(|slug| {
            [
                key(&format!("{slug}-1"), slug),
                key(&format!("{slug}-2"), slug),
            ]
        })
        .collect();
    let second = |slug: &str| {
        keys.iter()
            .find(|key| key.name == format!("{slug}-2"))
            .cloned()
    };
    let rules = [
        ("gpt-*", second("openai")),
        ("claude-*", second("anthropic")),
    ];
    Snapshot {
        hash: String::new(),
        is_indexed: false,
        client_keys: ClientKeys::Optional,
        subscription_passthrough: false,
        admin: None,
        custom_hosts: Vec::new(),
        model_rules: rules
            .into_iter()
            .filter_map(|(pattern, key)| {
                Some(ModelRule {
                    pattern: pattern.to_owned(),
                    key: Ok(key?),
                })
            })
            .collect(),
        public_endpoints: providers::ALL.iter().map(|p| key("", p.slug())).collect(),
        keys,
        passthrough_paths: Vec::new(),
        limits: Limits::default(),
        timeouts: Timeouts {
            first_byte: Duration::from_secs(1),
            idle: Duration::from_secs(1),
            total: None,
            request_body: Duration::from_secs(1),
            ping: Duration::from_secs(1),
        },
        access_log: false,
    }
}

fn inbound(dialect: Dialect) -> Inbound {
    let operation = if dialect == MESSAGES {
        Operation::Messages
    } else {
        Operation::ChatCompletions
    };
    Inbound {
        operation,
        dialect,
        native: None,
        path_model: None,
        path: String::new(),
    }
}

fn route<'a>(provider: Option<&str>, model: Option<&'a str>) -> RouteRequest<'a> {
    let provider = provider.map(|slug| providers::find(slug).expect("known provider"));
    RouteRequest {
        provider,
        model,
        credential: None,
        passthrough: None,
    }
}

/// A caller's own credential.
fn own_credential() -> &'static CallerCredential {
    static OWN: LazyLock<CallerCredential> = LazyLock::new(|| CallerCredential {
        header: AUTHORIZATION,
        value: HeaderValue::from_static("Bearer sk-own"),
    });
    &OWN
}

/// The same request from a caller who brings a credential of their own.
fn with_own(mut request: RouteRequest<'_>) -> RouteRequest<'_> {
    request.credential = Some(own_credential());
    request
}

/// Takes the secrets of these keys away.
fn suspend(config: &mut Snapshot, names: &[&str]) {
    let suspended = |key: &Arc<ProviderKey>| {
        let provider = key.provider;
        let named = names.contains(&key.name.as_str());
        named.then(|| build_key(&key.name, provider.slug(), None))
    };
    let rules = config.model_rules.iter_mut();
    let rules = rules.filter_map(|rule| rule.key.as_mut().ok());
    for key in config.keys.iter_mut().chain(rules) {
        if let Some(without) = suspended(key) {
            *key = without;
        }
    }
}

fn chosen(
    dialect: Dialect,
    request: RouteRequest<'_>,
    config: &Snapshot,
) -> Result<String, GatewayError> {
    plan(&inbound(dialect), &request, config).map(|plan| plan.target.key.name.clone())
}

const CHAT: Dialect = Dialect::OpenAiChat;
const MESSAGES: Dialect = Dialect::AnthropicMessages;

#[test]
fn the_header_beats_the_model_rule_beats_the_path() {
    let both = config(&["openai", "anthropic"]);
    for (dialect, provider, model, expected) in [
        (CHAT, None, None, "openai-1"),
        (CHAT, None, Some("o3"), "openai-1"),
        (CHAT, None, Some("gpt-4o"), "openai-2"),
        (CHAT, Some("openai"), Some("gpt-4o"), "openai-2"),
        (CHAT, Some("openai"), Some("claude-x"), "openai-1"),
        (MESSAGES, None, None, "anthropic-1"),
        (MESSAGES, None, Some("claude-x"), "anthropic-2"),
        (MESSAGES, Some("anthropic"), Some("gpt-4o"), "anthropic-1"),
    ] {
        let chosen = chosen(dialect, route(provider, model), &both);
        assert_eq!(
            chosen.as_deref(),
            Ok(expected),
            "{dialect:?} {provider:?} {model:?}"
        );
    }
}

#[test]
fn a_dialect_that_the_provider_does_not_speak_is_refused() {
    let both = config(&["openai", "anthropic"]);
    let refused = |provider, dialect| {
        let operation = inbound(dialect).operation;
        Err(GatewayError::DialectNotSpoken {
            provider,
            dialect,
            operation,
        })
    };
    assert_eq!(
        chosen(MESSAGES, route(Some("openai"), None), &both),
        refused("openai", MESSAGES)
    );
    assert_eq!(
        chosen(CHAT, route(None, Some("claude-x")), &both),
        refused("anthropic", CHAT)
    );
}

#[test]
fn claude_goes_to_the_clouds_in_their_envelope() {
    let all = config(&["bedrock", "google-vertex-ai"]);
    for (slug, adaptation) in [
        ("bedrock", Adaptation::ClaudeOnBedrock),
        ("vertex-ai", Adaptation::ClaudeOnVertex),
    ] {
        let target = plan(&inbound(MESSAGES), &route(Some(slug), None), &all)
            .expect("a plan")
            .target;
        assert_eq!(target.adaptation, adaptation, "{slug}");
    }
}

#[test]
fn a_providers_own_path_leads_to_that_provider_alone() {
    let all = config(&["openai", "anthropic", "bedrock"]);
    let native = Inbound {
        operation: Operation::InvokeModel,
        native: Some(providers::native(Dialect::BedrockInvoke)),
        ..inbound(Dialect::BedrockInvoke)
    };
    for wanted in [None, Some("bedrock")] {
        // The rule for this model leads to another provider.
        let target = plan(&native, &route(wanted, Some("claude-x")), &all)
            .expect("a plan")
            .target;
        assert_eq!(target.key.name, "bedrock-1");
        assert_eq!(target.adaptation, Adaptation::AsIs);
    }
    let elsewhere = plan(&native, &route(Some("anthropic"), None), &all);
    assert_eq!(
        elsewhere.map(|plan| plan.target.key.name.clone()),
        Err(GatewayError::PathOfOtherProvider {
            provider: "bedrock"
        })
    );
}

#[test]
fn without_a_key_the_callers_own_credential_passes_or_nothing_does() {
    let none = config(&[]);
    let missing = chosen(MESSAGES, route(None, None), &none);
    assert_eq!(
        missing,
        Err(GatewayError::NoProviderKey {
            provider: "anthropic"
        })
    );
    let target = plan(&inbound(CHAT), &with_own(route(None, None)), &none)
        .expect("a plan")
        .target;
    assert!(target.key.credential.is_none() && target.caller_credential.is_some());
    let held = config(&["openai"]);
    let target = plan(&inbound(CHAT), &with_own(route(None, None)), &held)
        .expect("a plan")
        .target;
    assert!(target.key.credential.is_some() && target.caller_credential.is_none());
}

#[test]
fn a_rule_to_a_key_without_a_credential_goes_nowhere_else() {
    let mut both = config(&["openai", "anthropic"]);
    suspend(&mut both, &["openai-2"]);
    let refused = Err(GatewayError::NoCredential {
        name: "openai-2".into(),
    });
    for provider in [None, Some("openai")] {
        let request = with_own(route(provider, Some("gpt-4o")));
        assert_eq!(chosen(CHAT, request, &both), refused, "{provider:?}");
    }
    let unruled = chosen(CHAT, route(None, Some("o3")), &both);
    assert_eq!(unruled.as_deref(), Ok("openai-1"));
}

#[test]
fn the_default_is_the_first_key_with_a_credential() {
    let mut both = config(&["openai", "anthropic"]);
    suspend(&mut both, &["openai-1"]);
    for own in [route(None, None), with_own(route(None, None))] {
        assert_eq!(chosen(CHAT, own, &both).as_deref(), Ok("openai-2"));
    }
}

#[test]
fn where_no_key_of_a_provider_has_a_credential_the_callers_own_does_not_pass() {
    let mut both = config(&["openai", "anthropic"]);
    suspend(&mut both, &["openai-1", "openai-2"]);
    for own in [route(None, None), with_own(route(None, None))] {
        let name = "openai-1".into();
        assert_eq!(
            chosen(CHAT, own, &both),
            Err(GatewayError::NoCredential { name })
        );
    }
    let other = chosen(MESSAGES, route(None, None), &both);
    assert_eq!(other.as_deref(), Ok("anthropic-1"));
}

#[test]
fn a_rule_whose_key_does_not_exist_refuses_every_caller() {
    let mut both = config(&["openai", "anthropic"]);
    both.model_rules.insert(
        0,
        ModelRule {
            pattern: "gpt-*".to_owned(),
            key: Err("gone".into()),
        },
    );
    for dialect in [CHAT, MESSAGES] {
        for provider in [None, Some("anthropic")] {
            let name = "gone".into();
            assert_eq!(
                chosen(dialect, with_own(route(provider, Some("gpt-5"))), &both),
                Err(GatewayError::NoCredential { name })
            );
        }
    }
    let other = chosen(CHAT, route(None, Some("o3")), &both);
    assert_eq!(other.as_deref(), Ok("openai-1"));
}

#[test]
fn listed_paths_go_where_the_caller_says() {
    let both = config(&["openai", "anthropic"]);
    let passing = Inbound {
        operation: Operation::Passthrough,
        ..inbound(CHAT)
    };
    let target = plan(&passing, &route(Some("anthropic"), None), &both)
        .expect("a plan")
        .target;
    assert_eq!(target.key.name, "anthropic-1");
}

#[test]
fn certificates_listed_for_the_public_api_hold_for_subscriptions() {
    let listed = Arc::new(Transport {
        ca_bundle: Some("a certificate".into()),
        egress: Arc::new(EgressRule::default()),
        connect_timeout: Duration::from_secs(1),
    });
    let mut config = config(&["anthropic"]);
    config.subscription_passthrough = true;
    let subscription = || {
        let mut headers = http::HeaderMap::new();
        headers.insert(
            "x-anyray-auth-mode",
            HeaderValue::from_static("passthrough"),
        );
        headers
    };
    let own = with_own(route(None, None)).credential;
    for (name, expected) in [("host", Some("a certificate")), ("other.example.com", None)] {
        config.custom_hosts = vec![CustomHost {
            name: name.to_owned(),
            transport: Arc::clone(&listed),
        }];
        let passthrough = passthrough::read(&subscription(), own, &config);
        let passthrough = passthrough.expect("a subscription");
        let request = RouteRequest {
            passthrough: passthrough.as_ref(),
            ..route(None, None)
        };
        let plan = plan(&inbound(MESSAGES), &request, &config).expect("a plan");
        let target = plan.target;
        let bundle = target.key.transport.ca_bundle.as_deref();
        assert_eq!(bundle, expected, "{name}");
        assert!(!target.is_custom_host);
    }
}
