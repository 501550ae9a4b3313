//! How long a token is used, what asks for the next one, and what a token service is told.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use anyray_providers as providers;
use anyray_wire::gateway_config::{
    CredentialKind, Endpoint,
    credential::{self, Content},
    egress::EgressRule,
    endpoint::CheckedEndpoint,
};
use http::uri::{Authority, Scheme};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::{
    exchange::{DEFAULT_LIFE, entra_form},
    *,
};
use crate::config::{
    Files,
    credential::{Credential, TokenClient},
};

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

async fn end_of_renewal(source: &TokenSource) {
    let mut renewal = source.renewal.lock().expect("locked").clone();
    let ended = renewal.wait_for(Option::is_some).await;
    ended.expect("an exchange that ends");
}

async fn get(
    source: &Arc<TokenSource>,
    key: &ProviderKey,
    now: SystemTime,
) -> Result<HeaderValue, GatewayError> {
    source.get(key, now).await
}

fn source(url: &CheckedEndpoint, file: &str) -> Arc<TokenSource> {
    Arc::new(TokenSource::new(grant(url, file)))
}

fn grant(url: &CheckedEndpoint, file: &str) -> Arc<TokenGrant> {
    let content = credential::check(CredentialKind::EntraClient, file.as_bytes());
    let Ok(Content::EntraClient(client)) = content else {
        panic!("no client: {content:?}");
    };
    let grant = TokenGrant::new(TokenClient::Entra(client), file.as_bytes(), url);
    Arc::new(grant.expect("a grant"))
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
    let now = SystemTime::now();
    let all = (0..20).map(|_| get(&source, &key, now));
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
    let start = SystemTime::now();
    for (seconds, exchanges) in [(0, 1), (3000, 1), (3400, 2), (6000, 2), (9000, 3)] {
        let now = start + Duration::from_secs(seconds);
        get(&source, &key, now).await.expect("a token");
        end_of_renewal(&source).await;
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
        let now = SystemTime::now();
        let all = (0..20).map(|_| get(&source, &key, now));
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
    let late = now + Duration::from_secs(3500);
    let token = get(&source, &key, late).await;
    assert_eq!(token, Ok(HeaderValue::from_static("Bearer old")));
    end_of_renewal(&source).await;
    let over = now + Duration::from_secs(3595);
    let token = get(&source, &key, over).await;
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

/// A configuration with a key for each of these files.
fn config(url: &CheckedEndpoint, files: &[&str]) -> Snapshot {
    let text = br#"{"schemaVersion":1,"auth":{"clientKeys":"Optional"}}"#.to_vec();
    let files = files.iter();
    let keys = files.map(|file| {
        Arc::new(ProviderKey {
            credential: Some(Credential::Token(grant(url, file))),
            ..key(url)
        })
    });
    let parsed = Files {
        config: text,
        index: None,
        secrets: BTreeMap::new(),
    }
    .parse();
    Snapshot {
        keys: keys.collect(),
        ..parsed.expect("a configuration")
    }
}

#[test]
fn a_token_outlives_reloads_with_the_same_credential_only() {
    let now = SystemTime::now();
    let other = CLIENT.replace("s3cret", "other");
    let tokens = TokenSources::default();
    let usable = |url: &CheckedEndpoint, file: &str| {
        let source = tokens.source(&grant(url, file));
        source.usable(now, EXPIRY_MARGIN)
    };
    keep(
        &tokens.source(&grant(&nowhere(), CLIENT)),
        "Bearer old",
        now,
        3600,
    );
    tokens.retain(&config(&nowhere(), &[CLIENT, &other]));
    assert!(usable(&nowhere(), CLIENT).is_some());
    assert_eq!(usable(&nowhere(), &other), None);
    assert_eq!(usable(&at("https://login.example"), CLIENT), None);

    tokens.retain(&config(&nowhere(), &[&other]));
    assert_eq!(usable(&nowhere(), CLIENT), None);
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
    let url = source.grant.url.to_string();
    assert_eq!(
        url,
        "https://login.example/base/acme.example/oauth2/v2.0/token"
    );
    let TokenClient::Entra(client) = &source.grant.client else {
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

#[tokio::test]
async fn any_life_of_a_token_is_taken_and_bounded() {
    const DAY: u64 = 24 * 3600;
    for (expires_in, seconds) in [
        ("3599", 3599),
        ("3599.9", 3599),
        ("\"3599\"", 3599),
        ("null", DEFAULT_LIFE.as_secs()),
        ("0", 0),
        ("-1", 0),
        ("86401", DAY),
        ("18446744073709551615", DAY),
        ("99999999999999999999999", DAY),
        ("1e300", DAY),
    ] {
        let body = format!(r#"{{"access_token":"t1","expires_in":{expires_in}}}"#);
        let service = Service::start("200 OK", body.leak()).await;
        let (source, key) = (source(&service.url, CLIENT), key(&service.url));
        let now = SystemTime::now();
        let token = get(&source, &key, now).await;
        assert_eq!(
            token,
            Ok(HeaderValue::from_static("Bearer t1")),
            "{expires_in}"
        );
        let kept = source.current.load_full().expect("kept");
        let life = kept.until.duration_since(now).expect("later");
        assert_eq!(life, Duration::from_secs(seconds), "{expires_in}");
    }
}

#[tokio::test]
async fn an_answer_without_a_usable_token_is_none() {
    for body in [
        r#"{"access_token":"","expires_in":3600}"#,
        r#"{"access_token":"t1","expires_in":"soon"}"#,
        r#"{"access_token":"t1","expires_in":"NaN"}"#,
        r#"{"expires_in":3600}"#,
    ] {
        let service = Service::start("200 OK", body).await;
        let (source, key) = (source(&service.url, CLIENT), key(&service.url));
        let answer = get(&source, &key, SystemTime::now()).await;
        let provider = "azure-openai";
        let expected = Err(GatewayError::TokenUnavailable { provider });
        assert_eq!(answer, expected, "{body}");
    }
}

/// Adversarial test, finding 8: a waiter behind callers that gave up waited for each one's turn.
#[tokio::test]
async fn callers_that_leave_do_not_prolong_the_wait_of_others() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let url = at(&format!("http://{address}"));
    let (source, key) = (source(&url, CLIENT), key(&url));
    let now = SystemTime::now();
    let patience = |seconds| timeout(Duration::from_secs(seconds), get(&source, &key, now));
    let silent_service = async {
        let connection = listener.accept().await.expect("a connection");
        tokio::time::pause();
        std::future::pending::<()>().await;
        drop(connection);
    };
    let start = Instant::now();
    let waiters = async { tokio::join!(patience(3), patience(6), patience(9), patience(60)) };
    let answers = tokio::select! {
        answers = waiters => answers,
        () = silent_service => panic!("the service ends"),
    };
    let provider = "azure-openai";
    assert_eq!(
        answers.3,
        Ok(Err(GatewayError::TokenUnavailable { provider }))
    );
    let waited = start.elapsed();
    assert!(
        waited <= EXCHANGE_TIME + Duration::from_secs(1),
        "{waited:?}"
    );
}

fn at(url: &str) -> CheckedEndpoint {
    let egress = Arc::clone(&transport().egress);
    anyray_wire::gateway_config::endpoint::check_url(url, true, &egress).expect("a URL")
}

fn google_url(token_uri: &str) -> String {
    let key = include_str!("../../../../wire/src/gateway_config/credential/test-key.pem");
    let file = serde_json::json!({
        "type": "service_account",
        "client_email": "a@acme-1.iam.gserviceaccount.com",
        "private_key_id": "1",
        "private_key": key,
        "token_uri": token_uri,
    });
    let file = file.to_string();
    let content = credential::check(CredentialKind::GoogleServiceAccount, file.as_bytes());
    let Ok(Content::GoogleServiceAccount(account)) = content else {
        panic!("no account: {content:?}");
    };
    let client = TokenClient::Google(account);
    let grant = TokenGrant::new(client, file.as_bytes(), &at(token_uri));
    grant.expect("a grant").url.to_string()
}

#[test]
fn a_service_account_is_exchanged_at_exactly_what_its_file_names() {
    for (token_uri, expected) in [
        ("https://sts.example/token", "https://sts.example/token"),
        ("https://sts.example/token/", "https://sts.example/token/"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/"),
        ("https://sts.example/", "https://sts.example/"),
    ] {
        assert_eq!(google_url(token_uri), expected);
    }
}

/// The cause that the log names after an exchange that failed.
async fn cause(url: &CheckedEndpoint, transport: &Transport) -> (String, GatewayError) {
    let source = source(url, CLIENT);
    let key = ProviderKey {
        transport: Arc::new(transport.clone()),
        ..key(url)
    };
    let answer = get(&source, &key, SystemTime::now()).await;
    let error = answer.expect_err("no token");
    let renewal = source.renewal.lock().expect("locked").clone();
    let outcome = renewal.borrow().clone();
    let failure = outcome.expect("ended").expect_err("failed");
    (failure.fault.to_string(), error)
}

#[tokio::test]
async fn the_cause_of_a_failure_is_named() {
    for (status, body, expected) in [
        (
            "401 Unauthorized",
            "",
            "the service refuses the credential with status 401",
        ),
        ("500 Oh", "", "the service answers with status 500"),
        ("302 Found", "", "the service answers with status 302"),
        (
            "200 OK",
            "<html>",
            "the answer is unreadable, or holds no token",
        ),
        ("no HTTP", "", "the connection closed without an answer"),
    ] {
        let service = Service::start(status, body).await;
        let (found, _) = cause(&service.url, &transport()).await;
        assert_eq!(found, expected, "{status}");
    }
    let (found, _) = cause(&at("http://127.0.0.1:1"), &transport()).await;
    assert!(found.starts_with("no connection: refused"), "{found}");
}

#[tokio::test]
async fn a_token_service_that_egress_does_not_allow_is_told_as_such() {
    let closed = Transport {
        egress: Arc::default(),
        ..transport()
    };
    let (found, error) = cause(&at("http://localhost:1"), &closed).await;
    assert_eq!(found, "egress does not allow its address");
    let provider = "azure-openai";
    assert_eq!(error, GatewayError::EgressRefused { provider });
}

#[tokio::test]
async fn an_old_token_that_is_good_waits_for_no_service() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = at(&format!("http://{}", listener.local_addr().expect("bound")));
    let (source, key) = (source(&url, CLIENT), key(&url));
    let now = SystemTime::now();
    keep(&source, "Bearer old", now, 3600);
    let late = now + Duration::from_secs(3500);
    let token = futures::FutureExt::now_or_never(get(&source, &key, late));
    assert_eq!(token, Some(Ok(HeaderValue::from_static("Bearer old"))));
    listener
        .accept()
        .await
        .expect("the next token is asked for");
}

#[tokio::test]
async fn an_exchange_outlives_the_caller_that_began_it() {
    let service = Service::start("200 OK", HOUR).await;
    let (source, key) = (source(&service.url, CLIENT), key(&service.url));
    let now = SystemTime::now();
    let left = futures::FutureExt::now_or_never(get(&source, &key, now));
    assert_eq!(left, None);
    end_of_renewal(&source).await;
    get(&source, &key, now).await.expect("a token");
    assert_eq!(service.count(), 1);
}

/// A runtime that ends takes its tasks along.
#[test]
fn an_exchange_that_broke_off_is_followed_by_another() {
    let start = || {
        let runtime = tokio::runtime::Builder::new_current_thread();
        { runtime }.enable_all().build().expect("a runtime")
    };
    let ended = start();
    let service = start();
    let service_url = service.block_on(Service::start("200 OK", HOUR)).url;
    let (source, key) = (source(&service_url, CLIENT), key(&service_url));
    let now = SystemTime::now();
    let left = ended.block_on(async { futures::FutureExt::now_or_never(get(&source, &key, now)) });
    assert_eq!(left, None);
    drop(ended);
    let token = service.block_on(get(&source, &key, now));
    assert_eq!(token, Ok(HeaderValue::from_static("Bearer t1")));
}
