//! The commands over an API server that is a function: what is asked of it, and what is printed.

#![cfg(test)]

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use anyray_crds::{admission, schema};
use anyray_kubectl::{
    cli::Options,
    failure::{Failure, with_causes},
    run,
    screen::Screen,
    session::Session,
};
use anyray_wire::anyray::credential::{CredentialDigest, check_invite_code, write_invite_code};
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

/// Status and body for a call such as `GET /path`; the body of a request that is created or changed
/// comes back.
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

/// The code of the one line of standard output, and the address.
fn read_command(text: &str) -> (&str, &str) {
    let line = text.strip_suffix('\n').expect("a line");
    let rest = line
        .strip_prefix("npx anyray-connect --gateway ")
        .expect("a command");
    rest.split_once(" --invite ").expect("a code")
}

#[tokio::test]
async fn only_the_hash_of_a_code_reaches_the_cluster() {
    let outside = json!({ "externalAddress": "https://llm.example.com/", "address": "http://team-a.llm.svc:8787" });
    let answers = [
        ("GET", list(&[gateway("team-a", &outside)])),
        ("POST", (201, Value::Null)),
    ];
    let [(_, gateways), (_, created)] = answers;
    let create = format!("POST {INVITES}");
    let done = execute(
        "invite create Alice.B@example.com --team research --ttl 24h --key-expires-after 2160h --model claude-* --provider anthropic --requests-per-minute 60",
        &[(&format!("GET {GATEWAYS}"), gateways), (&create, created)],
    )
    .await;
    done.result.as_ref().expect("created");
    let (address, code) = read_command(&done.out);
    assert_eq!(address, "https://llm.example.com");
    assert_eq!(check_invite_code(code), Ok(()));
    for asked in &done.asked {
        assert!(!asked.body.contains("ari_"), "{}", asked.call);
        assert!(!asked.call.contains("ari_"), "{}", asked.call);
    }
    assert!(!done.notes.contains(code), "{}", done.notes);
    let body: Value = serde_json::from_str(&done.asked[1].body).expect("JSON");
    let digest = CredentialDigest::of(code).to_string();
    assert_eq!(body["spec"]["codeHash"], json!(digest));
    assert_eq!(body["spec"]["ttl"], "86400s");
    let name = body["metadata"]["name"].as_str().expect("a name");
    assert!(name.starts_with("alice-b-") && name.len() == 13, "{name}");
    assert!(
        done.notes.contains(&format!("Invite llm/{name}")),
        "{}",
        done.notes
    );
    // The API server would take it.
    let crds = schema::all();
    let crd = crds.iter().find(|crd| crd.spec.names.kind == "Invite");
    admission::admit(crd.expect("a kind"), &body).expect("accepted");
}

#[tokio::test]
async fn without_an_invite_there_is_no_code_on_the_screen() {
    for answer in [
        refusal(403, "Forbidden", "invites"),
        refusal(409, "AlreadyExists", "invites"),
        refusal(422, "Invalid", "Invite"),
        refusal(500, "InternalError", ""),
        (404, json!("404 page not found")),
    ] {
        let done = execute(
            "invite create alice --gateway team-a --url https://llm.example.com",
            &[(&format!("POST {INVITES}"), answer)],
        )
        .await;
        let told = done.failure();
        assert_eq!(done.out, "");
        assert!(
            !done.notes.contains("ari_") && !told.contains("ari_"),
            "{told}"
        );
        assert_eq!(done.asked.len(), 1, "{:?}", done.calls());
    }
}

#[tokio::test]
async fn a_refusal_names_the_right_that_is_missing() {
    let call = format!("GET {INVITES}");
    let done = execute(
        "invite list",
        &[(&call, refusal(403, "Forbidden", "invites"))],
    )
    .await;
    let told = done.failure();
    for part in ["list invites.anyray.ai in namespace llm", "role edit"] {
        assert!(told.contains(part), "{told}");
    }
}

#[tokio::test]
async fn a_missing_kind_is_told_from_a_missing_object() {
    let done = execute("invite code alice", &[]).await;
    assert!(
        done.failure().contains("does not know the kind Invite"),
        "{}",
        done.failure()
    );
    let call = format!("GET {INVITES}/alice");
    let done = execute(
        "invite code alice",
        &[(&call, refusal(404, "NotFound", "invites"))],
    )
    .await;
    assert!(
        done.failure()
            .contains("get Invite llm/alice: there is none"),
        "{}",
        done.failure()
    );
}

#[tokio::test]
async fn an_address_of_the_cluster_is_noted() {
    let inside = json!({ "address": "http://team-a.llm.svc:8787" });
    let done = execute(
        "invite create alice --gateway team-a",
        &[
            (
                &format!("GET {GATEWAYS}/team-a"),
                (200, gateway("team-a", &inside)),
            ),
            (&format!("POST {INVITES}"), (201, Value::Null)),
        ],
    )
    .await;
    assert_eq!(read_command(&done.out).0, "http://team-a.llm.svc:8787");
    assert!(
        done.notes.contains("only inside the cluster"),
        "{}",
        done.notes
    );
}

#[tokio::test]
async fn a_gateway_is_named_where_there_are_several_or_none() {
    let call = format!("GET {GATEWAYS}");
    for (gateways, expected) in [
        (
            vec!["team-a", "team-b"],
            "name one of team-a, team-b by --gateway",
        ),
        (vec![], "namespace llm has no AnyrayGateway"),
        (vec!["team-a"], "has no address yet"),
    ] {
        let gateways: Vec<_> = gateways
            .iter()
            .map(|name| gateway(name, &json!({})))
            .collect();
        let done = execute("invite create alice", &[(&call, list(&gateways))]).await;
        assert!(done.failure().contains(expected), "{}", done.failure());
    }
}

#[tokio::test]
async fn an_address_that_a_shell_would_read_is_not_printed() {
    let status = json!({ "externalAddress": "https://llm.example.com;ls" });
    let call = format!("GET {GATEWAYS}/team-a");
    let answer = (200, gateway("team-a", &status));
    let done = execute("invite create alice --gateway team-a", &[(&call, answer)]).await;
    assert!(
        done.failure().contains("name it by --url"),
        "{}",
        done.failure()
    );
    assert_eq!(done.out, "");
}

#[tokio::test]
async fn a_dry_run_creates_nothing_and_prints_a_manifest_for_git() {
    let done = execute(
        "invite create alice --gateway team-a --url https://llm.example.com --dry-run --name alice",
        &[],
    )
    .await;
    done.result.as_ref().expect("done");
    assert!(done.asked.is_empty(), "{:?}", done.calls());
    let manifest: Value = serde_saphyr::from_str(&done.out).expect("YAML");
    let command = done
        .notes
        .lines()
        .find(|line| line.starts_with("npx "))
        .expect("a command");
    let code = command.rsplit(' ').next().expect("a code");
    assert_eq!(manifest["spec"]["expiresAt"], "2026-02-03T12:00:00Z");
    assert_eq!(
        manifest["spec"]["codeHash"],
        json!(CredentialDigest::of(code).to_string())
    );
    assert!(!done.out.contains("ari_"), "{}", done.out);
}

#[tokio::test]
async fn an_end_in_the_past_is_a_usage_error() {
    let done = execute("invite create alice --expires-at 2026-01-31T12:00:00Z", &[]).await;
    assert!(
        matches!(done.result, Err(Failure::Usage(_))),
        "{:?}",
        done.result
    );
}

#[tokio::test]
async fn invites_are_listed_by_the_clock() {
    let issued = json!({ "codeHash": HASH });
    let items = [
        invite(
            "alice",
            &json!({ "codeHash": HASH, "team": "research" }),
            &issued,
        ),
        invite(
            "bob",
            &json!({ "codeHash": HASH, "ttl": "1h" }),
            &json!({ "state": "Issued" }),
        ),
        invite("carol", &json!({ "codeHash": HASH }), &redemption()),
    ];
    let call = format!("GET {INVITES}");
    let done = execute("invite list --gateway team-a", &[(&call, list(&items))]).await;
    done.result.as_ref().expect("done");
    assert!(
        done.calls()[0].ends_with("fieldSelector=spec.gatewayRef.name%3Dteam-a"),
        "{:?}",
        done.calls()
    );
    let expected = "\
NAME    USER                TEAM       GATEWAY   STATE      EXPIRES                KEY            AGE
alice   alice@example.com   research   team-a    Issued     2026-02-03T10:00:00Z   -              2h
bob     alice@example.com   -          team-a    Expired    2026-01-31T11:00:00Z   -              2h
carol   alice@example.com   -          team-a    Redeemed   2026-02-03T10:00:00Z   0123456789ab   2h
";
    assert_eq!(done.out, expected);
    let done = execute(
        "invite list --state expired -o name",
        &[(&call, list(&items))],
    )
    .await;
    assert_eq!(done.out, "invite.anyray.ai/bob\n");
    let done = execute("invite list --state pending", &[(&call, list(&items))]).await;
    assert_eq!(
        (done.out.as_str(), done.notes.as_str()),
        ("", "No such Invite in namespace llm.\n")
    );
    let done = execute("invite list -o json", &[(&call, list(&items))]).await;
    let text: Value = serde_json::from_str(&done.out).expect("JSON");
    assert_eq!(
        text["items"][2]["status"]["redemption"]["keyId"],
        "0123456789ab"
    );
    assert!(!done.out.contains("managedFields"), "{}", done.out);
}

#[tokio::test]
async fn the_code_of_the_operator_is_printed_with_its_command() {
    let code = write_invite_code(&[7; 32]);
    let command =
        format!("npx anyray-connect --gateway http://team-a.llm.svc:8787 --invite {code}");
    let digest = CredentialDigest::of(&code).to_string();
    let status = json!({ "codeHash": digest, "codeSecretName": "alice-code" });
    let secret = |code: &str, command: &str| {
        let secret = k8s_openapi::api::core::v1::Secret {
            data: Some(
                [("code", code), ("command", command)]
                    .map(|(name, text)| {
                        (
                            name.to_owned(),
                            k8s_openapi::ByteString(text.as_bytes().to_vec()),
                        )
                    })
                    .into(),
            ),
            ..Default::default()
        };
        (200, serde_json::to_value(secret).expect("JSON"))
    };
    let there = (
        format!("GET {INVITES}/alice"),
        (200, invite("alice", &json!({}), &status)),
    );
    let path = "GET /api/v1/namespaces/llm/secrets/alice-code";
    let done = execute(
        "invite code alice",
        &[(&there.0, there.1.clone()), (path, secret(&code, &command))],
    )
    .await;
    assert_eq!(done.out, format!("{command}\n"));
    let gone = refusal(404, "NotFound", "secrets");
    let done = execute(
        "invite code alice",
        &[(&there.0, there.1.clone()), (path, gone)],
    )
    .await;
    assert!(
        done.failure().contains("its Secret was deleted"),
        "{}",
        done.failure()
    );
    let other = secret("other", "rm -rf / # other");
    let done = execute(
        "invite code alice",
        &[(&there.0, there.1.clone()), (path, other)],
    )
    .await;
    assert!(
        done.failure().contains("somebody has changed it"),
        "{}",
        done.failure()
    );
    assert_eq!(done.out, "");
    let forbidden = refusal(403, "Forbidden", "secrets");
    let done = execute(
        "invite code alice",
        &[(&there.0, there.1), (path, forbidden)],
    )
    .await;
    assert!(
        done.failure()
            .contains("right to get secrets in namespace llm"),
        "{}",
        done.failure()
    );
}

#[tokio::test]
async fn an_invite_without_a_code_says_why() {
    let call = format!("GET {INVITES}/alice");
    let condition = json!({ "conditions": [{
        "type": "Issued", "status": "False", "reason": "GatewayNotFound",
        "message": "there is no AnyrayGateway team-a", "lastTransitionTime": NOW,
    }] });
    for (spec, status, expected) in [
        (json!({ "codeHash": HASH }), json!({}), "made elsewhere"),
        (json!({ "revoked": true }), json!({}), "it was revoked"),
        (json!({ "ttl": "1h" }), json!({}), "its time is over"),
        (
            json!({}),
            redemption(),
            "on 2026-01-31T11:00:00Z for ClientKey ck-0123456789ab",
        ),
        (json!({}), json!({}), "the operator has not made one yet"),
        (
            json!({}),
            condition,
            "there is none yet: there is no AnyrayGateway team-a",
        ),
        (
            json!({}),
            json!({ "codeHash": HASH }),
            "its Secret was deleted",
        ),
    ] {
        let answer = (200, invite("alice", &spec, &status));
        let done = execute("invite code alice", &[(&call, answer)]).await;
        assert!(done.failure().contains(expected), "{}", done.failure());
        assert_eq!(done.asked.len(), 1, "{:?}", done.calls());
    }
}

#[tokio::test]
async fn an_invite_is_revoked_by_one_field() {
    let call = format!("PATCH {INVITES}/alice");
    for (status, expected) in [
        (json!({}), "refused from now on"),
        (
            redemption(),
            "the key 0123456789ab is refused from now on, too",
        ),
    ] {
        let answer = (200, invite("alice", &json!({ "revoked": true }), &status));
        let done = execute("invite revoke alice", &[(&call, answer)]).await;
        done.result.as_ref().expect("done");
        assert_eq!(done.asked[0].body, r#"{"spec":{"revoked":true}}"#);
        assert_eq!(done.out, "invite.anyray.ai/alice revoked\n");
        assert!(done.notes.contains(expected), "{}", done.notes);
    }
}

#[tokio::test]
async fn only_the_invite_that_was_read_is_deleted() {
    let answers = [
        (
            format!("GET {INVITES}/alice"),
            (200, invite("alice", &json!({}), &redemption())),
        ),
        (
            format!("DELETE {INVITES}/alice"),
            (
                200,
                json!({ "kind": "Status", "apiVersion": "v1", "status": "Success" }),
            ),
        ),
    ];
    let answers: Vec<_> = answers
        .iter()
        .map(|(call, answer)| (call.as_str(), answer.clone()))
        .collect();
    let done = execute("invite revoke alice --delete", &answers).await;
    done.result.as_ref().expect("done");
    assert!(
        done.asked[1].body.contains(r#""uid":"u-1""#),
        "{}",
        done.asked[1].body
    );
    assert_eq!(done.out, "invite.anyray.ai/alice deleted\n");
    assert!(
        done.notes.contains("key revoke ck-0123456789ab"),
        "{}",
        done.notes
    );
}

#[tokio::test]
async fn keys_are_listed_with_what_became_of_their_invites() {
    let origin = json!({ "invite": { "name": "alice", "codeHash": HASH } });
    let keys = [
        key("ck-0123456789ab", &origin),
        key(
            "ci",
            &json!({ "user": "ci", "expiresAt": "2026-01-31T11:00:00Z" }),
        ),
        key(
            "batch",
            &json!({ "user": "batch", "key": null, "serviceAccount": { "name": "batch" } }),
        ),
    ];
    let invites = [invite(
        "alice",
        &json!({ "codeHash": HASH, "revoked": true }),
        &redemption(),
    )];
    let (keys_call, invites_call) = (format!("GET {KEYS}"), format!("GET {INVITES}"));
    let answers = [
        (keys_call.as_str(), list(&keys)),
        (invites_call.as_str(), list(&invites)),
    ];
    let done = execute("key list", &answers).await;
    done.result.as_ref().expect("done");
    let expected = "\
NAME              ID             USER                TEAM   GATEWAY   STATE     EXPIRES                AGE
ck-0123456789ab   0123456789ab   alice@example.com   -      team-a    Revoked   -                      24h
ci                0123456789ab   ci                  -      team-a    Expired   2026-01-31T11:00:00Z   24h
batch             -              batch               -      team-a    Active    -                      24h
";
    assert_eq!(done.out, expected);
    let done = execute("key list --state active -o name --user a,b", &answers).await;
    assert_eq!(done.out, "clientkey.anyray.ai/batch\n");
    assert!(
        done.calls()[0].ends_with("fieldSelector=spec.user%3Da%5C%2Cb"),
        "{:?}",
        done.calls()
    );
}

#[tokio::test]
async fn keys_are_found_by_name_or_id_and_changed_by_one_field() {
    let found = key("ck-0123456789ab", &json!({}));
    let answers = [
        (
            format!("GET {KEYS}"),
            list(&[
                found.clone(),
                key(
                    "ci",
                    &json!({ "key": { "id": "bbbbbbbbbbbb", "hash": HASH } }),
                ),
            ]),
        ),
        (format!("GET {KEYS}/ck-0123456789ab"), (200, found.clone())),
        (
            format!("PATCH {KEYS}/ck-0123456789ab"),
            (200, key("ck-0123456789ab", &json!({ "revoked": true }))),
        ),
        (format!("DELETE {KEYS}/ck-0123456789ab"), (200, found)),
    ];
    let answers: Vec<_> = answers
        .iter()
        .map(|(call, answer)| (call.as_str(), answer.clone()))
        .collect();
    for (command, body, out) in [
        (
            "key revoke 0123456789ab",
            r#"{"spec":{"revoked":true}}"#,
            "revoked",
        ),
        (
            "key suspend ck-0123456789ab",
            r#"{"spec":{"suspended":true}}"#,
            "suspended",
        ),
        (
            "key resume ck-0123456789ab",
            r#"{"spec":{"suspended":false}}"#,
            "resumed",
        ),
        (
            "key revoke --delete ck-0123456789ab",
            r#""uid":"u-2""#,
            "deleted",
        ),
    ] {
        let done = execute(command, &answers).await;
        done.result.as_ref().expect(command);
        assert!(done.asked[1].body.contains(body), "{}", done.asked[1].body);
        assert_eq!(
            done.out,
            format!("clientkey.anyray.ai/ck-0123456789ab {out}\n")
        );
        assert_eq!(
            done.notes.contains("Revoked"),
            out == "resumed",
            "{}",
            done.notes
        );
    }
}

#[tokio::test]
async fn what_was_done_before_a_failure_is_told() {
    let call = format!("PATCH {INVITES}/alice");
    let answer = (
        200,
        invite("alice", &json!({ "revoked": true }), &json!({})),
    );
    let missing = format!("PATCH {INVITES}/bob");
    let done = execute(
        "invite revoke alice bob",
        &[
            (&call, answer),
            (&missing, refusal(404, "NotFound", "invites")),
        ],
    )
    .await;
    assert_eq!(done.out, "invite.anyray.ai/alice revoked\n");
    assert!(
        done.failure().contains("patch Invite llm/bob"),
        "{}",
        done.failure()
    );
}
