//! `invite create`.

use anyray_crds::{admission, schema};
use anyray_wire::anyray::credential::{CredentialDigest, check_invite_code};

use super::*;

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
    let gateways = list(&[gateway("team-a", &outside)]);
    let done = execute(
        "invite create Alice.B@example.com --team research --ttl 24h --key-expires-after 2160h --model claude-* --provider anthropic --requests-per-minute 60",
        &[
            (&format!("GET {GATEWAYS}"), gateways),
            (&format!("POST {INVITES}"), (201, Value::Null)),
        ],
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
