//! One code, many hands, and answers of the API server that are lost on the way: what a gateway
//! asked for was done, and it is not told.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use anyray_e2e::{config::Config, gateway::Gateway};
use tempfile::TempDir;

use super::{
    make_code, redeemed_keys,
    redemption::{Outcome, reach, works},
    relay::Relay,
    start, wait_for_state,
};
use crate::trial::{Context, Entry, shared};

pub(crate) fn trials() -> Vec<Entry> {
    vec![
        shared("access_one_key_whatever_answers_are_lost", loses_answers)
            .on_ours_only()
            .within(Duration::from_secs(600)),
    ]
}

async fn loses_answers(context: Context) -> Result<()> {
    // The pod makes the codes, and says in the end whether a key is good.
    start(&context, 1).await?;
    let relay = Relay::start(&context).await?;
    let gateways = [
        replica(&context, &relay, "one").await?,
        replica(&context, &relay, "two").await?,
    ];
    let urls = gateways
        .each_ref()
        .map(|it| format!("http://{}", it.address()));

    let case = Case {
        context: &context,
        relay: &relay,
        urls: &urls,
    };
    relay.lose(once(is_claim));
    case.one_key("the key", 1).await?.is_one_key()?;
    relay.lose(once(is_record));
    case.one_key("the record", 1).await?.is_one_key()?;
    let (mut claim, mut record) = (once(is_claim), once(is_record));
    relay.lose(move |request, status| claim(request, status) || record(request, status));
    case.one_key("the key and the record", 2)
        .await?
        .is_one_key()?;
    relay.lose(each_third());
    case.one_key("every third answer", 20).await?;
    Ok(())
}

/// A gateway process that stands for a further pod of `g`, and asks the API server by the relay.
async fn replica(context: &Context, relay: &Relay, name: &str) -> Result<Gateway> {
    let folder = TempDir::new()?;
    // It never calls a provider.
    Config::for_provider("http://127.0.0.1:1").write(folder.path())?;
    let gateway = format!("{}/g", context.namespace());
    let kubeconfig = relay.kubeconfig()?;
    let variables = [
        ("ANYRAY_KUBERNETES_GATEWAY", gateway.as_str()),
        ("KUBECONFIG", &kubeconfig),
        ("POD_NAME", name),
    ];
    Gateway::start_in(folder, &variables).await
}

/// The key is made, and that is said.
fn is_claim(request: &str, status: u16) -> bool {
    request.starts_with("POST ") && request.contains("/clientkeys") && status == 201
}

/// The redemption is recorded, and that is said.
fn is_record(request: &str, status: u16) -> bool {
    let is_status = request.contains("/invites/") && request.contains("/status");
    request.starts_with("PUT ") && is_status && status == 200
}

fn once(is_meant: fn(&str, u16) -> bool) -> impl FnMut(&str, u16) -> bool + Send {
    let mut is_over = false;
    move |request, status| {
        let is_lost = !is_over && is_meant(request, status);
        is_over |= is_lost;
        is_lost
    }
}

/// Watches are left alone: that they go on is not what this is about.
fn each_third() -> impl FnMut(&str, u16) -> bool + Send {
    let mut count = 0;
    move |request, _| {
        count += u8::from(!request.contains("watch="));
        let is_third = count == 3;
        count %= 3;
        is_third
    }
}

struct Case<'a> {
    context: &'a Context,
    relay: &'a Relay,
    urls: &'a [String],
}

impl Case<'_> {
    /// Redeems a new code with many hands while at least so many answers are lost. One of the hands
    /// has a key that serves, and the invite and one object say the same of it.
    async fn one_key(&self, what: &str, least: usize) -> Result<Outcome> {
        let before = redeemed_keys(self.context).await?.len();
        let (code, invite) = make_code(self.context).await?;
        let mut outcome = reach(self.urls, &code).await;
        let lost = self.relay.lost();
        self.relay.lose(|_, _| false);
        let told = format!(
            "{what} lost, {lost} answers in all: {} keys, {} refusals, {} without an answer",
            outcome.keys.len(),
            outcome.refusals.len(),
            outcome.lost
        );
        ensure!(lost >= least, "{told}");
        ensure!(outcome.lost == 0, "{told}");
        let is_clean = |(status, _): &(u16, String)| matches!(status, 410 | 503);
        ensure!(
            outcome.refusals.iter().all(is_clean),
            "{told}: {:?}",
            outcome.refusals
        );
        // Whoever was told to try again does.
        outcome.keys.extend(reach(self.urls, &code).await.keys);
        ensure!(
            outcome.keys.len() == 1,
            "in the end {} keys: {told}",
            outcome.keys.len()
        );
        works(self.context, outcome.keys.first().context("no key")?).await?;

        let object = format!("invite/{invite}");
        wait_for_state(self.context, &object, "Redeemed").await?;
        let redemption = self.context.read(&object).await?["status"]["redemption"].clone();
        let made = redeemed_keys(self.context).await?;
        ensure!(
            made.len() == before + 1,
            "{} objects: {told}",
            made.len() - before
        );
        let is_of_it = |key: &&serde_json::Value| key["spec"]["invite"]["name"] == *invite;
        let of_it: Vec<_> = made.iter().filter(is_of_it).collect();
        ensure!(of_it.len() == 1, "{of_it:?}");
        let names_it = of_it
            .iter()
            .all(|key| key["spec"]["key"]["id"] == redemption["keyId"]);
        ensure!(names_it, "{redemption}: {of_it:?}");
        crate::tell(&format!("one code, {told}"));
        Ok(outcome)
    }
}
