//! Whom a request is attributed to, and that nothing more is told of them.

use anyhow::{Context, Result, ensure};
use anyray_e2e::{
    call::{Dialect, Request},
    client_keys::{
        ADMIN_TOKEN, KeyFolder, admin_request, ask_admin, demand_keys, make_invite, make_key,
        read_redeemed, redeem_request, start,
    },
    raw::Answer,
    stand::Stand,
    wait,
};
use serde_json::{Value, json};

use super::{CHANGE_LIMIT, start_with_key, with_key};

/// A token that is not the admin's.
const WRONG_TOKEN: &str = "ar-adm-not-the-token-9876543210";

/// What a caller says of itself.
const SAID: &str = r#"{"user":"eve@example.test","team":"rich"}"#;

/// Whom the keys are for.
const USER: &str = "ada.lovelace@example.test";

async fn logged(stand: &Stand, answer: &Answer) -> Result<Value> {
    let id = answer.head.header("x-anyray-request-id").context("no id")?;
    stand.log_line(id).await
}

#[tokio::test]
async fn s14_the_keys_identity_wins_over_what_the_caller_says() -> Result<()> {
    let (_folder, stand, key) = start_with_key(&json!({})).await?;
    for dialect in Dialect::ALL {
        let request = with_key(dialect.request("m"), &key).header("x-anyray-metadata", SAID);
        let answer = stand.send(&request).await?;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        let line = logged(&stand, &answer).await?;
        assert_eq!(line.get("client.team"), Some(&json!("research")), "{line}");
        assert_eq!(line.get("client.key"), Some(&json!(key.id)), "{line}");
    }
    Ok(())
}

#[tokio::test]
async fn s14_what_the_key_leaves_open_the_caller_may_say() -> Result<()> {
    let folder = KeyFolder::new()?;
    let stand = start(&folder).await?;
    let key = make_key(&stand.gateway, &json!({"user": USER})).await?;
    let request = with_key(Dialect::Chat.request("m"), &key).header("x-anyray-metadata", SAID);
    let answer = stand.send(&request).await?;
    let line = logged(&stand, &answer).await?;
    assert_eq!(line.get("client.team"), Some(&json!("rich")), "{line}");
    Ok(())
}

/// Everything that the gateway has said of itself.
async fn everything_said(stand: &Stand) -> Result<Vec<(String, String)>> {
    let gateway = &stand.gateway;
    let mut said = vec![
        ("the access log".to_owned(), gateway.access_log().join("\n")),
        (
            "standard error".to_owned(),
            gateway.diagnostics().join("\n"),
        ),
    ];
    for path in ["/metrics", "/config", "/readyz", "/livez"] {
        let answer = gateway.ops().get(path).await?;
        said.push((
            path.to_owned(),
            format!("{:?}{}", answer.head, answer.text()),
        ));
    }
    Ok(said)
}

fn check_silence(said: &[(String, String)], secrets: &[&str]) -> Result<()> {
    for (what, text) in said {
        let told = secrets.iter().position(|secret| text.contains(secret));
        ensure!(told.is_none(), "{what} tells secret {told:?}: {text}");
    }
    Ok(())
}

/// Requests that use, misuse and lose what is secret; what is refused is refused silently.
async fn play(stand: &Stand, key: &str, code: &str) -> Result<Vec<Answer>> {
    let mut answers = Vec::new();
    for dialect in Dialect::ALL {
        let bearer = |secret: &str| {
            let request = dialect.request("m").header("x-anyray-metadata", SAID);
            request.header("authorization", &format!("Bearer {secret}"))
        };
        let served = stand.send(&bearer(key)).await?;
        assert_eq!(served.status(), 200, "{}", served.text());
        let cut: String = key.chars().take(60).collect();
        for request in [
            bearer(&cut),
            bearer(code),
            bearer(ADMIN_TOKEN),
            bearer(key)
                .header("x-api-key", key)
                .header("x-api-key", code),
            bearer(key).to(&format!("{}?key={key}", dialect.path())),
            bearer(key).header("x-anyray-provider", key),
            bearer(key).header("x-anyray-custom-host", &format!("https://{key}")),
            bearer(key).header("x-anyray-auth-mode", code),
            bearer(key).to(&format!("/{code}")),
            Request::new("GET", &format!("/admin/{code}")),
        ] {
            answers.push(stand.send(&request).await?);
        }
    }
    let requests = [
        redeem_request(code),
        redeem_request(key),
        redeem_request(code).body(format!("{{\"token\":\"{code}\"")),
        redeem_request(code).body(format!("[\"{code}\"]")),
        admin_request("GET", "/admin/auth", WRONG_TOKEN),
        admin_request("GET", &format!("/admin/client-keys/{key}"), ADMIN_TOKEN),
        admin_request("DELETE", &format!("/admin/client-keys/{key}"), ADMIN_TOKEN),
        admin_request("DELETE", &format!("/admin/invites/{code}"), ADMIN_TOKEN),
        admin_request("POST", "/admin/invites", ADMIN_TOKEN)
            .body(json!({"user": "x", "expiresInSeconds": code}).to_string()),
        admin_request("POST", "/admin/client-keys", ADMIN_TOKEN)
            .body(json!({"user": "x", "permissions": key}).to_string()),
        admin_request("POST", "/admin/client-keys", ADMIN_TOKEN).body(json!(key).to_string()),
        admin_request("POST", "/admin/invites", ADMIN_TOKEN)
            .body(json!({"user": 1, "team": code}).to_string()),
        admin_request("POST", "/admin/client-keys", ADMIN_TOKEN)
            .body(json!({"user": "x", "permissions": {"providers": [key]}}).to_string()),
    ];
    for request in requests {
        let answer = stand.send(&request).await?;
        ensure!(answer.status() >= 400, "{}", answer.text());
        answers.push(answer);
    }
    Ok(answers)
}

#[tokio::test]
async fn s4_no_key_code_token_or_address_is_told() -> Result<()> {
    let folder = KeyFolder::new()?;
    let env = [folder.variable(), ("ANYRAY_LOG", "trace")];
    let stand = Stand::start_env(demand_keys, &env).await?;
    let fields = json!({"user": USER, "team": "research"});
    let made = make_key(&stand.gateway, &fields).await?;
    let invite = make_invite(&stand.gateway, &fields).await?;
    let answer = stand.send(&redeem_request(&invite.code)).await?;
    let redeemed = read_redeemed(&answer)?;
    let mut answers = play(&stand, &redeemed.secret, &invite.code).await?;
    answers.extend(play(&stand, &made.secret, &invite.code).await?);
    for path in ["/admin/invites", "/admin/client-keys", "/admin/health"] {
        answers.push(ask_admin(&stand.gateway, "GET", path, None).await?);
    }
    let secrets = [
        made.secret.as_str(),
        redeemed.secret.as_str(),
        invite.code.as_str(),
        ADMIN_TOKEN,
        WRONG_TOKEN,
    ];
    let answers = answers.iter().enumerate().map(|(index, answer)| {
        let text = format!("{:?}{}", answer.head, answer.text());
        (format!("answer {index}"), text)
    });
    let mut told: Vec<_> = answers.collect();
    told.push(("the folder".to_owned(), folder.contents()?));
    check_silence(&told, &secrets)?;
    // What may be told must be there, or the checks below check nothing.
    let is_logged = async || {
        let lines = stand.gateway.access_log().join("\n");
        (lines.contains(&redeemed.id) && lines.contains(&made.id)).then_some(())
    };
    wait::until("lines of both keys", CHANGE_LIMIT, is_logged).await?;
    let said = everything_said(&stand).await?;
    check_silence(&said, &secrets)?;
    check_silence(&said, &[USER, "eve@example.test"])
}
