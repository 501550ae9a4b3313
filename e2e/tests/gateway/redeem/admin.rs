//! Row S17, the admin API: who may use it, what it answers, and what is written down of it.

use std::fs;

use anyhow::{Result, ensure};
use anyray_e2e::{
    call::Request,
    client_keys::{
        ADMIN_FILE, ADMIN_TOKEN, KeyFolder, admin_request, ask_admin, demand_keys, make_invite,
        make_key, read_redeemed, redeem_request, start, start_with, text,
    },
    config::Config,
    gateway::Gateway,
    raw::Answer,
    stand::{Stand, send},
    wait,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{CHANGE_LIMIT, check_not_cached, check_refusal, is_served};

const NEXT_TOKEN: &str = "ar-adm-the-next-one-0123456789";

async fn post(stand: &Stand, path: &str, body: Value) -> Result<Answer> {
    ask_admin(&stand.gateway, "POST", path, Some(&body)).await
}

async fn get(stand: &Stand, path: &str) -> Result<Value> {
    let answer = ask_admin(&stand.gateway, "GET", path, None).await?;
    ensure!(answer.status() == 200, "{}", answer.text());
    check_not_cached(&answer)?;
    answer.json()
}

/// The names of an answer's fields, in order.
fn fields(body: &Value) -> Vec<&str> {
    let object = body.as_object();
    let mut names: Vec<_> = object.iter().flat_map(|o| o.keys()).collect();
    names.sort_unstable();
    names.into_iter().map(String::as_str).collect()
}

#[tokio::test]
async fn an_invite_is_told_once_and_listed_without_its_code() -> Result<()> {
    let folder = KeyFolder::new()?;
    let stand = start(&folder).await?;
    let wish = json!({"user": "ada@example.test", "team": "research", "expiresInSeconds": 60});
    let answer = post(&stand, "/admin/invites", wish).await?;
    assert_eq!(answer.status(), 201, "{}", answer.text());
    check_not_cached(&answer)?;
    let body = answer.json()?;
    let expected = ["createdAt", "expiresAt", "id", "team", "token", "user"];
    assert_eq!(fields(&body), expected, "{body}");
    let code = text(&body, "token")?;
    ensure!(code.starts_with("ari_") && code.len() == 53, "{code}");
    for filter in ["", "?status=issued", "?status=Issued"] {
        let list = get(&stand, &format!("/admin/invites{filter}")).await?;
        let invite = list.pointer("/data/0").cloned().unwrap_or_default();
        assert_eq!(text(&invite, "id")?, text(&body, "id")?);
        assert_eq!(text(&invite, "status")?, "issued");
        ensure!(!list.to_string().contains("ari_"), "the list has a code");
    }
    read_redeemed(&stand.send(&redeem_request(&code)).await?)?;
    let list = get(&stand, "/admin/invites?status=redeemed").await?;
    let invite = list.pointer("/data/0").cloned().unwrap_or_default();
    ensure!(invite.get("redeemedAt").is_some() && invite.get("keyId").is_some());
    let none = get(&stand, "/admin/invites?status=issued").await?;
    assert_eq!(none, json!({"data": []}));
    Ok(())
}

#[tokio::test]
async fn a_key_is_told_once_and_listed_with_its_last_use() -> Result<()> {
    let folder = KeyFolder::new()?;
    let stand = start(&folder).await?;
    let wish = json!({"user": "ada", "name": "laptop", "expiresInSeconds": 3600});
    let answer = post(&stand, "/admin/client-keys", wish).await?;
    assert_eq!(answer.status(), 201, "{}", answer.text());
    check_not_cached(&answer)?;
    let expected = ["createdAt", "expiresAt", "id", "key", "user"];
    assert_eq!(fields(&answer.json()?), expected);
    let key = make_key(&stand.gateway, &json!({"user": "bob", "team": "ops"})).await?;
    ensure!(is_served(&stand.gateway, &key).await?, "the key is no good");
    let list = get(&stand, "/admin/client-keys").await?;
    ensure!(!list.to_string().contains("ark_"), "the list has a key");
    let data = list.get("data").and_then(Value::as_array);
    let data = data.cloned().unwrap_or_default();
    assert_eq!(data.len(), 2, "{list}");
    for entry in data {
        let is_used = text(&entry, "id")? == key.id;
        assert_eq!(entry.get("lastUsedAt").is_some(), is_used, "{entry}");
        assert_eq!(text(&entry, "status")?, "active");
        ensure!(text(&entry, "name")?.starts_with("ck-"), "{entry}");
    }
    Ok(())
}

#[tokio::test]
async fn a_deleted_key_is_refused_by_the_next_request() -> Result<()> {
    let folder = KeyFolder::new()?;
    let stand = start(&folder).await?;
    for by_name in [false, true] {
        let key = make_key(&stand.gateway, &json!({"user": "ada"})).await?;
        ensure!(is_served(&stand.gateway, &key).await?, "the key is no good");
        let prefix = if by_name { "ck-" } else { "" };
        let path = format!("/admin/client-keys/{prefix}{}", key.id);
        let answer = ask_admin(&stand.gateway, "DELETE", &path, None).await?;
        assert_eq!(answer.status(), 204, "{}", answer.text());
        ensure!(
            !is_served(&stand.gateway, &key).await?,
            "the key is still good"
        );
        let answer = ask_admin(&stand.gateway, "DELETE", &path, None).await?;
        check_refusal(&answer, 404, "not_found")?;
    }
    Ok(())
}

#[tokio::test]
async fn an_invite_can_be_deleted_until_it_is_redeemed() -> Result<()> {
    let folder = KeyFolder::new()?;
    let stand = start(&folder).await?;
    let delete = async |id: &str| {
        let path = format!("/admin/invites/{id}");
        ask_admin(&stand.gateway, "DELETE", &path, None).await
    };
    let deleted = make_invite(&stand.gateway, &json!({"user": "ada"})).await?;
    assert_eq!(delete(&deleted.id).await?.status(), 204);
    check_refusal(&delete(&deleted.id).await?, 404, "not_found")?;
    let answer = stand.send(&redeem_request(&deleted.code)).await?;
    check_refusal(&answer, 404, "invite_not_found")?;
    let redeemed = make_invite(&stand.gateway, &json!({"user": "ada"})).await?;
    read_redeemed(&stand.send(&redeem_request(&redeemed.code)).await?)?;
    let answer = delete(&redeemed.id).await?;
    check_refusal(&answer, 409, "invite_already_redeemed")?;
    for odd in ["..%2F..%2Fetc", "%00", ".lock", "x/y"] {
        let answer = delete(odd).await?;
        ensure!(answer.status() == 404, "{odd}: {}", answer.status());
    }
    Ok(())
}

#[tokio::test]
async fn a_wish_that_cannot_be_granted_is_a_400_that_names_the_field() -> Result<()> {
    let folder = KeyFolder::new()?;
    let stand = start(&folder).await?;
    let long = "x".repeat(255);
    for (path, wish, field) in [
        ("invites", json!({}), "user"),
        ("invites", json!({"user": ""}), "user"),
        ("invites", json!({"user": long}), "user"),
        ("invites", json!({"user": "a\nb"}), "user"),
        ("invites", json!({"user": "a", "team": ""}), "team"),
        (
            "invites",
            json!({"user": "a", "expiresInSeconds": 59}),
            "expiresInSeconds",
        ),
        (
            "invites",
            json!({"user": "a", "expiresInSeconds": -1}),
            "expiresInSeconds",
        ),
        (
            "invites",
            json!({"user": "a", "expiresInSeconds": 2_592_001}),
            "expiresInSeconds",
        ),
        (
            "invites",
            json!({"user": "a", "keyExpiresInSeconds": 1}),
            "keyExpiresInSeconds",
        ),
        ("invites", json!({"user": "a", "teams": "b"}), "teams"),
        (
            "client-keys",
            json!({"user": "a", "expiresInSeconds": 0}),
            "expiresInSeconds",
        ),
        (
            "client-keys",
            json!({"user": "a", "name": "x".repeat(257)}),
            "name",
        ),
        (
            "client-keys",
            json!({"user": "a", "permissions": {"providers": ["nobody"]}}),
            "permissions.providers[0]",
        ),
        (
            "client-keys",
            json!({"user": "a", "permissions": {"models": ["ok", ""]}}),
            "permissions.models[1]",
        ),
        (
            "client-keys",
            json!({"user": "a", "permissions": {"requestsPerMinute": 0}}),
            "permissions.requestsPerMinute",
        ),
        (
            "client-keys",
            json!({"user": "a", "permissions": {"concurrentRequests": -1}}),
            "permissions.concurrentRequests",
        ),
    ] {
        let answer = post(&stand, &format!("/admin/{path}"), wish.clone()).await?;
        let message = check_refusal(&answer, 400, "invalid_request")?;
        ensure!(message.contains(field), "{wish}: {message}");
    }
    ensure!(
        folder.contents()?.is_empty(),
        "something was made all the same"
    );
    Ok(())
}

#[tokio::test]
async fn s17_only_the_admin_token_opens_the_admin_api() -> Result<()> {
    let folder = KeyFolder::new()?;
    let stand = start(&folder).await?;
    let key = make_key(&stand.gateway, &json!({"user": "ada"})).await?;
    let cut: String = ADMIN_TOKEN.chars().take(20).collect();
    let path = "/admin/client-keys";
    let none = admin_request("GET", path, "").without("authorization");
    for request in [
        none.clone(),
        none.clone().header("authorization", ADMIN_TOKEN),
        none.clone()
            .header("authorization", &format!("Basic {ADMIN_TOKEN}")),
        none.clone().header("x-api-key", ADMIN_TOKEN),
        admin_request("GET", path, &cut),
        admin_request("GET", path, &key.secret),
        admin_request("GET", path, &format!("{ADMIN_TOKEN}x")),
        admin_request("POST", "/admin/invites", "x").body(json!({"user": "a"}).to_string()),
        admin_request("GET", "/admin/nothing", "x"),
    ] {
        let answer = stand.send(&request).await?;
        check_refusal(&answer, 401, "admin_token_invalid")?;
    }
    let answer = stand
        .send(&admin_request("GET", "/admin/auth", ADMIN_TOKEN))
        .await?;
    assert_eq!(
        (answer.status(), answer.json()?),
        (200, json!({"ok": true}))
    );
    let answer = stand
        .send(&admin_request("GET", "/admin/nothing", ADMIN_TOKEN))
        .await?;
    check_refusal(&answer, 404, "not_found")?;
    Ok(())
}

#[tokio::test]
async fn s17_guesses_of_the_admin_token_are_slowed_down_and_the_right_one_is_not() -> Result<()> {
    let folder = KeyFolder::new()?;
    let stand = start(&folder).await?;
    let guess = admin_request("GET", "/admin/auth", "a-guess-of-the-token");
    let slowed = async || {
        let answer = stand.send(&guess).await.ok()?;
        (answer.status() == 429).then_some(answer)
    };
    let answer = wait::until("guesses to be slowed down", CHANGE_LIMIT, slowed).await?;
    check_refusal(&answer, 429, "too_many_failures")?;
    get(&stand, "/admin/auth").await?;
    Ok(())
}

#[tokio::test]
async fn s17_by_a_public_host_there_is_no_admin_api() -> Result<()> {
    let folder = KeyFolder::new()?;
    let stand = start(&folder).await?;
    let ask = |host: &str| {
        let request = admin_request("GET", "/admin/auth", ADMIN_TOKEN).without("host");
        request.header("host", host)
    };
    for host in [
        "gateway.example.test",
        "gateway.example.test:8787",
        "localhost.example.test",
        "203.0.113.5",
        "gateway.test",
    ] {
        let answer = stand.send(&ask(host)).await?;
        check_refusal(&answer, 404, "not_found")?;
    }
    for host in [
        "localhost:8787",
        "127.0.0.1",
        "[::1]:1",
        "gateway",
        "gw.team-a.svc",
    ] {
        let answer = stand.send(&ask(host)).await?;
        ensure!(answer.status() == 200, "{host}: {}", answer.status());
    }
    // Forwarding headers say nothing to it.
    let forwarded = ask("gateway.example.test").header("x-forwarded-host", "localhost");
    check_refusal(&stand.send(&forwarded).await?, 404, "not_found")?;
    Ok(())
}

#[tokio::test]
async fn an_admin_host_may_be_named_and_without_admin_there_is_none() -> Result<()> {
    let folder = KeyFolder::new()?;
    let admin = json!({"credential": {"file": ADMIN_FILE}, "host": "admin.example.test"});
    let stand = start_with(&folder, |config| config.with("admin", admin)).await?;
    let ask = |host: &str| {
        let request = admin_request("GET", "/admin/auth", ADMIN_TOKEN).without("host");
        request.header("host", host)
    };
    assert_eq!(stand.send(&ask("admin.example.test")).await?.status(), 200);
    assert_eq!(stand.send(&ask("api.example.test")).await?.status(), 404);
    let without = Stand::start().await?;
    for path in ["/admin", "/admin/auth", "/admin/invites"] {
        let answer = without
            .send(&admin_request("GET", path, ADMIN_TOKEN))
            .await?;
        check_refusal(&answer, 404, "not_found")?;
    }
    let answer = without.send(&redeem_request("ari_x")).await?;
    check_refusal(&answer, 404, "no_store")?;
    Ok(())
}

#[tokio::test]
async fn s17_a_new_admin_token_is_good_at_once_and_the_old_one_for_a_while() -> Result<()> {
    let folder = KeyFolder::new()?;
    let stand = start(&folder).await?;
    let asked = async |token: &str| {
        let request = admin_request("GET", "/admin/auth", token);
        Ok::<_, anyhow::Error>(send(&stand.gateway, &request).await?.status())
    };
    assert_eq!(asked(NEXT_TOKEN).await?, 401);
    fs::write(stand.gateway.config_dir().join(ADMIN_FILE), NEXT_TOKEN)?;
    let accepted = "config_reloads_total{result=\"accepted\"}";
    stand.gateway.ops().wait_for_metric(accepted, 1).await?;
    assert_eq!(asked(NEXT_TOKEN).await?, 200);
    assert_eq!(asked(ADMIN_TOKEN).await?, 200);
    assert_eq!(asked("ar-adm-neither-of-the-two-0123").await?, 401);
    Ok(())
}

#[tokio::test]
async fn a_short_admin_token_is_refused_before_anything_is_served() -> Result<()> {
    let directory = TempDir::new()?;
    let config = demand_keys(Config::for_provider("https://provider.test"));
    let config = config.with_file(ADMIN_FILE, "too-short");
    config.write(directory.path())?;
    let output = Gateway::run_to_end(directory.path()).await?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{said}");
    ensure!(said.contains("admin.credential.file"), "{said}");
    ensure!(!said.contains("too-short"), "the token is told");
    Ok(())
}

#[tokio::test]
async fn s17_every_call_is_written_down() -> Result<()> {
    let folder = KeyFolder::new()?;
    let stand = start(&folder).await?;
    let key = make_key(&stand.gateway, &json!({"user": "ada"})).await?;
    let path = format!("/admin/client-keys/{}", key.id);
    ask_admin(&stand.gateway, "DELETE", &path, None).await?;
    let is_told = async || {
        let said = stand.gateway.diagnostics();
        let audits: Vec<_> = said
            .iter()
            .filter(|line| line.contains("\"audit\":true"))
            .collect();
        let has = |index: usize, text: &str| audits.get(index).is_some_and(|l| l.contains(text));
        let is_made = has(0, "\"POST\"") && has(0, "/admin/client-keys") && has(0, "201");
        (is_made && has(1, "\"DELETE\"") && has(1, &path) && has(1, "204")).then_some(())
    };
    wait::until("a line for each call", CHANGE_LIMIT, is_told).await
}

#[tokio::test]
async fn health_tells_of_the_store() -> Result<()> {
    let folder = KeyFolder::new()?;
    let stand = start(&folder).await?;
    make_key(&stand.gateway, &json!({"user": "ada"})).await?;
    let health = get(&stand, "/admin/health").await?;
    assert_eq!(health.get("ok"), Some(&json!(true)), "{health}");
    let store = json!({"kind": "files", "ok": true, "clientKeys": 1});
    assert_eq!(health.get("store"), Some(&store), "{health}");
    let by_key = Request::new("GET", "/admin/health");
    check_refusal(&stand.send(&by_key).await?, 404, "not_found")?;
    Ok(())
}
