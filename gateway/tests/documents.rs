//! What the reference pages say is what the code does.
//!
//! `gateway/wire/tests/schema.rs` does the same for the configuration file, and the README's
//! commands are run by `e2e/tests/quickstart.rs`.

#![cfg(test)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyray_gateway::{
    access_log::{Line, Tokens},
    cli::Options,
    error::GatewayError,
    inbound,
    metrics::{Metrics, RequestLabels},
};
use anyray_wire::{Dialect, usage::TokenUsage};
use clap::CommandFactory as _;
use http::Request;

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

/// One error of each kind; the test below sees to it that none is missing.
fn errors() -> [GatewayError; 25] {
    [
        GatewayError::UnknownPath,
        GatewayError::MethodNotAllowed { allow: "GET" },
        GatewayError::WebSocket,
        GatewayError::UnsafePath,
        GatewayError::DuplicateCredential {
            header: "x-api-key",
        },
        GatewayError::UnknownProvider,
        GatewayError::DialectNotSpoken {
            provider: "openai",
            dialect: Dialect::AnthropicMessages,
        },
        GatewayError::NoProviderKey { provider: "openai" },
        GatewayError::NoCredential {
            name: "main".into(),
        },
        GatewayError::EncodedBody,
        GatewayError::BodyTooLarge { limit: 1 },
        GatewayError::BodyTimeout,
        GatewayError::ReadBody,
        GatewayError::Overloaded,
        GatewayError::OutOfBodyBudget,
        GatewayError::Draining,
        GatewayError::Unreachable { provider: "openai" },
        GatewayError::EgressRefused { provider: "openai" },
        GatewayError::InvalidAnswer { provider: "openai" },
        GatewayError::ConnectTimeout {
            provider: "openai",
            limit: Duration::from_secs(1),
        },
        GatewayError::FirstByteTimeout {
            provider: "openai",
            limit: Duration::from_secs(1),
        },
        GatewayError::StreamCut { provider: "openai" },
        GatewayError::StreamIdle {
            provider: "openai",
            limit: Duration::from_secs(1),
        },
        GatewayError::TotalTimeout {
            limit: Duration::from_secs(1),
        },
        GatewayError::StreamOverflow { provider: "openai" },
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
