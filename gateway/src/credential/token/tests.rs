//! How long a token is used, what asks for the next one, and what a token service is told.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyray_providers as providers;
use anyray_wire::gateway_config::{
    Endpoint,
    credential::{self, Content},
    egress::EgressRule,
};
use http::uri::{Authority, Scheme};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;

const CLIENT: &str = r#"{"tenantId":"acme.example","clientId":"app","clientSecret":"s3cret&more"}"#;

/// A token service on loopback that gives every exchange the same answer.
struct Service {
    url: CheckedEndpoint,
    exchanges: Arc<AtomicUsize>,
}

impl Service {
    async fn start(status: &'static str, body: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let exchanges = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&exchanges);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 4096];
                // The form is small and comes with its head or right behind it.
                let mut text = String::new();
                while !text.contains("client_secret=") {
                    let length = stream.read(&mut request).await.unwrap_or(0);
                    assert!(length > 0, "the request ends early: {text}");
                    text.push_str(&String::from_utf8_lossy(&request[..length]));
                }
                count.fetch_add(1, Ordering::Relaxed);
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
                );
                stream.write_all(answer.as_bytes()).await.expect("written");
            }
        });
        Self {
            url: CheckedEndpoint {
                scheme: Scheme::HTTP,
                authority: Authority::try_from(address.to_string()).expect("an authority"),
                path: String::new(),
            },
            exchanges,
        }
    }

    fn count(&self) -> usize {
        self.exchanges.load(Ordering::Relaxed)
    }
}

fn transport() -> Transport {
    let egress = anyray_wire::gateway_config::Egress {
        allowed_networks: vec!["127.0.0.0/8".to_owned()],
        ..Default::default()
    };
    Transport {
        ca_bundle: None,
        egress: Arc::new(EgressRule::from_config(&egress).expect("a rule")),
        connect_timeout: Duration::from_secs(1),
    }
}

fn source(url: &CheckedEndpoint, file: &str) -> TokenSource {
    let content = credential::check(CredentialKind::EntraClient, file.as_bytes());
    let Ok(Content::EntraClient(client)) = content else {
        panic!("no client: {content:?}");
    };
    TokenSource::new(Grant::Entra(client), file.as_bytes(), url, &transport())
}

fn key(url: &CheckedEndpoint) -> ProviderKey {
    ProviderKey {
        name: "main".to_owned(),
        provider: providers::find("azure-openai").expect("known"),
        credential: None,
        endpoint: Endpoint::default(),
        scheme: url.scheme.clone(),
        authority: url.authority.clone(),
        base_path: String::new(),
        transport: Arc::new(transport()),
    }
}

const HOUR: &str = r#"{"access_token":"t1","expires_in":3600,"token_type":"Bearer"}"#;

#[tokio::test]
async fn one_exchange_serves_all_who_wait_and_all_who_come_later() {
    let service = Service::start("200 OK", HOUR).await;
    let (source, key) = (source(&service.url, CLIENT), key(&service.url));
    let upstreams = Upstreams::default();
    let now = SystemTime::now();
    let all = (0..20).map(|_| source.get(&key, &upstreams, now));
    for token in futures::future::join_all(all).await {
        let token = token.expect("a token");
        assert_eq!(token, "Bearer t1");
        assert!(token.is_sensitive());
    }
    assert_eq!(service.count(), 1);
}

#[tokio::test]
async fn a_token_is_replaced_before_its_end_and_not_used_at_it() {
    let service = Service::start("200 OK", HOUR).await;
    let (source, key) = (source(&service.url, CLIENT), key(&service.url));
    let upstreams = Upstreams::default();
    let start = SystemTime::now();
    for (seconds, exchanges) in [(0, 1), (3000, 1), (3400, 2), (6000, 2), (9000, 3)] {
        let now = start + Duration::from_secs(seconds);
        source.get(&key, &upstreams, now).await.expect("a token");
        assert_eq!(service.count(), exchanges, "after {seconds} s");
    }
}

#[tokio::test]
async fn a_refused_client_is_told_from_a_service_that_is_down() {
    for (status, body, is_refused) in [
        ("401 Unauthorized", r#"{"error":"invalid_client"}"#, true),
        ("400 Bad Request", r#"{"error":"invalid_grant"}"#, true),
        ("503 Service Unavailable", "", false),
        ("200 OK", "<html>", false),
        ("200 OK", r#"{"access_token":"two\nlines"}"#, false),
    ] {
        let service = Service::start(status, body).await;
        let (source, key) = (source(&service.url, CLIENT), key(&service.url));
        let upstreams = Upstreams::default();
        let now = SystemTime::now();
        let all = (0..20).map(|_| source.get(&key, &upstreams, now));
        let provider = "azure-openai";
        let expected = if is_refused {
            GatewayError::CredentialRefused {
                provider,
                name: "main".into(),
            }
        } else {
            GatewayError::TokenUnavailable { provider }
        };
        for answer in futures::future::join_all(all).await {
            assert_eq!(answer, Err(expected.clone()), "{status} {body}");
        }
        assert_eq!(service.count(), 1, "each waiter asked again: {status}");
    }
}

#[tokio::test]
async fn while_the_service_is_down_the_old_token_goes_on_to_its_end() {
    let service = Service::start("503 Service Unavailable", "").await;
    let (source, key) = (source(&service.url, CLIENT), key(&service.url));
    let now = SystemTime::now();
    keep(&source, "Bearer old", now, 3600);
    let upstreams = Upstreams::default();
    let late = now + Duration::from_secs(3500);
    let token = source.get(&key, &upstreams, late).await;
    assert_eq!(token, Ok(HeaderValue::from_static("Bearer old")));
    let over = now + Duration::from_secs(3595);
    let token = source.get(&key, &upstreams, over).await;
    let provider = "azure-openai";
    assert_eq!(token, Err(GatewayError::TokenUnavailable { provider }));
}

fn keep(source: &TokenSource, header: &'static str, from: SystemTime, life: u64) {
    source.current.store(Some(Arc::new(Token {
        header: HeaderValue::from_static(header),
        from,
        until: from + Duration::from_secs(life),
    })));
}

fn nowhere() -> CheckedEndpoint {
    CheckedEndpoint {
        scheme: Scheme::HTTPS,
        authority: Authority::from_static("login.example"),
        path: "/base".to_owned(),
    }
}

#[test]
fn a_token_outlives_a_reload_of_the_same_credential_only() {
    let now = SystemTime::now();
    let before = source(&nowhere(), CLIENT);
    keep(&before, "Bearer old", now, 3600);
    for (file, is_kept) in [
        (CLIENT.to_owned(), true),
        (CLIENT.replace("s3cret", "other"), false),
    ] {
        let after = source(&nowhere(), &file);
        after.adopt(&before);
        let usable = after.usable(now, EXPIRY_MARGIN).is_some();
        assert_eq!(usable, is_kept, "{file}");
    }
}

#[test]
fn a_refused_token_is_forgotten_unless_it_is_new() {
    let now = SystemTime::now();
    for (age, is_kept) in [(0, true), (29, true), (30, false), (3000, false)] {
        let source = source(&nowhere(), CLIENT);
        keep(&source, "Bearer old", now - Duration::from_secs(age), 3600);
        source.forget(now);
        assert_eq!(source.current.load().is_some(), is_kept, "{age} s old");
    }
}

#[test]
fn short_lives_are_used_by_half() {
    let now = SystemTime::now();
    let source = source(&nowhere(), CLIENT);
    keep(&source, "Bearer short", now, 60);
    let usable = |seconds| {
        let later = now + Duration::from_secs(seconds);
        source.usable(later, REFRESH_BEFORE).is_some()
    };
    assert!(usable(0) && usable(29) && !usable(31));
}

#[test]
fn a_client_of_entra_is_exchanged_at_its_tenant() {
    let source = source(&nowhere(), CLIENT);
    let url = source.url.to_string();
    assert_eq!(
        url,
        "https://login.example/base/acme.example/oauth2/v2.0/token"
    );
    let Grant::Entra(client) = &source.grant else {
        panic!("another grant");
    };
    let form = entra_form(client);
    for field in [
        "grant_type=client%5Fcredentials",
        "client_id=app",
        "client_secret=s3cret%26more",
        "scope=https%3A%2F%2Fcognitiveservices%2Eazure%2Ecom%2F%2Edefault",
    ] {
        assert!(form.split('&').any(|own| own == field), "{form}");
    }
    assert!(!format!("{source:?}").contains("s3cret"));
}
