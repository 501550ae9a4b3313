//! What the API server refuses and what it takes: the fixtures of the CRDs, the examples, and the
//! manifests that people are told to apply.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use anyray_e2e::cluster::output_of;
use http::Request;
use serde_json::{Value, json};

use crate::{
    harness::{Context, Entry, shared},
    operator::{REPOSITORY, SYSTEM, read},
};

const FIXTURES: &str = "crds/tests/fixtures";

/// How often a change is tried again that something else was in the way of.
const MAX_CONFLICTS: usize = 10;

pub(crate) fn tests() -> Vec<Entry> {
    vec![
        shared(
            "refusals_s18_s19_s20_fixtures_are_judged_as_they_say",
            judges_fixtures,
        ),
        shared(
            "refusals_s3_examples_and_documented_manifests_are_accepted",
            accepts_examples,
        ),
    ]
}

/// One object, see `crds/tests/validation.rs`.
struct Fixture {
    path: PathBuf,
    is_accepted: bool,
    /// What a refusal says.
    title: String,
    object: Value,
    /// The object before the change, if it is one.
    from: Option<Value>,
}

async fn judges_fixtures(context: Context) -> Result<()> {
    context.operator().await?;
    let fixtures = fixtures()?;
    let mut wrong = Vec::new();
    for fixture in &fixtures {
        let refusal = match &fixture.from {
            None => send(&context, &fixture.object).await?,
            Some(from) => change(&context, from, &fixture.object).await?,
        };
        let is_right = match &refusal {
            None => fixture.is_accepted,
            Some(message) => !fixture.is_accepted && message.contains(&fixture.title),
        };
        if !is_right {
            let name = fixture.path.display();
            wrong.push(format!("{name}: {refusal:?}"));
        }
    }
    crate::tell(&format!("{} fixtures were judged", fixtures.len()));
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// What the API server says against a change of an object that is there; nothing if it takes it.
async fn change(context: &Context, from: &Value, to: &Value) -> Result<Option<String>> {
    context
        .kubectl_with(&["create", "-f", "-"], &from.to_string())
        .await?;
    let kind = from["kind"].as_str().context("a kind")?;
    let name = from["metadata"]["name"].as_str().context("a name")?;
    let target = format!("{kind}/{name}");
    let is_status = !from["status"].is_null() || !to["status"].is_null();
    let path = if is_status { "/status" } else { "" };
    if !from["status"].is_null() {
        let written = replace(context, from, &format!("{path}?")).await?;
        ensure!(written.is_none(), "{target}: {written:?}");
    }
    let refusal = replace(
        context,
        to,
        &format!("{path}?dryRun=All&fieldValidation=Strict&"),
    )
    .await;
    context.kubectl(&["delete", &target]).await?;
    refusal
}

/// What the API server says against an object in place of the one that is there; the operator may
/// have changed that meanwhile.
async fn replace(context: &Context, to: &Value, path: &str) -> Result<Option<String>> {
    let kind = to["kind"].as_str().context("a kind")?;
    let name = to["metadata"]["name"].as_str().context("a name")?;
    for _ in 0..MAX_CONFLICTS {
        let there = context.read(&format!("{kind}/{name}")).await?;
        let mut to = to.clone();
        for field in ["resourceVersion", "uid"] {
            to["metadata"][field] = there["metadata"][field].clone();
        }
        let url = format!("{}{path}fieldManager=fixtures", url(context, &to)?);
        let request = Request::put(url)
            .header("content-type", "application/json")
            .body(to.to_string().into_bytes())?;
        match context.client().request::<Value>(request).await {
            Ok(_) => return Ok(None),
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(kube::Error::Api(status)) => return Ok(Some(status.message.clone())),
            Err(error) => return Err(error.into()),
        }
    }
    anyhow::bail!("{kind}/{name} is changed all the time")
}

/// The path of an object.
fn url(context: &Context, object: &Value) -> Result<String> {
    let plural = object["kind"].as_str().context("a kind")?.to_lowercase();
    let namespace = context.namespace();
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    Ok(format!(
        "/apis/anyray.ai/v1alpha1/namespaces/{namespace}/{plural}s/{name}"
    ))
}

/// What the API server says against an object, sent as `kubectl apply --server-side
/// --dry-run=server` sends it, and GitOps tools do; nothing if it takes it.
///
/// A plain create overlooks some nulls.
async fn send(context: &Context, object: &Value) -> Result<Option<String>> {
    let request = Request::patch(format!(
        "{}?dryRun=All&fieldValidation=Strict&fieldManager=fixtures&force=true",
        url(context, object)?
    ));
    let request = request
        .header("content-type", "application/apply-patch+yaml")
        .body(object.to_string().into_bytes())?;
    match context.client().request::<Value>(request).await {
        Ok(_) => Ok(None),
        Err(kube::Error::Api(status)) => Ok(Some(status.message.clone())),
        Err(error) => Err(error.into()),
    }
}

fn fixtures() -> Result<Vec<Fixture>> {
    let mut fixtures = Vec::new();
    for folder in ["anyraygateway", "clientkey", "invite", "providerkey"] {
        for path in yaml_files(&format!("{FIXTURES}/{folder}"))? {
            fixtures.extend(fixture(path)?);
        }
    }
    ensure!(fixtures.len() > 100, "only {} fixtures", fixtures.len());
    Ok(fixtures)
}

/// One fixture; none for the object before a change, which is read with the change.
fn fixture(path: PathBuf) -> Result<Option<Fixture>> {
    let name = path.to_str().context("a path")?;
    let accepted = name.strip_suffix(".accepted.yaml");
    let rejected = name.strip_suffix(".rejected.yaml");
    let Some(base) = accepted.or(rejected) else {
        ensure!(name.ends_with(".from.yaml"), "{name} is of no known sort");
        return Ok(None);
    };
    let text = fs::read_to_string(&path)?;
    let title = text.lines().next().and_then(|line| line.strip_prefix("# "));
    let from = fs::read_to_string(format!("{base}.from.yaml")).ok();
    let from = from.map(|text| serde_saphyr::from_str(&text)).transpose()?;
    Ok(Some(Fixture {
        is_accepted: accepted.is_some(),
        title: title.context("no first line")?.to_owned(),
        object: serde_saphyr::from_str(&text).with_context(|| format!("parse {name}"))?,
        from,
        path,
    }))
}

fn yaml_files(folder: &str) -> Result<Vec<PathBuf>> {
    let folder = Path::new(REPOSITORY).join(folder);
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "yaml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

async fn accepts_examples(context: Context) -> Result<()> {
    context.operator().await?;
    let mut manifests = Vec::new();
    for folder in [
        "examples",
        "examples/quickstart",
        "examples/onboarding",
        "examples/providers",
    ] {
        for path in yaml_files(folder)? {
            manifests.push((path.display().to_string(), fs::read_to_string(&path)?));
        }
    }
    let guide = "docs/guides/install.md";
    manifests.push((guide.to_owned(), printed(&read(guide)?)?));
    let mut notes = context.cluster().helm();
    notes.args(["get", "notes", "anyray", "--namespace", SYSTEM]);
    let notes = output_of(notes).await?;
    manifests.push(("the chart's notes".to_owned(), printed(&notes)?));
    ensure!(manifests.len() > 5, "only {} manifests", manifests.len());
    // A warning is what Pod Security says of a Deployment whose pods it would refuse.
    let apply = [
        "apply",
        "--dry-run=server",
        "--warnings-as-errors",
        "--output=name",
        "-f",
        "-",
    ];
    for (name, text) in manifests {
        let taken = context.kubectl_with(&apply, &text).await;
        let taken = taken.with_context(|| name.clone())?;
        ensure!(!taken.is_empty(), "{name} has no object");
    }
    refuses_open_examples(&context).await
}

/// That it is no accident that the examples pass: what they lack is refused.
async fn refuses_open_examples(context: &Context) -> Result<()> {
    let root = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": "root" },
        "spec": { "containers": [{ "name": "root", "image": "none" }] },
    });
    let taken = context
        .kubectl_with(&["apply", "--dry-run=server", "-f", "-"], &root.to_string())
        .await;
    let refusal = taken.err().context("a pod without restrictions is taken")?;
    ensure!(
        format!("{refusal:#}").contains("PodSecurity"),
        "{refusal:#}"
    );
    Ok(())
}

/// The objects that a text gives to `kubectl apply -f -`.
fn printed(text: &str) -> Result<String> {
    let blocks = text.split("<<'YAML'\n").skip(1);
    let blocks: Option<Vec<_>> = blocks
        .map(|rest| Some(rest.split_once("\nYAML\n")?.0))
        .collect();
    let blocks = blocks.context("a manifest without an end")?;
    ensure!(!blocks.is_empty(), "it prints no manifest");
    Ok(blocks.join("\n---\n"))
}
