//! What a stolen backup of etcd gives away: keys and codes are in Secrets alone, and elsewhere
//! their hashes.

use anyhow::{Context as _, Result, ensure};
use anyray_e2e::wait;
use anyray_wire::anyray::credential::{CredentialDigest, write_invite_code};
use k8s_openapi::ByteString;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{
    STATUS_LIMIT, chat, client_key, entry, invite, make_code, make_key, redeem, start, text,
    wait_for_state,
};
use crate::{
    harness::{Context, Entry, shared},
    security,
};

/// Where the API server keeps Secrets, and our resources.
const SECRETS: &str = "/registry/secrets/";
const OURS: &str = "/registry/anyray.ai/";

pub(crate) fn tests() -> Vec<Entry> {
    vec![
        shared(
            "access_s9_etcd_has_keys_and_codes_in_secrets_only",
            keeps_in_secrets,
        )
        .on_ours_only(),
    ]
}

/// What nobody may find, but where it is meant to be.
struct Canary {
    what: &'static str,
    text: String,
    /// A Secret has it, too: a scan that does not find it there finds nothing anywhere.
    is_in_a_secret: bool,
    /// Our resources have its hash: they are in the scan.
    has_hash: bool,
}

impl Canary {
    /// A key or code whose hash alone is kept.
    fn hashed(what: &'static str, text: &str) -> Self {
        Self {
            what,
            text: text.to_owned(),
            is_in_a_secret: false,
            has_hash: true,
        }
    }

    /// A key or code that the operator has made.
    fn minted(what: &'static str, text: &str) -> Self {
        Self {
            is_in_a_secret: true,
            ..Self::hashed(what, text)
        }
    }

    /// What came in a Secret.
    fn given(what: &'static str, text: &str) -> Self {
        Self {
            has_hash: false,
            ..Self::minted(what, text)
        }
    }

    /// What is of no more use.
    fn gone(what: &'static str, text: &str) -> Self {
        Self {
            has_hash: false,
            ..Self::hashed(what, text)
        }
    }

    /// As it is, without what anybody may know of it, and as manifests have the data of Secrets.
    fn forms(&self) -> Result<[String; 2]> {
        let encoded = serde_json::to_value(ByteString(self.text.clone().into_bytes()))?;
        let secret_part = self.text.rsplit('_').next().unwrap_or(&self.text);
        Ok([secret_part.to_owned(), text(&encoded)?])
    }
}

async fn keeps_in_secrets(context: Context) -> Result<()> {
    start(&context, 1).await?;
    security::rotate(&context).await?;
    context
        .apply(&[
            invite("minted", &json!({})),
            client_key("ci", &json!({ "secretName": "ci-key" })),
        ])
        .await?;
    wait_for_state(&context, "invite/minted", "Issued").await?;
    wait_for_state(&context, "clientkey/ci", "Active").await?;
    let code = entry(&context, "secret/minted-code", "code").await?;
    let ci_key = entry(&context, "secret/ci-key", "apiKey").await?;
    let admin_token = entry(&context, "secret/g-admin", "token").await?;
    let mut canaries = vec![
        Canary::given("the provider's key", security::ROTATED),
        Canary::given("the admin token", &admin_token),
    ];
    canaries.extend(hashed(&context).await?);
    let mut before = vec![
        Canary::minted("the operator's code", &code),
        Canary::minted("the key for a program", &ci_key),
    ];
    before.append(&mut canaries);
    scan(&read_etcd(&context).await?, &before)?;

    let mut after = before.split_off(2);
    let key = come_in(&context, &code).await?;
    wait_for_state(&context, "invite/minted", "Redeemed").await?;
    let is_gone = async || context.read("secret/minted-code").await.err();
    wait::until("the code's Secret to go", STATUS_LIMIT, is_gone).await?;
    let renewed = renew(&context, &ci_key).await?;
    after.extend([
        Canary::hashed("the operator's code, redeemed", &code),
        Canary::hashed("the key of the operator's code", &key),
        Canary::gone("the program's key of before", &ci_key),
        Canary::minted("the program's new key", &renewed),
    ]);
    let stored = read_etcd(&context).await?;
    scan(&stored, &after)?;
    for (place, said) in security::everything(&context).await? {
        for canary in &after {
            let is_told = canary.forms()?.iter().any(|form| said.contains(form));
            ensure!(!is_told, "{} in {place}", canary.what);
        }
    }
    crate::tell(&format!(
        "{} keys and codes looked for in {} objects of etcd: in Secrets alone",
        after.len(),
        stored.len()
    ));
    Ok(())
}

/// Codes and keys that are made elsewhere than by the operator: whoever has them has the only one.
async fn hashed(context: &Context) -> Result<Vec<Canary>> {
    // As `kubectl anyray invite create` does it: only the hash comes into the cluster.
    let random = Sha256::digest(format!("code of {}", context.namespace()));
    let planned = write_invite_code(&random.into());
    let hash = CredentialDigest::of(&planned);
    context
        .apply(&[invite("planned", &json!({ "codeHash": hash }))])
        .await?;
    wait_for_state(context, "invite/planned", "Issued").await?;
    let (code, _) = make_code(context).await?;
    Ok(vec![
        Canary::hashed(
            "the key of an administrator's code",
            &come_in(context, &planned).await?,
        ),
        Canary::hashed("an administrator's code", &planned),
        Canary::hashed(
            "the key of the admin API's code",
            &come_in(context, &code).await?,
        ),
        Canary::hashed("the admin API's code", &code),
        Canary::hashed("the admin API's key", &make_key(context).await?.0),
    ])
}

/// Redeems a code and uses the key.
async fn come_in(context: &Context, code: &str) -> Result<String> {
    let url = context.gateway_url("g").await?;
    let (status, answer) = redeem(&url, code).await?;
    ensure!(status == 200, "{status}: {answer}");
    let key = text(&answer["key"])?;
    let (status, answer) = chat(&url, &key).await?;
    ensure!(status == 200, "{status}: {answer}");
    Ok(key)
}

/// Another key for the program.
async fn renew(context: &Context, before: &str) -> Result<String> {
    context.kubectl(&["delete", "secret", "ci-key"]).await?;
    let renewed = async || {
        let key = entry(context, "secret/ci-key", "apiKey").await.ok()?;
        let hash = CredentialDigest::of(&key).to_string();
        let known = context.read("clientkey/ci").await.ok()?["status"]["key"]["hash"].clone();
        (key != before && known == *hash).then_some(key)
    };
    wait::until("another key", STATUS_LIMIT, renewed).await
}

/// The names and the contents of everything in etcd.
type Stored = Vec<(String, Vec<u8>)>;

fn scan(stored: &Stored, canaries: &[Canary]) -> Result<()> {
    let places = |form: &str| {
        let has = |content: &[u8]| content.windows(form.len()).any(|it| it == form.as_bytes());
        let found = stored.iter().filter(move |(_, content)| has(content));
        found.map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    for canary in canaries {
        let what = canary.what;
        let found = canary.forms()?.map(|form| places(&form)).concat();
        let outside: Vec<_> = found.iter().filter(|it| !it.starts_with(SECRETS)).collect();
        ensure!(outside.is_empty(), "{what} in {outside:?}");
        ensure!(
            found.is_empty() != canary.is_in_a_secret,
            "{what} in {found:?}"
        );
        if canary.has_hash {
            let hash = CredentialDigest::of(&canary.text).to_string();
            let found = places(&hash);
            let is_ours = found.iter().any(|it| it.starts_with(OURS));
            ensure!(
                is_ours,
                "no object of ours has the hash of {what}: {found:?}"
            );
        }
    }
    Ok(())
}

/// By the HTTP API of etcd (etcd's documentation, "gRPC gateway"), in which names and contents are
/// in base64.
async fn read_etcd(context: &Context) -> Result<Stored> {
    let address = context.cluster().etcd_address()?;
    // From the least name to the end.
    let body = json!({ "key": "AA==", "range_end": "AA==" }).to_string();
    // HTTP/1.0 has no chunks.
    let request = format!(
        "POST /v3/kv/range HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no head")?;
    ensure!(head.contains(" 200 "), "{head}");
    let answer: Value = serde_json::from_str(body)?;
    let decode = |value: &Value| -> Result<Vec<u8>> {
        // An empty content is left out.
        let decoded: Option<ByteString> = serde_json::from_value(value.clone())?;
        Ok(decoded.map(|it| it.0).unwrap_or_default())
    };
    let entries = answer["kvs"].as_array().context("no entries")?;
    let stored = entries.iter().map(|entry| {
        let name = String::from_utf8(decode(&entry["key"])?)?;
        Ok((name, decode(&entry["value"])?))
    });
    let stored: Stored = stored.collect::<Result<_>>()?;
    let count = answer["count"].as_str().map(str::parse::<usize>);
    ensure!(count == Some(Ok(stored.len())), "{count:?} objects");
    Ok(stored)
}
