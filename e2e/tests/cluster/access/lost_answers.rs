//! One code, many hands, and answers of the API server that are lost on the way: what a gateway
//! asked for was done, and it is not told.

use anyhow::{Context as _, Result, bail, ensure};
use anyray_e2e::{config::Config, gateway::Gateway};
use serde_json::Value;
use tempfile::TempDir;

use super::{
    make_code, redeemed_keys,
    redemption::{reach, works},
    relay::Relay,
    start, wait_for_state,
};
use crate::{
    faults::scale_operator,
    harness::{Context, Entry, exclusive},
};

pub(crate) fn tests() -> Vec<Entry> {
    vec![exclusive(
        "access_one_key_whatever_answers_are_lost",
        loses_answers,
    )]
}

async fn loses_answers(context: Context) -> Result<()> {
    // The pod makes the codes, and says in the end whether a key is good.
    let context = &context;
    start(context, 1).await?;
    let relay = Relay::start(context).await?;
    let gateways = [
        replica(context, &relay, "one").await?,
        replica(context, &relay, "two").await?,
    ];
    let urls = gateways
        .each_ref()
        .map(|gateway| format!("http://{}", gateway.address()));
    let case = Case {
        context,
        relay: &relay,
        urls: &urls,
    };
    // It completes the record of a key that it sees, and may be the first.
    scale_operator(context, 0).await?;
    let redeemed = without_operator(&case).await;
    // Whatever came of it.
    scale_operator(context, 1).await?;
    let mut redeemed = redeemed?;
    relay.lose(each_third());
    redeemed.push(
        case.one_key("every third answer beside the operator")
            .await?,
    );
    for invite in redeemed {
        wait_for_state(context, &format!("invite/{invite}"), "Redeemed").await?;
    }
    Ok(())
}

/// Returns the names of the invites.
async fn without_operator(case: &Case<'_>) -> Result<Vec<String>> {
    let relay = case.relay;
    relay.lose(once(is_claim));
    let mut redeemed = vec![case.one_key("the answer to the key").await?];
    relay.lose(once(is_record));
    redeemed.push(case.one_key("the answer to the record").await?);
    let (mut claim, mut record) = (once(is_claim), once(is_record));
    relay.lose(move |request, status| claim(request, status) || record(request, status));
    redeemed.push(case.one_key("both answers").await?);
    relay.lose(each_third());
    redeemed.push(case.one_key("every third answer").await?);
    Ok(redeemed)
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
    /// Redeems a new code with many hands while answers are lost: one of them gets a key, which
    /// serves, and the invite and the only object say the same of it. Returns the invite's name.
    async fn one_key(&self, what: &str) -> Result<String> {
        let before = redeemed_keys(self.context).await?.len();
        let (code, invite) = make_code(self.context).await?;
        let outcome = reach(self.urls, &code).await;
        let lost = self.relay.lost();
        self.relay.lose(|_, _| false);
        let key = outcome.is_one_key();
        let key = key.with_context(|| format!("{what} lost, {lost} in all"))?;
        ensure!(lost > 0, "{what} was not lost");
        works(self.context, &key).await?;

        let object = self.context.read(&format!("invite/{invite}")).await?;
        let redemption = &object["status"]["redemption"];
        let made = redeemed_keys(self.context).await?;
        ensure!(made.len() == before + 1, "{} keys: {made:?}", made.len());
        let is_of_it = |key: &&Value| key["spec"]["invite"]["name"] == *invite;
        let of_it: Vec<_> = made.iter().filter(is_of_it).collect();
        let [stored] = of_it[..] else {
            bail!("{of_it:?}");
        };
        ensure!(
            stored["spec"]["key"]["id"] == redemption["keyId"],
            "{object}"
        );
        let count = outcome.refusals.len();
        crate::tell(&format!(
            "{what} lost, {lost} in all: one key, {count} refusals"
        ));
        Ok(invite)
    }
}
