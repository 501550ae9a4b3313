//! The front door as callers and administrators meet it, with a folder as its store.

use std::{fs, path::Path};

use anyray_wire::anyray::credential::{
    CredentialDigest, KeyId, read_client_key, write_client_key, write_invite_code,
};
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::BodyExt as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::{runtime::Handle, sync::Notify};
use tower_service::Service as _;

use super::*;
use crate::{
    access::{
        callers::{Callers, Names},
        store::files::FileStore,
    },
    accounting::{log_buffer::LogBuffer, metrics::Metrics},
    config::{self, Snapshot},
    outbound::upstream::Upstreams,
    pipeline::state::App,
};

mod admin_tests;
mod body_tests;
mod connect_tests;
mod timing_tests;

const TOKEN: &str = "ar-adm-0123456789";
const PUBLIC_HOST: &str = "llm.example.com";

/// A gateway whose only provider refuses every connection.
struct Gateway {
    folder: TempDir,
    app: Arc<App>,
    worker: Arc<Worker>,
    router: Router,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    fn code(&self) -> String {
        let json = self.json();
        json["error"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    fn message(&self) -> String {
        let json = self.json();
        json["error"]["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// A request for the admin API, or another one.
struct Ask {
    method: Method,
    path: String,
    host: String,
    authorization: Option<String>,
    body: String,
}

impl Ask {
    fn new(method: Method, path: &str) -> Self {
        Self {
            method,
            path: path.to_owned(),
            host: "localhost:8787".to_owned(),
            authorization: None,
            body: String::new(),
        }
    }

    fn with_token(self, token: &str) -> Self {
        let authorization = Some(format!("Bearer {token}"));
        Self {
            authorization,
            ..self
        }
    }

    fn with_body(self, body: &impl ToString) -> Self {
        let body = body.to_string();
        Self { body, ..self }
    }

    fn by_host(self, host: &str) -> Self {
        let host = host.to_owned();
        Self { host, ..self }
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("no object: {other}"),
    }
}

/// What `gateway.json` says, with the admin token of this file.
fn config_text(admin: &str) -> String {
    format!(
        r#"{{"schemaVersion":1,"auth":{{}},{admin}
        "egress":{{"allowPrivateAddresses":true}},
        "providerKeys":[{{"name":"a","provider":"openai","credential":{{"file":"key"}},
        "endpoint":{{"url":"http://127.0.0.1:1/v1","allowInsecure":true}}}}]}}"#
    )
}

const ADMIN: &str = r#""admin":{"credential":{"file":"admin"}},"#;

fn load(folder: &Path, admin: &str, token: &str) -> Snapshot {
    fs::write(folder.join("gateway.json"), config_text(admin)).expect("written");
    fs::write(folder.join("key"), "sk-1").expect("written");
    fs::write(folder.join("admin"), token).expect("written");
    config::load(folder).expect("a configuration").0
}

impl Gateway {
    fn new() -> Self {
        Self::with_config(ADMIN, true)
    }

    fn with_config(admin: &str, has_store: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let snapshot = load(folder.path(), admin, TOKEN);
        let callers = has_store.then(|| {
            let store = FileStore::open(&folder.path().join("keys")).expect("a store");
            let names = Names {
                gateway: "local".to_owned(),
                replica: "replica".to_owned(),
            };
            let access = Arc::default();
            Callers::new(Arc::new(store), access, names, None, Handle::current())
        });
        let metrics = Metrics::new(Default::default());
        let app = App::new(snapshot, callers, metrics, 0, Timestamp::UNIX_EPOCH);
        let worker = Arc::new(Worker {
            app: Arc::clone(&app),
            upstreams: Upstreams::default(),
            log: LogBuffer::new(Default::default()),
            count: 1,
            connection_closed: Notify::new(),
        });
        Self {
            folder,
            app,
            router: router(Arc::clone(&worker)),
            worker,
        }
    }

    async fn ask(&self, ask: Ask) -> Answer {
        let mut request = Request::builder()
            .method(ask.method)
            .uri(ask.path)
            .header(header::HOST, ask.host);
        if let Some(authorization) = ask.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request.body(Body::from(ask.body)).expect("a request");
        let response = self.router.clone().call(request).await;
        let Ok(response) = response;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    /// As somebody who holds the admin token.
    async fn admin(&self, method: Method, path: &str) -> Answer {
        self.ask(Ask::new(method, path).with_token(TOKEN)).await
    }

    async fn post(&self, path: &str, body: &impl ToString) -> Answer {
        let ask = Ask::new(Method::POST, path).with_token(TOKEN);
        self.ask(ask.with_body(body)).await
    }

    /// The code of a client key that calls the provider: 502 and this code, once it was let in.
    async fn call_with(&self, key: &str) -> String {
        let ask = Ask::new(Method::POST, "/v1/embeddings").with_token(key);
        self.ask(ask.with_body(&r#"{"model":"m"}"#)).await.code()
    }

    /// Writes an invite as a person would, with the code that these bytes make.
    fn write_invite(&self, name: &str, byte: u8, more: Value) -> String {
        let code = write_invite_code(&[byte; 32]);
        let mut invite = json!({
            "apiVersion": "anyray.ai/v1alpha1", "kind": "Invite",
            "metadata": { "name": name, "creationTimestamp": Timestamp::now().to_string() },
            "spec": {
                "gatewayRef": { "name": "local" }, "user": "ada@example.com",
                "codeHash": CredentialDigest::of(&code),
            },
        });
        let spec = invite["spec"].as_object_mut().expect("an object");
        spec.extend(object(more));
        let path = format!("keys/invites/{name}.json");
        fs::write(self.folder.path().join(path), invite.to_string()).expect("written");
        code
    }
}

/// What callers get once they were let in.
const LET_IN: &str = "upstream_unreachable";
