//! What else can be done about invites, and how failures are told.

use anyray_wire::anyray::credential::{CredentialDigest, write_invite_code};

use super::*;

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
