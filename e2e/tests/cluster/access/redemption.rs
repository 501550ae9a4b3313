//! One code, many hands: exactly one key, whatever fails meanwhile.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use anyray_e2e::wait;
use futures::future::join_all;
use nix::sys::signal::{self, Signal};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    admin, changes::process_of, chat, make_code, pod_urls, redeem, redeemed_keys, start, text,
    wait_for_state,
};
use crate::{
    faults::{restart_api_server, scale_operator, settled},
    harness::{Context, Entry, exclusive, shared},
    length::lengths,
};

/// Hands that reach for one code.
const HANDS: usize = 200;

/// Into this moment of some hundred redemptions a pod is killed.
const INTO_THE_CROWD: Duration = Duration::from_millis(30);

/// How soon keys count as valid, and new invites as known, on every pod.
const IN_FORCE: Duration = Duration::from_secs(5);

pub(crate) fn tests() -> Vec<Entry> {
    vec![
        shared("access_s5_200_hands_get_one_key_over_three_pods", one_key)
            .on_ours_only()
            .within(Duration::from_secs(600)),
        shared(
            "access_s6_a_code_is_not_redeemed_again_by_a_new_invite",
            no_replay,
        ),
        shared("access_many_people_redeem_at_once", crowd).within(Duration::from_secs(600)),
        settled("access_one_key_while_the_api_server_restarts", restarting),
        exclusive("access_one_key_without_the_operator", without_operator),
    ]
}

/// What came of many redemptions of one code.
pub(super) struct Outcome {
    pub(super) keys: BTreeSet<String>,
    /// Refusals by status and code.
    pub(super) refusals: Vec<(u16, String)>,
    /// Without an answer.
    pub(super) lost: usize,
}

/// Redeems a code, and again while the pod answers that it is asked for too many invites that it
/// does not know: it learns of a new one a moment after it is made.
async fn redeem_when_known(url: &str, code: &str) -> Result<(u16, Value)> {
    let look = async || {
        let answer = redeem(url, code).await;
        let is_early = answer.as_ref().is_ok_and(|(status, _)| *status == 429);
        (!is_early).then_some(answer)
    };
    wait::until("the pod to know the invite", IN_FORCE, look).await?
}

/// Reaches for a code on all pods at once.
pub(super) async fn reach(urls: &[String], code: &str) -> Outcome {
    let calls = urls.iter().cycle().take(HANDS);
    let answers = join_all(calls.map(|url| redeem_when_known(url, code))).await;
    let mut outcome = Outcome {
        keys: BTreeSet::new(),
        refusals: Vec::new(),
        lost: 0,
    };
    for answer in answers {
        match answer {
            Ok((200, answer)) => {
                outcome
                    .keys
                    .extend(answer["key"].as_str().map(str::to_owned));
            }
            Ok((status, answer)) => {
                let code = answer["error"]["code"].as_str().unwrap_or_default();
                outcome.refusals.push((status, code.to_owned()));
            }
            Err(_) => outcome.lost += 1,
        }
    }
    outcome
}

impl Outcome {
    /// Exactly one key was given out, and everyone else was told that it is gone.
    pub(super) fn is_one_key(&self) -> Result<String> {
        ensure!(self.keys.len() == 1, "{} keys", self.keys.len());
        ensure!(self.lost == 0, "{} without an answer", self.lost);
        let gone = (410, "invite_already_redeemed".to_owned());
        let others: Vec<_> = self.refusals.iter().filter(|it| **it != gone).collect();
        ensure!(others.is_empty(), "{others:?}");
        self.keys.first().cloned().context("no key")
    }
}

async fn one_key(context: Context) -> Result<()> {
    start(&context, 3).await?;
    let urls = pod_urls(&context).await?;
    ensure!(urls.len() == 3, "{urls:?}");
    let (code, invite) = make_code(&context).await?;
    let key = reach(&urls, &code).await.is_one_key()?;
    ensure!(
        redeemed_keys(&context).await?.len() == 1,
        "more than one object"
    );
    for url in &urls {
        let (status, body) = chat(url, &key).await?;
        ensure!(status == 200, "{url}: {status} {body}");
    }
    wait_for_state(&context, &format!("invite/{invite}"), "Redeemed").await?;

    // The same, while one of the pods is killed.
    let (code, _) = make_code(&context).await?;
    let victim = context.pods(context.namespace(), super::PODS).await?;
    let victim = text(&victim.first().context("no pod")?["metadata"]["name"])?;
    let (outcome, killed) = tokio::join!(reach(&urls, &code), kill(&victim));
    killed?;
    ensure!(outcome.keys.len() <= 1, "{} keys", outcome.keys.len());
    let made = redeemed_keys(&context).await?.len() - 1;
    ensure!(made == 1, "{made} objects of the second code");
    if let Some(key) = outcome.keys.first() {
        works(&context, key).await?;
    }
    crate::tell(&format!(
        "one code over 3 pods while one is killed: {} keys given out, {} refusals, {} without an answer",
        outcome.keys.len(),
        outcome.refusals.len(),
        outcome.lost
    ));
    Ok(())
}

/// Kills a pod's process in the middle of what it does.
async fn kill(pod: &str) -> Result<()> {
    let process = process_of(pod)?;
    sleep(INTO_THE_CROWD).await;
    signal::kill(process, Signal::SIGKILL)?;
    Ok(())
}

pub(super) async fn works(context: &Context, key: &str) -> Result<()> {
    let url = context.gateway_url("g").await?;
    let served = async || {
        let (status, _) = chat(&url, key).await.ok()?;
        (status == 200).then_some(())
    };
    wait::until("the key to serve", IN_FORCE, served).await
}

async fn no_replay(context: Context) -> Result<()> {
    start(&context, 1).await?;
    let (code, name) = make_code(&context).await?;
    let url = context.gateway_url("g").await?;
    let (status, _) = redeem(&url, &code).await?;
    ensure!(status == 200, "{status}");
    let object = format!("invite/{name}");
    wait_for_state(&context, &object, "Redeemed").await?;
    let mut invite = context.read(&object).await?;
    let spec = invite["spec"].take();
    context.kubectl(&["delete", &object]).await?;
    // As Git does it: the same object, without its status.
    let again = json!({
        "apiVersion": "anyray.ai/v1alpha1", "kind": "Invite",
        "metadata": { "name": name }, "spec": spec,
    });
    context.apply(&[again]).await?;
    let (status, answer) = redeem(&url, &code).await?;
    ensure!(status == 410, "{status}: {answer}");
    // And the record comes back.
    wait_for_state(&context, &object, "Redeemed").await
}

async fn crowd(context: Context) -> Result<()> {
    start(&context, 3).await?;
    let urls = pod_urls(&context).await?;
    let people = lengths().crowd;
    let mut codes = Vec::new();
    for _ in 0..people {
        codes.push(make_code(&context).await?.0);
    }
    let calls = codes
        .iter()
        .zip(urls.iter().cycle())
        .map(async |(code, url)| {
            let started = Instant::now();
            let answer = redeem(url, code).await;
            (answer, started.elapsed())
        });
    let mut keys = BTreeSet::new();
    let mut times = Vec::new();
    for (answer, time) in join_all(calls).await {
        let (status, answer) = answer?;
        ensure!(status == 200, "{status}: {answer}");
        keys.insert(text(&answer["key"])?);
        times.push(time);
    }
    ensure!(keys.len() == people, "{} keys", keys.len());
    times.sort();
    let at = |share: usize| {
        times
            .get(people * share / 100 - 1)
            .copied()
            .unwrap_or_default()
    };
    crate::tell(&format!(
        "{people} invites redeemed at once over 3 pods: p50 {:?}, p99 {:?}, maximum {:?}",
        at(50),
        at(99),
        at(100)
    ));
    let (status, list) = admin(&context, "GET", "client-keys", &Value::Null).await?;
    let count = list["data"].as_array().map(Vec::len);
    ensure!(
        status == 200 && count == Some(people),
        "{status}: {count:?}"
    );
    Ok(())
}

async fn restarting(context: &Context) -> Result<()> {
    start(context, 3).await?;
    let urls = pod_urls(context).await?;
    let (code, _) = make_code(context).await?;
    let (outcome, restarted) = tokio::join!(reach(&urls, &code), restart_api_server(context));
    restarted?;
    ensure!(outcome.keys.len() <= 1, "{} keys", outcome.keys.len());
    // Whoever got no key may try again, as the answer said.
    let mut keys = outcome.keys.clone();
    let mut is_settled = false;
    while !is_settled {
        let again = reach(&urls, &code).await;
        keys.extend(again.keys.clone());
        is_settled = again.refusals.iter().all(|(status, _)| *status == 410) && again.lost == 0;
    }
    let made = redeemed_keys(context).await?;
    ensure!(made.len() == 1, "{} objects", made.len());
    ensure!(keys.len() <= 1, "{} keys", keys.len());
    if let Some(key) = keys.first() {
        works(context, key).await?;
    }
    crate::tell(&format!(
        "one code over 3 pods while the API server restarts: {} key, at first {} refusals and {} without an answer",
        keys.len(),
        outcome.refusals.len(),
        outcome.lost
    ));
    ensure!(
        keys.len() == 1,
        "the code was used up and nobody has the key"
    );
    Ok(())
}

async fn without_operator(context: Context) -> Result<()> {
    start(&context, 3).await?;
    let urls = pod_urls(&context).await?;
    let (code, invite) = make_code(&context).await?;
    scale_operator(&context, 0).await?;
    let outcome = reach(&urls, &code).await.is_one_key();
    // Whatever came of it.
    scale_operator(&context, 1).await?;
    works(&context, &outcome?).await?;
    wait_for_state(&context, &format!("invite/{invite}"), "Redeemed").await
}
