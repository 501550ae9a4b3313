//! A change of a key counts soon, in every process that shares the folder.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use anyray_e2e::{
    call::Dialect,
    client_keys::{KeyFolder, ask_admin, make_key, start, start_another},
    stand::send,
    wait,
};
use serde_json::json;

use super::{CHANGE_LIMIT, start_with_key, wait_for_outcome, with_key};

/// How soon a new key is good in another process.
const NEW_KEY_LIMIT: Duration = Duration::from_secs(2);

#[tokio::test]
async fn suspending_a_key_takes_effect_and_can_be_taken_back() -> Result<()> {
    let (folder, stand, key) = start_with_key(&json!({})).await?;
    wait_for_outcome(&stand.gateway, &key, "ok").await?;
    folder.edit_key(&key, "suspended", json!(true))?;
    wait_for_outcome(&stand.gateway, &key, "client_key_suspended").await?;
    folder.edit_key(&key, "suspended", json!(false))?;
    wait_for_outcome(&stand.gateway, &key, "ok").await
}

#[tokio::test]
async fn a_revoked_key_is_refused() -> Result<()> {
    let (folder, stand, key) = start_with_key(&json!({})).await?;
    folder.edit_key(&key, "revoked", json!(true))?;
    wait_for_outcome(&stand.gateway, &key, "client_key_revoked").await
}

#[tokio::test]
async fn a_key_is_refused_from_the_second_of_its_end_on() -> Result<()> {
    let (folder, stand, key) = start_with_key(&json!({})).await?;
    folder.edit_key(&key, "expiresAt", json!("2020-01-01T00:00:00Z"))?;
    wait_for_outcome(&stand.gateway, &key, "client_key_expired").await?;
    folder.edit_key(&key, "expiresAt", json!("2999-01-01T00:00:00Z"))?;
    wait_for_outcome(&stand.gateway, &key, "ok").await
}

#[tokio::test]
async fn a_key_whose_file_is_gone_is_unknown() -> Result<()> {
    let (folder, stand, key) = start_with_key(&json!({})).await?;
    wait_for_outcome(&stand.gateway, &key, "ok").await?;
    fs::remove_file(folder.key_file(&key))?;
    wait_for_outcome(&stand.gateway, &key, "client_key_unknown").await
}

#[tokio::test]
async fn a_changed_permission_counts() -> Result<()> {
    let (folder, stand, key) = start_with_key(&json!({})).await?;
    folder.edit_key(&key, "permissions", json!({"models": ["other"]}))?;
    wait_for_outcome(&stand.gateway, &key, "model_not_allowed").await
}

#[tokio::test]
async fn a_file_that_cannot_be_read_changes_nothing_and_is_told() -> Result<()> {
    let (folder, stand, key) = start_with_key(&json!({})).await?;
    let good = make_key(&stand.gateway, &json!({"user": "bob"})).await?;
    fs::write(folder.key_file(&key), "{\"apiVersion\":")?;
    fs::write(folder.key_file(&key).with_file_name("torn.json"), "\0")?;
    // The look that finds this has found the other files as well.
    folder.edit_key(&good, "suspended", json!(true))?;
    wait_for_outcome(&stand.gateway, &good, "client_key_suspended").await?;
    wait_for_outcome(&stand.gateway, &key, "ok").await?;
    let is_told = async || {
        let said = stand.gateway.diagnostics().join("\n");
        (said.contains("torn.json") && said.contains(&format!("ck-{}.json", key.id))).then_some(())
    };
    wait::until("a word on the files", CHANGE_LIMIT, is_told).await
}

#[tokio::test]
async fn two_processes_on_one_folder_know_each_others_keys() -> Result<()> {
    let folder = KeyFolder::new()?;
    let stand = start(&folder).await?;
    let other = start_another(&stand, &folder).await?;
    for (maker, user) in [(&stand.gateway, &other), (&other, &stand.gateway)] {
        let key = make_key(maker, &json!({"user": "ada"})).await?;
        let begin = Instant::now();
        wait_for_outcome(user, &key, "ok").await?;
        let took = begin.elapsed();
        ensure!(took < NEW_KEY_LIMIT, "a new key was good after {took:?}");
        let path = format!("/admin/client-keys/{}", key.id);
        let answer = ask_admin(maker, "DELETE", &path, None).await?;
        ensure!(answer.status() == 204, "{}", answer.text());
        let request = with_key(Dialect::Chat.request("m"), &key);
        let answer = send(maker, &request).await?;
        Dialect::Chat.check_refusal(&answer, 401, "client_key_unknown")?;
        wait_for_outcome(user, &key, "client_key_unknown").await?;
    }
    Ok(())
}

#[tokio::test]
async fn keys_outlive_the_process() -> Result<()> {
    let folder = KeyFolder::new()?;
    let stand = start(&folder).await?;
    let key = make_key(&stand.gateway, &json!({"user": "ada"})).await?;
    let anyray_e2e::stand::Stand { fake, gateway } = stand;
    gateway.stop().await?;
    let config = anyray_e2e::config::Config::for_provider(&fake.url());
    let config = anyray_e2e::client_keys::demand_keys(config);
    let gateway = anyray_e2e::stand::start_gateway(&config, &[folder.variable()]).await?;
    let request = with_key(Dialect::Chat.request("m"), &key);
    assert_eq!(send(&gateway, &request).await?.status(), 200);
    Ok(())
}

#[tokio::test]
async fn s9_the_folder_holds_hashes_only_and_is_its_owners() -> Result<()> {
    let (folder, _stand, key) = start_with_key(&json!({})).await?;
    let contents = folder.contents()?;
    ensure!(contents.contains(&key.id), "the key is not there");
    ensure!(!contents.contains(&key.secret), "the folder holds the key");
    for file in folder.key_files()? {
        let mode = fs::metadata(&file)?.permissions().mode();
        ensure!(mode & 0o077 == 0, "others may use the file: {mode:o}");
        let parent = file.parent().map(fs::metadata).transpose()?;
        let mode = parent.map(|parent| parent.permissions().mode());
        ensure!(mode.is_some_and(|mode| mode & 0o077 == 0), "{mode:?}");
    }
    Ok(())
}
