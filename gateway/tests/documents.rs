//! What the reference pages say is what the code does.
//!
//! `gateway/wire/tests/schema.rs` does the same for the configuration file, and the README's
//! commands are run by `e2e/tests/quickstart.rs`.

#![cfg(test)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyray_gateway::{
    accounting::{
        access_log::{Line, Tokens},
        metrics::{Metrics, RequestLabels},
    },
    error::{
        GatewayError,
        fault::{CustomHostFault, TokenFault},
    },
    inbound,
    process::cli::Options,
};
use anyray_providers::{Operation, provider::openai_compatible::VENDORS};
use anyray_wire::{
    Dialect, anthropic::envelope::EnvelopeFault, anyray::credential::CredentialFault,
    usage::TokenUsage,
};
use clap::CommandFactory as _;
use http::{Request, StatusCode};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn read(page: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(page)).expect(page)
}

/// The first cells of a page's table rows, without the marks of code.
fn first_cells(page: &str) -> BTreeSet<String> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| "));
    let cells = rows.filter_map(|row| row.split(" |").next());
    cells.map(|cell| cell.replace('`', "")).collect()
}

/// The exposition once each metric has counted something; before, a family shows nothing.
fn exposition() -> String {
    let metrics = Metrics::new(Default::default());
    let labels = RequestLabels {
        operation: "chat_completions",
        provider: "openai",
        status: "2xx",
    };
    let usage = TokenUsage {
        input: 1,
        ..TokenUsage::default()
    };
    metrics.request(labels, 1.0, Some(0.5));
    metrics.tokens("openai", usage);
    metrics.usage_missing("chat_completions");
    metrics.failure("unknown_path");
    metrics.config_reloads(true);
    metrics.redemption("ok");
    metrics.set_config_hash("0");
    metrics.exposition().expect("text")
}

/// Name and labels of one series, such as `requests_total{status="2xx"} 1`.
fn read_series(line: &str) -> (&str, Vec<&str>) {
    let (series, _) = line.rsplit_once(' ').expect("a value");
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    let mut ends = ["_bucket", "_sum", "_count"].iter();
    let histogram = ends.find_map(|end| name.strip_suffix(end));
    let labels = labels.split(',').filter_map(|label| label.split_once('='));
    let labels = labels.map(|(label, _)| label);
    let labels = labels.filter(|label| histogram.is_none() || *label != "le");
    (histogram.unwrap_or(name), labels.collect())
}

#[test]
fn every_metric_and_label_is_documented() {
    let page = read("docs/reference/metrics.md");
    let exposition = exposition();
    for line in exposition.lines().filter(|line| !line.starts_with('#')) {
        let (name, labels) = read_series(line);
        let begin = format!("| `{name}` |");
        let row = page.lines().find(|line| line.starts_with(&begin));
        let row = row.unwrap_or_else(|| panic!("metrics.md has no row that begins with: {begin}"));
        for label in labels {
            assert!(
                row.contains(&format!("`{label}`")),
                "{label} is not in: {row}"
            );
        }
    }
}

#[test]
fn every_vendor_has_its_row() {
    let page = read("docs/providers/openai-compatible.md");
    for vendor in VENDORS {
        let row = vendor.row();
        assert!(
            page.lines().any(|line| line == row),
            "not on the page: {row}"
        );
    }
}

/// One error of each kind; the test below sees to it that none is missing.
fn errors() -> Vec<GatewayError> {
    [
        refusals_of_requests(),
        refusals_of_callers(),
        faults_on_the_way(),
    ]
    .concat()
}

fn refusals_of_requests() -> Vec<GatewayError> {
    vec![
        GatewayError::UnknownPath,
        GatewayError::MethodNotAllowed { allow: "GET" },
        GatewayError::WebSocket,
        GatewayError::UnsafePath,
        GatewayError::UnknownProvider,
        GatewayError::DialectNotSpoken {
            provider: "openai",
            dialect: Dialect::AnthropicMessages,
            operation: Operation::Messages,
        },
        GatewayError::PathOfOtherProvider {
            provider: "bedrock",
        },
        GatewayError::ModelMissing {
            provider: "bedrock",
        },
        GatewayError::ModelUnfit {
            provider: "azure-openai",
        },
        GatewayError::EnvelopeUnfit {
            provider: "bedrock",
            fault: EnvelopeFault::NotAnObject,
        },
        GatewayError::Unsignable {
            provider: "bedrock",
        },
        GatewayError::LoopDetected,
        GatewayError::NoProviderKey { provider: "openai" },
        GatewayError::NoCredential {
            name: "main".into(),
        },
        GatewayError::EncodedBody,
        GatewayError::BodyTooLarge { limit: 1 },
        GatewayError::DuplicateModel,
        GatewayError::ModelUnknown,
        GatewayError::BodyNotPlainJson,
        GatewayError::BodyTimeout,
        GatewayError::ReadBody,
    ]
}

fn refusals_of_callers() -> Vec<GatewayError> {
    vec![
        GatewayError::DuplicateCredential {
            header: "x-api-key",
        },
        GatewayError::KeyInUrl,
        GatewayError::ConflictingCredentials,
        GatewayError::KeyMissing,
        GatewayError::InvalidKey {
            fault: CredentialFault::Checksum,
        },
        GatewayError::InviteCodeAsKey,
        GatewayError::KeyUnknown,
        GatewayError::KeyRevoked,
        GatewayError::KeyExpired,
        GatewayError::KeySuspended,
        GatewayError::InvalidToken {
            fault: TokenFault::Expired,
        },
        GatewayError::AccountUnknown,
        GatewayError::StoreUnavailable,
        GatewayError::ModelNotAllowed,
        GatewayError::ProviderNotAllowed { provider: "openai" },
        GatewayError::TooManyRequests {
            limit: 1,
            wait_seconds: 1,
        },
        GatewayError::TooManyAtOnce { limit: 1 },
        GatewayError::UnknownAuthMode,
        GatewayError::PassthroughDisabled,
        GatewayError::OwnTokenMissing,
        GatewayError::TokenOfOtherProvider { provider: "openai" },
        GatewayError::InvalidCustomHost {
            fault: CustomHostFault::Scheme,
        },
        GatewayError::CustomHostNotAllowed,
    ]
}

fn faults_on_the_way() -> Vec<GatewayError> {
    let (provider, limit) = ("openai", Duration::from_secs(1));
    vec![
        GatewayError::Overloaded,
        GatewayError::OutOfBodyBudget,
        GatewayError::Draining,
        GatewayError::Unreachable { provider },
        GatewayError::CredentialRefused {
            provider,
            name: "main".into(),
        },
        GatewayError::TokenUnavailable { provider },
        GatewayError::EgressRefused { provider },
        GatewayError::InvalidAnswer { provider },
        GatewayError::ConnectTimeout { provider, limit },
        GatewayError::FirstByteTimeout { provider, limit },
        GatewayError::StreamCut { provider },
        GatewayError::StreamIdle { provider, limit },
        GatewayError::TotalTimeout { limit },
        GatewayError::StreamOverflow { provider },
    ]
}

#[test]
fn every_error_is_documented_with_its_status_and_retry() {
    let page = read("docs/reference/http.md");
    for error in errors() {
        let retry = if error.is_retryable() { "yes" } else { "no" };
        let row = format!(
            "| `{}` | {} | {retry} |",
            error.code(),
            error.status().as_u16()
        );
        assert!(
            page.contains(&row),
            "http.md has no row that begins with: {row}"
        );
    }
    let (_, codes) = include_str!("../src/error.rs")
        .split_once("fn code(")
        .expect("the codes");
    let (codes, _) = codes.split_once("pub fn").expect("the end of the codes");
    assert_eq!(
        codes.matches("=> \"").count(),
        errors().len(),
        "errors() here is not complete"
    );
}

/// Sources of the admin and connect API.
const API: [&str; 5] = [
    include_str!("../src/api/admin.rs"),
    include_str!("../src/api/admin_client_keys.rs"),
    include_str!("../src/api/admin_invites.rs"),
    include_str!("../src/api/answer.rs"),
    include_str!("../src/api/connect.rs"),
];

/// `invite_expired 410` for each refusal of the admin and connect API.
fn refusals_in_the_code() -> BTreeSet<String> {
    let numbers = (100..600).filter_map(|number| StatusCode::from_u16(number).ok());
    let names: BTreeMap<_, _> = numbers
        .filter_map(|status| {
            let name = status.canonical_reason()?.to_uppercase();
            Some((name.replace([' ', '-'], "_"), status.as_u16()))
        })
        .collect();
    let mut found = BTreeSet::new();
    for source in API {
        let source = source.split_whitespace().collect::<Vec<_>>().join(" ");
        for rest in source.split("StatusCode::").skip(1) {
            let Some((name, behind)) = rest.split_once(", \"") else {
                continue;
            };
            let code = behind.split('"').next().unwrap_or_default();
            if let Some(status) = names.get(name) {
                found.insert(format!("{code} {status}"));
            }
        }
    }
    found
}

#[test]
fn every_refusal_of_the_admin_and_connect_api_is_documented_and_no_other() {
    let page = read("docs/reference/http.md");
    let section = "### Refusals of redemption and the admin API\n";
    let (_, rows) = page.split_once(section).expect("the section");
    let rows = rows.split("\n#").next().unwrap_or_default();
    let rows = rows.lines().filter_map(|line| line.strip_prefix("| `"));
    let documented = rows.filter_map(|row| {
        let (code, rest) = row.split_once("` | ")?;
        let status = rest.split(" |").next()?;
        Some(format!("{code} {status}"))
    });
    assert_eq!(documented.collect::<BTreeSet<_>>(), refusals_in_the_code());
}

#[test]
fn every_path_of_the_admin_and_connect_api_is_documented() {
    let documented = first_cells(&read("docs/reference/http.md")).into_iter();
    let documented: Vec<_> = documented.collect();
    let mut paths = 0;
    for rest in API
        .iter()
        .flat_map(|source| source.split(".route(\"").skip(1))
    {
        let path = rest.split('"').next().unwrap_or_default();
        if path == "/admin" || path.contains('*') {
            continue;
        }
        let path = path.replace("{id}", "ID");
        let is_documented = |cell: &String| cell.split(' ').nth(1) == Some(&path);
        assert!(documented.iter().any(is_documented), "no row for {path}");
        paths += 1;
    }
    assert!(paths >= 7, "{paths} paths were found");
}

#[test]
fn every_documented_path_is_served_with_and_without_v1() {
    let page = read("docs/reference/http.md");
    let mut served = 0;
    for cell in first_cells(&page) {
        let Some((methods, path)) = cell.split_once(" /v1/") else {
            continue;
        };
        let path = path.replace('*', "some-id");
        for method in methods.split(", ") {
            for prefix in ["/v1/", "/"] {
                let request = Request::builder()
                    .method(method)
                    .uri(format!("{prefix}{path}"));
                let (parts, ()) = request.body(()).expect("a request").into_parts();
                let read = inbound::read(&parts, &[]);
                assert!(read.is_ok(), "{method} {prefix}{path}: {read:?}");
                served += 1;
            }
        }
    }
    assert!(served > 0, "http.md has no table of paths");
}

#[test]
fn every_flag_is_documented_with_its_variable_and_default() {
    let page = read("docs/reference/configuration.md");
    for flag in Options::command()
        .get_arguments()
        .filter(|flag| flag.get_env().is_some())
    {
        let name = flag.get_long().expect("a long name");
        let variable = flag.get_env().expect("a variable").to_string_lossy();
        let defaults = flag
            .get_default_values()
            .iter()
            .map(|value| value.to_string_lossy());
        let default = defaults
            .map(|value| format!("`{value}`"))
            .collect::<String>();
        let row = format!("| `--{name}` | `{variable}` | {default}");
        assert!(
            page.contains(&row),
            "configuration.md has no row that begins with: {row}"
        );
    }
}

#[test]
fn every_field_of_the_access_log_is_documented() {
    let line = Line {
        timestamp: jiff::Timestamp::UNIX_EPOCH,
        message: "request",
        request_id: "req_0",
        operation: "messages",
        provider: "anthropic",
        provider_key: Some("main"),
        client_key: Some("0123456789ab"),
        team: Some("research"),
        model: Some("claude"),
        status: 200,
        outcome: "ok",
        duration_ms: 1.0,
        first_byte_ms: Some(1.0),
        response_bytes: 1,
        tokens: Some(Tokens {
            input: 1,
            output: 1,
            cache_read: 1,
            cache_write: 1,
        }),
    };
    let line = serde_json::to_value(&line).expect("JSON");
    let documented = first_cells(&read("docs/reference/logging.md"));
    for field in line.as_object().expect("an object").keys() {
        assert!(
            documented.contains(field),
            "logging.md has no row for {field}"
        );
    }
}

#[test]
fn every_relative_link_leads_to_a_file() {
    for page in pages(Path::new(ROOT)) {
        let text = fs::read_to_string(&page).expect("a page");
        let links = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let target = link.split('#').next().unwrap_or_default();
            let is_there = page
                .parent()
                .is_some_and(|folder| folder.join(target).exists());
            assert!(is_there, "{}: {link} leads nowhere", page.display());
        }
    }
}

/// The pages in the root and below `docs`.
fn pages(root: &Path) -> Vec<PathBuf> {
    let mut folders = vec![root.join("docs")];
    let mut entries = list(root);
    while let Some(folder) = folders.pop() {
        let inside = list(&folder);
        folders.extend(inside.iter().filter(|path| path.is_dir()).cloned());
        entries.extend(inside);
    }
    entries.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    entries
}

fn list(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    entries
        .map(|entry| entry.expect("an entry").path())
        .collect()
}
