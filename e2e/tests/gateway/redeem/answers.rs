//! What `/connect/redeem` answers.

use std::fs;

use anyhow::{Result, ensure};
use anyray_e2e::{
    call::Request,
    client_keys::{
        Invite, KeyFolder, ask_admin, make_invite, read_redeemed, redeem_request, start,
    },
    raw::Answer,
    stand::Stand,
    wait,
};
use serde_json::json;

use super::{CHANGE_LIMIT, check_not_cached, check_refusal, is_served};

async fn start_with_invite() -> Result<(KeyFolder, Stand, Invite)> {
    let folder = KeyFolder::new()?;
    let stand = start(&folder).await?;
    let fields = json!({"user": "ada@example.test", "team": "research"});
    let invite = make_invite(&stand.gateway, &fields).await?;
    Ok((folder, stand, invite))
}

/// Redeems until the answer has this status: a change of the folder takes a moment to count.
async fn redeem_until(stand: &Stand, invite: &Invite, status: u16) -> Result<Answer> {
    let request = redeem_request(&invite.code);
    let look = async || {
        let answer = stand.send(&request).await.ok()?;
        (answer.status() == status).then_some(answer)
    };
    wait::until(&format!("{status} for a code"), CHANGE_LIMIT, look).await
}

#[tokio::test]
async fn a_code_becomes_a_key_of_its_user_and_team() -> Result<()> {
    let (folder, stand, invite) = start_with_invite().await?;
    let answer = stand.send(&redeem_request(&invite.code)).await?;
    let key = read_redeemed(&answer)?;
    check_not_cached(&answer)?;
    let body = answer.json()?;
    let expected = json!({
        "key": key.secret, "keyId": key.id, "user": "ada@example.test", "team": "research",
    });
    assert_eq!(body, expected);
    ensure!(
        key.secret.starts_with(&format!("ark_{}_", key.id)),
        "the key has another id"
    );
    assert_eq!(key.secret.len(), 66);
    ensure!(is_served(&stand.gateway, &key).await?, "the key is no good");
    assert_eq!(folder.key_files()?, [folder.key_file(&key)]);
    Ok(())
}

#[tokio::test]
async fn a_code_may_come_as_token_as_invite_or_as_bearer() -> Result<()> {
    let folder = KeyFolder::new()?;
    let stand = start(&folder).await?;
    let post = || Request::new("POST", "/connect/redeem");
    let ways = [
        |code: &str| redeem_request(code),
        |code: &str| redeem_request(code).without("content-type"),
        |code: &str| redeem_request(code).body(json!({"invite": code}).to_string()),
        |code: &str| redeem_request(code).body(json!({"token": code, "more": 1}).to_string()),
    ];
    for way in ways {
        let invite = make_invite(&stand.gateway, &json!({"user": "ada"})).await?;
        read_redeemed(&stand.send(&way(&invite.code)).await?)?;
    }
    let invite = make_invite(&stand.gateway, &json!({"user": "ada"})).await?;
    let bearer = post().header("authorization", &format!("Bearer {}", invite.code));
    let answer = stand.send(&bearer).await?;
    read_redeemed(&answer)?;
    let team = answer.json()?.get("team").cloned();
    ensure!(team.is_none(), "a team from nowhere: {team:?}");
    Ok(())
}

#[tokio::test]
async fn s6_a_redeemed_code_is_gone_for_good() -> Result<()> {
    let (folder, stand, invite) = start_with_invite().await?;
    let key = read_redeemed(&stand.send(&redeem_request(&invite.code)).await?)?;
    let again = async || stand.send(&redeem_request(&invite.code)).await;
    let text = check_refusal(&again().await?, 410, "invite_already_redeemed")?;
    ensure!(text.contains("ask for a new one"), "{text}");
    // Nor does the key's end bring the code back.
    let path = format!("/admin/client-keys/{}", key.id);
    let answer = ask_admin(&stand.gateway, "DELETE", &path, None).await?;
    ensure!(answer.status() == 204, "{}", answer.text());
    check_refusal(&again().await?, 410, "invite_already_redeemed")?;
    ensure!(folder.key_files()?.is_empty(), "the key came back");
    Ok(())
}

#[tokio::test]
async fn an_expired_or_revoked_code_is_gone() -> Result<()> {
    let (folder, stand, invite) = start_with_invite().await?;
    folder.edit_invite(&invite, "expiresAt", json!("2020-01-01T00:00:00Z"))?;
    let answer = redeem_until(&stand, &invite, 410).await?;
    check_refusal(&answer, 410, "invite_expired")?;
    folder.edit_invite(&invite, "expiresAt", json!("2999-01-01T00:00:00Z"))?;
    folder.edit_invite(&invite, "revoked", json!(true))?;
    let answer = redeem_until(&stand, &invite, 410).await?;
    check_refusal(&answer, 410, "invite_revoked")?;
    folder.edit_invite(&invite, "revoked", json!(false))?;
    redeem_until(&stand, &invite, 200).await?;
    Ok(())
}

#[tokio::test]
async fn a_deleted_code_and_one_of_another_gateway_are_not_found() -> Result<()> {
    let (folder, stand, invite) = start_with_invite().await?;
    let (_other_folder, _other, foreign) = start_with_invite().await?;
    let answer = stand.send(&redeem_request(&foreign.code)).await?;
    check_refusal(&answer, 404, "invite_not_found")?;
    fs::remove_file(folder.invite_file(&invite))?;
    let answer = redeem_until(&stand, &invite, 404).await?;
    check_refusal(&answer, 404, "invite_not_found")?;
    Ok(())
}

#[tokio::test]
async fn what_is_no_code_is_a_400() -> Result<()> {
    let (_folder, stand, invite) = start_with_invite().await?;
    let code = &invite.code;
    let cut: String = code.chars().take(40).collect();
    for token in [
        cut.as_str(),
        "ari_",
        "ark_x",
        "",
        "sk-1",
        &format!("{code}x"),
    ] {
        let answer = stand.send(&redeem_request(token)).await?;
        check_refusal(&answer, 400, "invite_invalid")?;
    }
    let no_code = Request::new("POST", "/connect/redeem");
    for request in [
        no_code.clone(),
        no_code.clone().header("authorization", "Bearer sk-1"),
        redeem_request(code).body("{"),
        redeem_request(code).body("[]"),
        redeem_request(code).body(r#"{"token":5}"#),
        redeem_request(code).body("{}"),
    ] {
        let answer = stand.send(&request).await?;
        check_refusal(&answer, 400, "invalid_request")?;
    }
    let large = redeem_request(code).body("x".repeat(1 << 20));
    let answer = stand.send(&large).await?;
    check_refusal(&answer, 413, "body_too_large")?;
    let answer = stand.send(&Request::new("GET", "/connect/redeem")).await?;
    assert_eq!(answer.status(), 405);
    read_redeemed(&stand.send(&redeem_request(code)).await?)?;
    Ok(())
}

#[tokio::test]
async fn s7_guesses_are_slowed_down_and_known_codes_are_not() -> Result<()> {
    let (_folder, stand, invite) = start_with_invite().await?;
    let (_other_folder, _other, foreign) = start_with_invite().await?;
    let guess = redeem_request(&foreign.code);
    let slowed = async || {
        let answer = stand.send(&guess).await.ok()?;
        (answer.status() == 429).then_some(answer)
    };
    let answer = wait::until("guesses to be slowed down", CHANGE_LIMIT, slowed).await?;
    check_refusal(&answer, 429, "too_many_unknown_invites")?;
    let wait = answer.head.header("retry-after");
    ensure!(wait.is_some(), "no word on when to come back");
    read_redeemed(&stand.send(&redeem_request(&invite.code)).await?)?;
    Ok(())
}

#[tokio::test]
async fn a_key_has_the_permissions_and_the_life_of_its_invite() -> Result<()> {
    let folder = KeyFolder::new()?;
    let stand = start(&folder).await?;
    let fields = json!({
        "user": "ada", "keyExpiresInSeconds": 3600,
        "permissions": {"models": ["other"]},
    });
    let invite = make_invite(&stand.gateway, &fields).await?;
    let answer = stand.send(&redeem_request(&invite.code)).await?;
    let key = read_redeemed(&answer)?;
    ensure!(answer.json()?.get("expiresAt").is_some(), "no end");
    ensure!(
        !is_served(&stand.gateway, &key).await?,
        "any model is served"
    );
    Ok(())
}

#[tokio::test]
async fn revoking_an_invite_takes_its_key_out_of_use() -> Result<()> {
    let (folder, stand, invite) = start_with_invite().await?;
    let key = read_redeemed(&stand.send(&redeem_request(&invite.code)).await?)?;
    ensure!(is_served(&stand.gateway, &key).await?, "the key is no good");
    folder.edit_invite(&invite, "revoked", json!(true))?;
    let is_refused = async || {
        let served = is_served(&stand.gateway, &key).await.ok()?;
        (!served).then_some(())
    };
    wait::until("the key to be refused", CHANGE_LIMIT, is_refused).await
}
