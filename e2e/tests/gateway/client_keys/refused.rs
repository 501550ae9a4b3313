//! What is no good key is refused: in the caller's dialect, for good, and without a word to the
//! provider.

use anyhow::{Result, ensure};
use anyray_e2e::{
    call::{Dialect, Request},
    client_keys::{ClientKey, KeyFolder, make_invite, make_key, start},
    raw::Answer,
};
use serde_json::json;

use super::{start_with_key, wait_for_outcome, with_key};

/// A refused request, and how it is told.
struct Case {
    name: &'static str,
    request: Request,
    status: u16,
    code: &'static str,
}

impl Case {
    fn new(name: &'static str, request: Request, code: &'static str) -> Self {
        let status = match code {
            "key_in_url" | "duplicate_credential" | "conflicting_credentials" => 400,
            _ => 401,
        };
        Self {
            name,
            request,
            status,
            code,
        }
    }
}

/// All that a caller of this dialect could send instead of a good key.
fn cases(dialect: Dialect, key: &str, unknown: &ClientKey, code: &str) -> Vec<Case> {
    let request = || dialect.request("m");
    let bearer = |secret: &str| request().header("authorization", &format!("Bearer {secret}"));
    let mistyped = swap_last(key);
    let truncated: String = key.chars().take(key.len() - 1).collect();
    let path = dialect.path();
    let malformed = "client_key_invalid";
    vec![
        Case::new("nothing", request(), "client_key_missing"),
        Case::new("another's key", bearer("sk-x"), "client_key_missing"),
        Case::new("an empty key", bearer(""), "client_key_missing"),
        Case::new(
            "the placeholder",
            bearer("anyray-placeholder"),
            "client_key_missing",
        ),
        Case::new("a truncated key", bearer(&truncated), malformed),
        Case::new("a key with more", bearer(&format!("{key}x")), malformed),
        Case::new("a mistyped key", bearer(&mistyped), malformed),
        Case::new(
            "an upper-case key",
            bearer(&key.replace("ark_", "ARK_")),
            "client_key_missing",
        ),
        Case::new(
            "a key of another gateway",
            bearer(&unknown.secret),
            "client_key_unknown",
        ),
        Case::new("a code", bearer(code), "invite_code_as_key"),
        Case::new(
            "a key in the URL",
            request().to(&format!("{path}?key={key}")),
            "key_in_url",
        ),
        Case::new(
            "a good key, and one in the URL",
            bearer(key).to(&format!("{path}?x=1&key={key}")),
            "key_in_url",
        ),
        Case::new(
            "a code in the URL",
            bearer(key).to(&format!("{path}?invite={code}")),
            "key_in_url",
        ),
        Case::new(
            "an encoded key in the URL",
            request().to(&format!("{path}?key={}", key.replace('_', "%5F"))),
            "key_in_url",
        ),
        Case::new(
            "the same header twice",
            bearer(key).header("authorization", &format!("Bearer {key}")),
            "duplicate_credential",
        ),
        Case::new(
            "two keys in our own header",
            request()
                .header("x-anyray-api-key", key)
                .header("x-anyray-api-key", key),
            "duplicate_credential",
        ),
        Case::new(
            "two different keys",
            bearer(key).header("x-api-key", &unknown.secret),
            "conflicting_credentials",
        ),
    ]
}

/// The key with another last character.
fn swap_last(key: &str) -> String {
    let last = if key.ends_with('0') { '1' } else { '0' };
    let mut swapped: String = key.chars().take(key.len() - 1).collect();
    swapped.push(last);
    swapped
}

/// The refusal tells nothing that it was sent.
fn check_silence(answer: &Answer, secrets: &[&str]) -> Result<()> {
    let said = format!("{:?}{}", answer.head, answer.text());
    let is_told = |secret: &&str| said.contains(*secret);
    ensure!(!secrets.iter().any(is_told), "the refusal tells a secret");
    Ok(())
}

#[tokio::test]
async fn without_a_good_key_nothing_is_served_in_any_dialect() -> Result<()> {
    let (_folder, stand, key) = start_with_key(&json!({})).await?;
    let other_folder = KeyFolder::new()?;
    let other = start(&other_folder).await?;
    let unknown = make_key(&other.gateway, &json!({"user": "eve"})).await?;
    let invite = make_invite(&stand.gateway, &json!({"user": "bob"})).await?;
    for dialect in Dialect::ALL {
        for case in cases(dialect, &key.secret, &unknown, &invite.code) {
            let answer = stand.send(&case.request).await?;
            dialect
                .check_refusal(&answer, case.status, case.code)
                .map_err(|error| error.context(format!("{} by {dialect:?}", case.name)))?;
            check_silence(&answer, &[&key.secret, &unknown.secret, &invite.code])?;
        }
    }
    ensure!(
        stand.fake.requests().is_empty(),
        "a refused request went upstream"
    );
    Ok(())
}

#[tokio::test]
async fn paths_without_a_body_and_listed_ones_need_a_key_too() -> Result<()> {
    let folder = KeyFolder::new()?;
    let stand = anyray_e2e::client_keys::start_with(&folder, |config| {
        config.with("passthroughPaths", json!(["/v1/files"]))
    })
    .await?;
    let key = make_key(&stand.gateway, &json!({"user": "ada"})).await?;
    for path in ["/v1/models", "/models", "/v1/models/m", "/v1/files"] {
        let request = Request::new("GET", path);
        let answer = stand.send(&request).await?;
        Dialect::Chat.check_refusal(&answer, 401, "client_key_missing")?;
        let anthropic = request.clone().header("anthropic-version", "2023-06-01");
        let answer = stand.send(&anthropic).await?;
        Dialect::Messages.check_refusal(&answer, 401, "client_key_missing")?;
        ensure!(stand.fake.requests().is_empty(), "{path} went upstream");
        let answer = stand.send(&with_key(request, &key)).await?;
        ensure!(answer.status() == 200, "{path}: {}", answer.text());
        stand.take_request()?;
    }
    Ok(())
}

#[tokio::test]
async fn probes_need_no_key() -> Result<()> {
    let folder = KeyFolder::new()?;
    let stand = start(&folder).await?;
    for (method, path) in [
        ("GET", "/"),
        ("HEAD", "/"),
        ("GET", "/livez"),
        ("HEAD", "/api/hello"),
    ] {
        // No connection is kept: the answer to HEAD has the length of a body that does not come.
        let mut caller = stand.open().await?;
        caller.send(Request::new(method, path).to_bytes()).await?;
        assert_eq!(caller.read_head().await?.status, 200, "{method} {path}");
    }
    Ok(())
}

#[tokio::test]
async fn a_key_with_a_known_id_and_another_secret_is_unknown() -> Result<()> {
    let (folder, stand, key) = start_with_key(&json!({})).await?;
    let hash = format!("sha256:{}", "0".repeat(64));
    let known = json!({"id": key.id, "hash": hash});
    folder.edit_key(&key, "key", known)?;
    wait_for_outcome(&stand.gateway, &key, "client_key_unknown").await
}

#[tokio::test]
async fn a_refusal_says_what_to_do() -> Result<()> {
    let (folder, stand, key) = start_with_key(&json!({})).await?;
    let answer = stand.send(&Dialect::Messages.request("m")).await?;
    let text = Dialect::Messages.check_refusal(&answer, 401, "client_key_missing")?;
    ensure!(text.contains("authorization: Bearer ark_"), "{text}");
    folder.edit_key(&key, "revoked", json!(true))?;
    wait_for_outcome(&stand.gateway, &key, "client_key_revoked").await?;
    let request = with_key(Dialect::Messages.request("m"), &key);
    let answer = stand.send(&request).await?;
    let text = Dialect::Messages.check_refusal(&answer, 401, "client_key_revoked")?;
    ensure!(text.contains("ask your administrator"), "{text}");
    Ok(())
}
