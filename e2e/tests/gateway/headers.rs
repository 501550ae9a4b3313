//! Rows S12 and S13: which headers cross the gateway, in both directions.
//!
//! Which credential goes upstream is in `credentials`.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use anyray_e2e::{
    call::{Dialect, Request},
    config::Config,
    provider::RawProvider,
    raw::{Connection, Head},
    stand::{Stand, start_gateway},
};
use anyray_fakes::Recorded;

/// What stops at the gateway on the way up.
const STOPPED: &[(&str, &str)] = &[
    ("cookie", "session=1"),
    ("x-forwarded-for", "203.0.113.7"),
    ("x-forwarded-host", "evil.test"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-anything", "1"),
    ("forwarded", "for=203.0.113.7"),
    ("x-real-ip", "203.0.113.7"),
    ("x-anyray-metadata", "{\"user\":\"me\"}"),
    ("x-anyray-never-heard-of", "1"),
    ("connection", "keep-alive, X-Named, authorization"),
    ("x-named", "for this hop only"),
    ("keep-alive", "timeout=5"),
    ("proxy-connection", "keep-alive"),
    ("proxy-authorization", "Basic cHJveHk="),
    ("te", "trailers"),
    ("trailer", "x-late"),
    ("expect", "100-continue"),
    ("http2-settings", "AAMAAABkAAQAAP__"),
    ("upgrade", "h2c"),
];

/// What passes on the way up, unchanged and in order.
const PASSED: &[(&str, &str)] = &[
    ("accept", "text/event-stream"),
    ("user-agent", "Anthropic/Python 0.99"),
    ("anthropic-beta", "one-2026-01-01"),
    ("anthropic-beta", "two-2026-02-02"),
    ("openai-organization", "org-mine"),
    ("openai-project", "proj-mine"),
    ("idempotency-key", "stainless-retry-1"),
    ("x-stainless-retry-count", "0"),
    ("x-client-request-id", "caller-1"),
    ("x-request-id", "caller-2"),
    (
        "traceparent",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ),
    ("x-never-heard-of", "\u{e9}t\u{e9}"),
    ("origin", "https://app.test"),
];

/// Headers that the gateway itself writes.
const OWN: [&str; 4] = ["host", "content-length", "accept-encoding", "authorization"];

/// What reached the provider of a request with these headers.
async fn pass_up(stand: &Stand, headers: &[(&str, &str)]) -> Result<Recorded> {
    let request = Dialect::Chat.request("m").without("content-type");
    let request = headers.iter().fold(request, |request, (name, value)| {
        request.header(name, value)
    });
    let answer = stand.send(&request).await?;
    ensure!(answer.status() == 200, "{}", answer.text());
    stand.take_request()
}

fn values_by_name(headers: &[(String, Vec<u8>)]) -> BTreeMap<&str, Vec<String>> {
    let mut values: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value).into_owned();
        values.entry(name).or_default().push(value);
    }
    values
}

#[tokio::test]
async fn s12_the_deny_list_stops_and_the_unknown_passes_on_the_way_up() -> Result<()> {
    let stand = Stand::start().await?;
    let sent: Vec<_> = PASSED.iter().chain(STOPPED).copied().collect();
    let request = pass_up(&stand, &sent).await?;
    let got: Vec<_> = request
        .headers
        .iter()
        .filter(|(name, _)| !OWN.contains(&name.as_str()))
        .cloned()
        .collect();
    let expected: Vec<_> = PASSED
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
        .collect();
    assert_eq!(values_by_name(&got), values_by_name(&expected));
    for name in OWN {
        ensure!(
            request.header_values(name).len() == 1,
            "not one {name} went upstream"
        );
    }
    Ok(())
}

#[tokio::test]
async fn s12_the_answer_is_asked_for_without_compression() -> Result<()> {
    let stand = Stand::start().await?;
    let request = pass_up(&stand, &[("accept-encoding", "gzip, br, zstd")]).await?;
    assert_eq!(request.header_values("accept-encoding"), [b"identity"]);
    Ok(())
}

#[tokio::test]
async fn s12_connection_names_headers_in_any_spelling_and_cannot_name_the_credential() -> Result<()>
{
    let stand = Stand::start().await?;
    let headers = [
        ("connection", "X-One,x-two , ,X-THREE"),
        ("connection", "x-four"),
        (
            "connection",
            "authorization, content-type, host, content-length",
        ),
        ("x-one", "1"),
        ("x-two", "2"),
        ("x-three", "3"),
        ("x-four", "4"),
        ("x-five", "5"),
    ];
    let request = pass_up(&stand, &headers).await?;
    for name in ["x-one", "x-two", "x-three", "x-four", "connection"] {
        ensure!(request.header(name).is_none(), "{name} went upstream");
    }
    for name in ["x-five", "authorization", "host", "content-length"] {
        ensure!(request.header(name).is_some(), "{name} did not go upstream");
    }
    Ok(())
}

#[tokio::test]
async fn s13_a_forged_address_goes_nowhere_and_changes_nothing() -> Result<()> {
    let stand = Stand::start().await?;
    let plain = pass_up(&stand, &[]).await?;
    for address in [
        "127.0.0.1",
        "10.0.0.1, 203.0.113.7",
        "::1",
        "unknown",
        "' or 1=1",
    ] {
        let forged = [
            ("x-forwarded-for", address),
            ("x-forwarded-for", "203.0.113.9"),
            ("forwarded", &format!("for={address}")),
            ("x-real-ip", address),
        ];
        let request = pass_up(&stand, &forged).await?;
        assert_eq!(
            values_by_name(&request.headers),
            values_by_name(&plain.headers)
        );
    }
    let log = stand.gateway.access_log().concat();
    ensure!(
        !log.contains("203.0.113"),
        "a forged address is in the access log"
    );
    Ok(())
}

/// What a caller gets of an answer with these header lines.
async fn pass_down(lines: &str) -> Result<(Head, String)> {
    let provider = RawProvider::start().await?;
    let gateway = start_gateway(&Config::for_provider(&provider.url()), &[]).await?;
    let mut caller = Connection::open(gateway.address()).await?;
    caller.send(Dialect::Chat.request("m").to_bytes()).await?;
    let mut upstream = provider.accept().await?;
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n{lines}\r\n{{}}");
    upstream.write(answer).await?;
    let answer = caller.read_answer().await?;
    let text = answer.text();
    Ok((answer.head, text))
}

#[tokio::test]
async fn s12_the_deny_list_stops_and_the_unknown_passes_on_the_way_down() -> Result<()> {
    let stopped = [
        "set-cookie: a=b; HttpOnly",
        "set-cookie: c=d",
        "x-anyray-provider: forged",
        "x-anyray-request-id: forged",
        "x-anyray-anything: forged",
        "connection: X-Named, close",
        "x-named: for this hop only",
        "keep-alive: timeout=5",
        "proxy-authenticate: Basic",
        "alt-svc: h3=\":443\"",
        "strict-transport-security: max-age=1",
        "trailer: x-late",
        "upgrade: h2c",
    ];
    let passed = [
        ("content-type", "application/json; charset=utf-8"),
        ("openai-version", "2020-10-01"),
        ("openai-organization", "org-theirs"),
        ("retry-after", "7"),
        ("x-ratelimit-remaining-tokens", "9"),
        ("x-should-retry", "false"),
        ("cf-ray", "1"),
        ("x-never-heard-of", "1"),
        ("x-never-heard-of", "2"),
        ("access-control-expose-headers", "X-Request-ID"),
        ("www-authenticate", "Bearer"),
        ("location", "/v1/elsewhere"),
    ];
    let lines = passed
        .iter()
        .map(|(name, value)| format!("{name}: {value}"));
    let lines: Vec<_> = lines.chain(stopped.map(str::to_owned)).collect();
    let (head, body) = pass_down(&format!("{}\r\n", lines.join("\r\n"))).await?;
    assert_eq!(body, "{}");
    let own = [
        "x-anyray-request-id",
        "x-request-id",
        "request-id",
        "date",
        "content-length",
    ];
    let got: Vec<_> = head
        .headers
        .iter()
        .filter(|(name, _)| !own.contains(&name.as_str()))
        .cloned()
        .collect();
    let expected = passed.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let by_name = |mut pairs: Vec<(String, String)>| {
        pairs.sort();
        pairs
    };
    assert_eq!(by_name(got), by_name(expected.to_vec()));
    ensure!(
        head.header("x-anyray-request-id")
            .is_some_and(|id| id != "forged"),
        "a forged id"
    );
    Ok(())
}

#[tokio::test]
async fn s12_spoofs_of_a_provider_never_reach_the_caller() -> Result<()> {
    let stand = Stand::start().await?;
    for dialect in Dialect::ALL {
        for request in [
            dialect.request("fake-set-cookie"),
            dialect.stream("fake-set-cookie"),
        ] {
            let head = stand.send(&request).await?.head;
            for name in [
                "set-cookie",
                "x-anyray-provider",
                "x-fake-hop",
                "keep-alive",
            ] {
                ensure!(head.header(name).is_none(), "{name} reached the caller");
            }
            let ids = head.values("x-anyray-request-id");
            ensure!(ids.len() == 1 && ids != ["spoofed"], "{ids:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn s12_ids_of_the_provider_are_kept_and_absent_ones_filled() -> Result<()> {
    let stand = Stand::start().await?;
    let own = |head: &Head| Some(head.header("x-anyray-request-id")?.to_owned());
    let chat = stand.send(&Dialect::Chat.request("m")).await?.head;
    let id = own(&chat).context("no id")?;
    assert_eq!(chat.values("request-id"), [id.as_str()]);
    assert_eq!(chat.values("x-request-id").len(), 1);
    ensure!(
        chat.header("x-request-id") != Some(&id),
        "the provider's id was replaced"
    );
    let messages = stand.send(&Dialect::Messages.stream("m")).await?.head;
    let other = own(&messages).context("no id")?;
    assert_eq!(messages.values("x-request-id"), [other.as_str()]);
    ensure!(
        messages.header("request-id") != Some(&other),
        "the provider's id was replaced"
    );
    ensure!(id != other, "two requests have one id");
    let refused = stand.send(&Request::new("GET", "/v1/nowhere")).await?.head;
    let id = own(&refused).context("no id")?;
    assert_eq!(refused.values("x-request-id"), [id.as_str()]);
    assert_eq!(refused.values("request-id"), [id.as_str()]);
    let (bare, _) = pass_down("").await?;
    let id = own(&bare).context("no id")?;
    assert_eq!(bare.values("x-request-id"), [id.as_str()]);
    assert_eq!(bare.values("request-id"), [id.as_str()]);
    Ok(())
}

#[tokio::test]
async fn s12_a_caller_cannot_choose_the_gateways_id() -> Result<()> {
    let stand = Stand::start().await?;
    let request = Dialect::Chat
        .request("m")
        .header("x-anyray-request-id", "req_chosen");
    let head = stand.send(&request).await?.head;
    ensure!(
        head.header("x-anyray-request-id") != Some("req_chosen"),
        "the caller chose the id"
    );
    Ok(())
}
