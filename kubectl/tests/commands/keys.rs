//! What can be done about keys.

use super::*;

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
