//! What the gateway keeps of requests: one line each, and metrics whose labels no caller chooses.

use std::{collections::HashSet, rc::Rc};

use anyhow::{Context, Result, ensure};
use anyray_e2e::{
    call::{Dialect, Request},
    stand::Stand,
    wait,
};
use serde_json::{Value, json};

/// What a line must have, whatever became of the request.
const FIELDS: [&str; 9] = [
    "timestamp",
    "message",
    "request.id",
    "operation",
    "provider",
    "status",
    "outcome",
    "duration_ms",
    "response_bytes",
];

/// Requests of every fate, with the outcome that their line has.
fn fates() -> Vec<(Request, &'static str)> {
    let mut fates = Vec::new();
    for dialect in Dialect::ALL {
        fates.extend([
            (dialect.request("m"), "ok"),
            (dialect.stream("m"), "ok"),
            (dialect.request("fake-status-429"), "ok"),
            (dialect.request("fake-html"), "ok"),
            (dialect.stream("fake-cut-2"), "upstream_cut"),
            (dialect.stream("fake-cut-mid-2"), "upstream_cut"),
            (dialect.request("fake-cut-body"), "upstream_cut"),
            (dialect.stream("fake-end-early-2"), "upstream_cut"),
            (dialect.stream("fake-hang"), "upstream_timeout"),
            (dialect.stream("fake-hang-stream-2"), "upstream_idle"),
            (dialect.stream("fake-endless-line"), "upstream_overflow"),
            (
                dialect
                    .request("m")
                    .header("x-api-key", "a")
                    .header("x-api-key", "b"),
                "duplicate_credential",
            ),
            (
                dialect.request("m").header("x-anyray-provider", "acme"),
                "unknown_provider",
            ),
            (
                dialect.request("m").header("content-encoding", "gzip"),
                "encoded_body",
            ),
            (dialect.request("m").to("/v1/nowhere"), "unknown_path"),
            (dialect.request("m").to("/v1/models"), "method_not_allowed"),
            (dialect.request("m").to("/v1/../x"), "unsafe_path"),
        ]);
    }
    fates
}

/// Sends, and returns the gateway's id of the request.
async fn send(stand: Rc<Stand>, request: Request) -> Result<String> {
    let mut caller = stand.open().await?;
    caller.send(request.to_bytes()).await?;
    // Half an answer is one of the fates: the head alone counts.
    let head = caller.read_head().await?;
    caller.read_rest().await?;
    Ok(head
        .header("x-anyray-request-id")
        .context("no id")?
        .to_owned())
}

#[tokio::test]
async fn log_has_exactly_one_line_for_each_request() -> Result<()> {
    let timeouts = json!({"firstByteMs": 300, "idleMs": 300});
    let stand = Rc::new(Stand::start_with(|config| config.with("timeouts", timeouts)).await?);
    let (sent, outcomes): (Vec<_>, Vec<_>) = fates().into_iter().unzip();
    for probe in ["/", "/livez", "/api/hello"] {
        stand.send(&Request::new("GET", probe)).await?;
    }
    let ids = wait::for_all(
        sent.into_iter()
            .map(|request| send(Rc::clone(&stand), request)),
    )
    .await?;
    for (id, outcome) in ids.iter().zip(&outcomes) {
        let line = stand.log_line(id).await?;
        ensure!(
            line.get("outcome") == Some(&json!(outcome)),
            "not {outcome}: {line}"
        );
        for field in FIELDS {
            ensure!(
                line.get(field).is_some_and(|value| !value.is_null()),
                "no {field}: {line}"
            );
        }
    }
    ensure!(
        ids.iter().collect::<HashSet<_>>().len() == ids.len(),
        "an id came twice"
    );
    let lines = stand.gateway.access_log().len();
    ensure!(
        lines == ids.len(),
        "{lines} lines for {} requests",
        ids.len()
    );
    Ok(())
}

#[tokio::test]
async fn log_can_be_switched_off() -> Result<()> {
    let stand = Stand::start_with(|config| config.with("accessLog", json!(false))).await?;
    for dialect in Dialect::ALL {
        stand.send(&dialect.stream("m")).await?;
    }
    let address = stand.gateway.address();
    let Stand {
        fake: _fake,
        mut gateway,
    } = stand;
    gateway.signal("TERM").await?;
    gateway
        .wait_for_end(std::time::Duration::from_secs(5))
        .await?;
    ensure!(
        gateway.access_log().is_empty(),
        "{address} logged {:?}",
        gateway.access_log()
    );
    Ok(())
}

/// The names and labels of all series.
fn series(metrics: &str) -> HashSet<&str> {
    let lines = metrics.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(series, _)| series)
        .collect()
}

#[tokio::test]
async fn metrics_have_no_label_that_a_caller_chooses() -> Result<()> {
    let stand = Stand::start_with(|config| {
        config.with("passthroughPaths", json!(["/v1/files", "/v1/files/*"]))
    })
    .await?;
    let send_all = async |word: &str| {
        for dialect in Dialect::ALL {
            for request in [
                dialect.request(word),
                dialect.stream(word),
                dialect.request("m").header("x-anyray-provider", word),
                dialect.request("m").header("x-anyray-metadata", word),
                dialect.request("m").header("user-agent", word),
                dialect.request("m").to(&format!("/v1/{word}")),
                dialect.request("m").to(&format!("/v1/files/{word}")),
                Request::new("GET", &format!("/v1/models/{word}?{word}={word}")),
                Request::new(&word.to_ascii_uppercase(), dialect.path()),
            ] {
                stand.send(&request).await?;
            }
        }
        stand
            .gateway
            .ops()
            .wait_for_metric("requests_in_flight", 0)
            .await?;
        stand.gateway.ops().metrics().await
    };
    let first = send_all("chosen-0").await?;
    let mut last = String::new();
    for number in 1..6 {
        last = send_all(&format!("chosen-{number}")).await?;
    }
    assert_eq!(series(&first), series(&last));
    ensure!(!last.to_ascii_lowercase().contains("chosen"), "{last}");
    Ok(())
}

#[tokio::test]
async fn metrics_are_in_the_open_metrics_format_and_name_the_build() -> Result<()> {
    let stand = Stand::start().await?;
    stand.send(&Dialect::Chat.request("m")).await?;
    let answer = stand.gateway.ops().get("/metrics").await?;
    let kind = answer.head.header("content-type").unwrap_or_default();
    ensure!(
        kind.starts_with("application/openmetrics-text; version=1.0.0"),
        "{kind}"
    );
    let text = answer.text();
    ensure!(text.ends_with("# EOF\n"), "no end: {text}");
    let config: Value = stand.gateway.ops().config().await?;
    let hash = config
        .get("hash")
        .and_then(Value::as_str)
        .context("no hash")?;
    for series in [
        format!("anyray_gateway_config_info{{hash=\"{hash}\"}} 1\n"),
        format!(
            "anyray_gateway_build_info{{version=\"{}\"}} 1\n",
            env!("CARGO_PKG_VERSION")
        ),
        "anyray_gateway_request_duration_seconds_count{operation=\"chat_completions\"} 1\n".into(),
        "anyray_gateway_first_byte_seconds_count{operation=\"chat_completions\"} 1\n".into(),
    ] {
        ensure!(text.contains(&series), "no {series} in {text}");
    }
    Ok(())
}
