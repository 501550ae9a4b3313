//! The commands over an API server that is a function: what is asked of it, and what is printed.

#![cfg(test)]

#[path = "commands/create.rs"]
mod create;
#[path = "commands/invites.rs"]
mod invites;
#[path = "commands/keys.rs"]
mod keys;

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use anyray_kubectl::{
    cli::Options,
    failure::{Failure, with_causes},
    run,
    screen::Screen,
    session::Session,
};
use clap::Parser as _;
use http_body_util::BodyExt as _;
use kube::{Client, client::Body};
use serde_json::{Value, json};

const NOW: &str = "2026-01-31T12:00:00Z";
const HASH: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const INVITES: &str = "/apis/anyray.ai/v1alpha1/namespaces/llm/invites";
const KEYS: &str = "/apis/anyray.ai/v1alpha1/namespaces/llm/clientkeys";
const GATEWAYS: &str = "/apis/anyray.ai/v1alpha1/namespaces/llm/anyraygateways";

/// What was asked: method, path with query, body.
#[derive(Clone, Debug)]
struct Asked {
    call: String,
    body: String,
}

/// What a command did.
#[derive(Debug)]
struct Done {
    asked: Vec<Asked>,
    out: String,
    notes: String,
    result: Result<(), Failure>,
}

impl Done {
    fn failure(&self) -> String {
        with_causes(self.result.as_ref().expect_err("a failure"))
    }

    fn calls(&self) -> Vec<&str> {
        self.asked.iter().map(|asked| asked.call.as_str()).collect()
    }
}

/// Status and body for a call such as `GET /path`; for null, the body that was sent comes back.
type Answer = (u16, Value);

async fn execute(arguments: &str, answers: &[(&str, Answer)]) -> Done {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let known: Vec<(String, Answer)> = answers
        .iter()
        .map(|(call, answer)| ((*call).to_owned(), answer.clone()))
        .collect();
    let log = Arc::clone(&asked);
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let (log, known) = (Arc::clone(&log), known.clone());
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.expect("a body").to_bytes();
            let path = parts.uri.path();
            let exact = format!("{} {path}", parts.method);
            let found = known.iter().find(|(call, _)| *call == exact);
            let (status, answer) = found.map_or_else(
                || (404, json!("404 page not found")),
                |(_, answer)| answer.clone(),
            );
            let query = parts.uri.query().unwrap_or_default();
            log.lock().expect("no panic").push(Asked {
                call: format!("{exact}?{query}"),
                body: String::from_utf8(body.to_vec()).expect("text"),
            });
            let answer = match answer {
                Value::Null => body.to_vec(),
                Value::String(text) => text.into_bytes(),
                other => other.to_string().into_bytes(),
            };
            let answer = http::Response::builder()
                .status(status)
                .body(Body::from(answer));
            Ok::<_, Infallible>(answer.expect("an answer"))
        }
    });
    let session = Session::new(Client::new(service, "llm"), "llm".to_owned());
    let arguments = ["kubectl-anyray"].into_iter().chain(arguments.split(' '));
    let options = Options::try_parse_from(arguments).expect("arguments");
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let now = NOW.parse().expect("a time");
    let result = {
        let mut screen = Screen::new(&mut out, &mut notes);
        run::execute(&options.command, &session, now, &mut screen).await
    };
    let asked = asked.lock().expect("no panic").clone();
    Done {
        asked,
        out: String::from_utf8(out).expect("text"),
        notes: String::from_utf8(notes).expect("text"),
        result,
    }
}

fn list(items: &[Value]) -> Answer {
    let metadata = json!({ "resourceVersion": "1" });
    (
        200,
        json!({ "apiVersion": "v1", "kind": "List", "metadata": metadata, "items": items }),
    )
}

fn refusal(code: u16, reason: &str, kind: &str) -> Answer {
    let message = format!("the server says {reason}");
    let details = json!({ "kind": kind, "name": "x" });
    (
        code,
        json!({
            "apiVersion": "v1", "kind": "Status", "status": "Failure",
            "code": code, "reason": reason, "message": message, "details": details,
        }),
    )
}

fn gateway(name: &str, status: &Value) -> Value {
    json!({
        "apiVersion": "anyray.ai/v1alpha1",
        "kind": "AnyrayGateway",
        "metadata": { "name": name, "namespace": "llm" },
        "spec": {},
        "status": status,
    })
}

fn invite(name: &str, spec: &Value, status: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "anyray.ai/v1alpha1",
        "kind": "Invite",
        "metadata": {
            "name": name, "namespace": "llm", "uid": "u-1",
            "creationTimestamp": "2026-01-31T10:00:00Z",
            "managedFields": [{ "manager": "x" }],
        },
        "spec": { "gatewayRef": { "name": "team-a" }, "user": "alice@example.com" },
        "status": status,
    });
    merge(&mut object["spec"], spec);
    object
}

fn key(name: &str, spec: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "anyray.ai/v1alpha1",
        "kind": "ClientKey",
        "metadata": {
            "name": name, "namespace": "llm", "uid": "u-2",
            "creationTimestamp": "2026-01-30T12:00:00Z",
        },
        "spec": {
            "gatewayRef": { "name": "team-a" },
            "user": "alice@example.com",
            "key": { "id": "0123456789ab", "hash": HASH },
        },
    });
    merge(&mut object["spec"], spec);
    object
}

fn merge(object: &mut Value, part: &Value) {
    for (name, value) in part.as_object().expect("an object") {
        object[name] = value.clone();
    }
}

fn redemption() -> Value {
    json!({ "redemption": {
        "keyId": "0123456789ab", "clientKeyName": "ck-0123456789ab",
        "at": "2026-01-31T11:00:00Z", "by": "team-a-0",
    } })
}
