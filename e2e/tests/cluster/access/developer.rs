//! A developer's day: an invite, one command, the real tools by key and by subscription, and out
//! again.

use std::{fs, process::Command};

use anyhow::{Context as _, Result, ensure};
use anyray_e2e::{
    binaries,
    clients::{Client, Finished},
    cluster::{NODE, output_of},
    developer::Developer,
};
use anyray_fakes::{FakeProvider, Recorded};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use tempfile::TempDir;

use super::{entry, invite, redeemed_keys, text, wait_for_state};
use crate::{
    access::life::wait_for_status,
    harness::{Context, Entry, shared},
    operator::{gateway, provider_key, read, secret},
};

/// The hosts of subscriptions. Nothing leads to the internet here: the gateway's pods take the node
/// for them, where the test stands in.
const SUBSCRIPTION_HOSTS: [&str; 2] = ["api.anthropic.com", "chatgpt.com"];

/// A subscription at Anthropic.
const CLAUDE_SUBSCRIPTION: &str = "sk-ant-oat01-subscription-of-ada-0123456789";

pub(crate) fn tests() -> Vec<Entry> {
    vec![
        shared("connect_a_developer_is_set_up_and_locked_out", works).on_ours_only(),
        shared("connect_the_guide_onboards_a_team", onboards),
    ]
}

/// A gateway that wants keys, lets subscriptions pass, and trusts the fake for the hosts of
/// subscriptions.
async fn start(context: &Context, subscriptions: &FakeProvider) -> Result<()> {
    context.operator().await?;
    context.start_echo().await?;
    let anthropic = json!({
        "provider": "anthropic",
        "endpoint": { "url": "http://echo:8786" },
    });
    let trusted = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "subscriptions" },
        "data": { "ca.crt": subscriptions.ca_pem().context("the fake has no certificate")? },
    });
    let host = |host| json!({ "host": host, "caBundleRef": { "name": "subscriptions" } });
    let spec = json!({
        // Until its pods know the hosts.
        "replicas": 0,
        "auth": { "clientKeys": "Required", "subscriptionPassthrough": true },
        "egress": { "customHosts": SUBSCRIPTION_HOSTS.map(host) },
    });
    context
        .apply(&[
            secret("key", "sk-0"),
            trusted,
            provider_key("openai", "key", json!({})),
            provider_key("anthropic", "key", anthropic),
            gateway("g", spec),
        ])
        .await?;
    let limit = "--timeout=90s";
    context
        .kubectl(&["wait", "--for=create", "deployment/g", limit])
        .await?;
    let aliases = json!([{ "ip": NODE.to_string(), "hostnames": SUBSCRIPTION_HOSTS }]);
    let pods = json!({ "spec": { "template": { "spec": { "hostAliases": aliases } } } });
    context.patch("deployment/g", &pods).await?;
    let one = json!({ "spec": { "replicas": 1 } });
    context.patch("anyraygateway/g", &one).await?;
    context.wait_for("anyraygateway/g", "Ready").await
}

async fn works(context: Context) -> Result<()> {
    let names = SUBSCRIPTION_HOSTS.map(str::to_owned);
    let subscriptions = FakeProvider::bind_tls((NODE, 443).into(), &names).await?;
    start(&context, &subscriptions).await?;
    context
        .apply(&[invite("ada", &json!({ "team": "research" }))])
        .await?;
    wait_for_state(&context, "invite/ada", "Issued").await?;
    let code = entry(&context, "secret/ada-code", "code").await?;
    let url = context.gateway_url("g").await?;

    let ada = Ada::new(&url)?;
    let before = ada.developer.tree()?;
    ada.connect(&["--gateway", &url, "--invite", &code, "--yes"])
        .await?;
    ada.both_answer().await?;
    ensure!(
        subscriptions.requests().is_empty(),
        "a subscription paid in key mode"
    );
    wait_for_state(&context, "invite/ada", "Redeemed").await?;
    ada.connect(&["doctor"]).await?;

    ada.connect(&["--subscription", "--yes"]).await?;
    ada.subscriptions_pay(&subscriptions).await?;
    ada.connect(&["doctor"]).await?;

    let mut keys = redeemed_keys(&context).await?;
    let key = keys.pop().context("no ClientKey")?;
    ensure!(keys.is_empty(), "more than one key of one invite");
    let printed = ada.connect(&["print-key"]).await?;
    let printed = printed.stdout.trim().to_owned();
    let object = format!("clientkey/{}", text(&key["metadata"]["name"])?);
    context.kubectl(&["delete", &object]).await?;
    wait_for_status(&url, &printed, 401).await?;
    ada.both_are_refused().await?;
    let told = ada.developer.connect(&["doctor"]).await?;
    let told = told.run().await?;
    ensure!(told.status.code() == Some(1), "{}", told.report());
    ensure!(told.stdout.contains("FAIL"), "{}", told.report());

    ada.connect(&["--revert", "--yes"]).await?;
    let after = ada.developer.tree()?;
    ensure!(after == before, "the home is another: {:?}", after.keys());
    Ok(())
}

/// The five commands of the guide, as printed but for the namespace, which is the test's own, and
/// the gateway's address, which has no name outside of the cluster.
async fn onboards(context: Context) -> Result<()> {
    context.operator().await?;
    let guide = read("docs/guides/onboarding.md")?;
    let mut blocks = guide.split("```sh\n").skip(1);
    let mut block = || {
        let block = blocks.next().and_then(|rest| rest.split("```").next());
        block.context("the guide has three blocks of commands")
    };
    let (team, invite, developer) = (block()?, block()?, block()?);
    let all = team.lines().chain(invite.lines()).chain(developer.lines());
    ensure!(all.count() == 5, "the guide promises five commands");
    // The test has its namespace.
    let team: Vec<_> = team.lines().skip(1).collect();
    shell(&context, &team.join("\n")).await?;
    let printed = shell(&context, invite).await?;
    let (told, code) = printed
        .trim()
        .split_once(" --invite ")
        .context("a command")?;
    let expected = developer.replace("team-a.svc", &format!("{}.svc", context.namespace()));
    ensure!(expected.starts_with(told), "{told} is not {expected}");

    let url = context.gateway_url("team-a").await?;
    let ada = Ada::new(&url)?;
    ada.connect(&["--gateway", &url, "--invite", code, "--yes"])
        .await?;
    ada.connect(&["doctor"]).await?;
    ada.both_answer().await
}

/// Runs commands of a document beside the examples, as an administrator.
async fn shell(context: &Context, commands: &str) -> Result<String> {
    let examples = TempDir::new()?;
    for name in [
        "quickstart/echo.yaml",
        "onboarding/provider-keys.yaml",
        "onboarding/gateway.yaml",
    ] {
        let name = format!("examples/{name}");
        let text = read(&name)?.replace("anyray-fakes:dev", &context.cluster().image("fakes"));
        let path = examples.path().join(&name);
        fs::create_dir_all(path.parent().context("a folder")?)?;
        fs::write(path, text)?;
    }
    let plugin = binaries::kubectl_plugin().await?;
    let plugin = plugin.parent().context("a folder")?.display();
    let path = format!(
        "{plugin}:{}:/usr/bin:/bin",
        context.cluster().bin_dir().display()
    );
    let own = format!("-n {}", context.namespace());
    let mut bash = Command::new("bash");
    bash.args(["-ec", &commands.replace("-n team-a", &own)])
        .current_dir(examples.path())
        .env_clear()
        .env("PATH", path)
        .env("KUBECONFIG", context.cluster().kubeconfig());
    output_of(bash).await
}

/// Ada, whose tools run in copies of her home: what they write there is theirs.
struct Ada {
    developer: Developer,
    host: String,
}

impl Ada {
    fn new(url: &str) -> Result<Self> {
        let authority = url.strip_prefix("http://").context("an http URL")?;
        let host = authority.split(':').next().unwrap_or_default().to_owned();
        Ok(Self {
            developer: Developer::new()?,
            host,
        })
    }

    async fn connect(&self, arguments: &[&str]) -> Result<Finished> {
        let mut all = arguments.to_vec();
        if arguments
            .first()
            .is_some_and(|first| first.starts_with("--"))
            && !arguments.contains(&"--revert")
        {
            all.extend(["--tools", "claude-code,codex,shell-env"]);
        }
        let finished = self.developer.run_connect(&all).await?;
        let told = finished.report().replace("ark_…", "");
        let may_print = arguments == ["print-key"];
        ensure!(may_print || !told.contains("ark_"), "a key is printed");
        Ok(finished)
    }

    /// Claude Code with a prompt, in a copy of the home.
    async fn claude(&self, change: impl FnOnce(Client) -> Client) -> Result<Finished> {
        let copy = self.developer.copy()?;
        let claude = copy.claude("hello")?.env("NO_PROXY", &self.host);
        let claude = claude
            .env("DISABLE_AUTOUPDATER", "1")
            .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1");
        change(claude).run().await
    }

    /// Codex with a prompt, in a copy of the home with further files of its own.
    async fn codex(&self, files: &[(&str, String)]) -> Result<Finished> {
        let copy = self.developer.copy()?;
        for (name, text) in files {
            fs::write(copy.home().join(".codex").join(name), text)?;
        }
        let codex = copy.codex("hello")?.env("NO_PROXY", &self.host);
        codex.run().await
    }

    async fn both_answer(&self) -> Result<()> {
        for finished in [self.claude(|it| it).await?, self.codex(&[]).await?] {
            let finished = finished.succeeded()?;
            ensure!(
                finished.stdout.contains("echo: hello"),
                "{}",
                finished.report()
            );
        }
        Ok(())
    }

    async fn subscriptions_pay(&self, subscriptions: &FakeProvider) -> Result<()> {
        let subscription =
            |client: Client| client.env("CLAUDE_CODE_OAUTH_TOKEN", CLAUDE_SUBSCRIPTION);
        let finished = self.claude(subscription).await?.succeeded()?;
        ensure!(
            finished.stdout.contains("echo: hello"),
            "{}",
            finished.report()
        );
        let request = last(subscriptions, "/v1/messages")?;
        check_subscription(&request, &format!("Bearer {CLAUDE_SUBSCRIPTION}"))?;

        let (login, token) = chatgpt_login();
        let finished = self.codex(&[("auth.json", login)]).await?.succeeded()?;
        ensure!(
            finished.stdout.contains("echo: hello"),
            "{}",
            finished.report()
        );
        let request = last(subscriptions, "/backend-api/codex/responses")?;
        check_subscription(&request, &format!("Bearer {token}"))
    }

    async fn both_are_refused(&self) -> Result<()> {
        let subscription =
            |client: Client| client.env("CLAUDE_CODE_OAUTH_TOKEN", CLAUDE_SUBSCRIPTION);
        let (login, _) = chatgpt_login();
        for finished in [
            self.claude(subscription).await?,
            self.codex(&[("auth.json", login)]).await?,
        ] {
            ensure!(
                !finished.stdout.contains("echo: hello"),
                "{}",
                finished.report()
            );
        }
        Ok(())
    }
}

/// What `codex login` leaves of a subscription at ChatGPT, and the token in it. Nobody has signed
/// it.
fn chatgpt_login() -> (String, String) {
    let encode = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({
        "email": "ada@example.com",
        // The year 2100: it is not renewed, for which there is no host here.
        "exp": 4_102_444_800_u64,
        "https://api.openai.com/auth": {
            "chatgpt_plan_type": "pro",
            "chatgpt_account_id": "account",
            "chatgpt_user_id": "user",
        },
    });
    let head = encode(json!({ "alg": "RS256", "typ": "JWT" }));
    let token = format!(
        "{head}.{}.{}",
        encode(claims),
        URL_SAFE_NO_PAD.encode("subscription")
    );
    let login = json!({
        "auth_mode": "chatgpt",
        "OPENAI_API_KEY": null,
        "tokens": {
            "id_token": token, "access_token": token, "refresh_token": "r",
            "account_id": "account",
        },
        "last_refresh": "2026-11-24T00:00:00Z",
    });
    (login.to_string(), token)
}

/// The last request below a path.
fn last(subscriptions: &FakeProvider, path: &str) -> Result<Recorded> {
    let requests = subscriptions.take_requests();
    let paths: Vec<_> = requests
        .iter()
        .map(|it| it.path_and_query.clone())
        .collect();
    let mut found = requests.into_iter().rev();
    let found = found.find(|request| request.path_and_query.starts_with(path));
    found.with_context(|| format!("no {path} in {paths:?}"))
}

/// The subscription's token came, and nothing of ours beside it.
fn check_subscription(request: &Recorded, authorization: &str) -> Result<()> {
    ensure!(
        request.header("authorization") == Some(authorization),
        "another credential"
    );
    for (name, value) in &request.headers {
        let value = String::from_utf8_lossy(value);
        ensure!(
            !name.starts_with("x-anyray-"),
            "{name} went to the provider"
        );
        ensure!(!value.contains("ark_"), "{name} holds a client key");
    }
    Ok(())
}
