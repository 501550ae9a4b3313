//! A listed name is dialled only at addresses that egress allows, and only it is.

use std::{fs, time::Duration};

use anyhow::{Context, Result, ensure};
use anyray_e2e::{
    call::Dialect, config::Config, gateway::Gateway, provider::RawProvider, stand::send, wait,
};
use serde_json::json;
use tempfile::TempDir;
use tokio::{net::TcpListener, time::timeout};

use super::{Ground, HOST, Setup};

/// Long enough for a connection on loopback that is on its way, and no wait for one to fail.
const MOMENT: Duration = Duration::from_millis(200);

/// How long the gateway may take for something that it does at once.
const LIMIT: Duration = Duration::from_secs(5);

/// Nobody has connected.
async fn check_not_dialled(listener: &TcpListener) -> Result<()> {
    let accepted = timeout(MOMENT, listener.accept()).await;
    ensure!(accepted.is_err(), "the gateway has dialled");
    Ok(())
}

/// A gateway that lists a host at this port, in a world where names lead as `hosts` says.
async fn start_listing(port: u16, hosts: &str) -> Result<(Gateway, std::path::PathBuf)> {
    let listed = json!([{"host": format!("{HOST}:{port}")}]);
    let config = Config::for_provider("https://provider.test")
        .with("providerKeys", json!([]))
        .with("egress", json!({"customHosts": listed}));
    let directory = TempDir::new()?;
    config.write(directory.path())?;
    Gateway::start_with_hosts(directory, hosts, &[]).await
}

#[tokio::test]
async fn s10_a_listed_name_at_a_private_address_is_not_dialled() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    for address in [
        "127.0.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "169.254.169.254",
        "10.0.0.1",
    ] {
        let (gateway, _table) = start_listing(port, &format!("{address} {HOST}\n")).await?;
        let request = Dialect::Chat
            .request("m")
            .header("authorization", "Bearer sk-of-the-caller")
            .header("x-anyray-custom-host", &format!("https://{HOST}:{port}"));
        let answer = send(&gateway, &request).await?;
        let text = Dialect::Chat.check_refusal(&answer, 502, "egress_refused")?;
        ensure!(text.contains("egress.allowedNetworks"), "{address}: {text}");
    }
    check_not_dialled(&listener).await
}

#[tokio::test]
async fn s10_each_dial_asks_anew_and_takes_allowed_addresses_only() -> Result<()> {
    let ground = Ground::start(Setup::default()).await?;
    let request = ground.subscription_request(Dialect::Messages, &ground.base(""));
    // The host closes the connection within its answer, so that none is kept.
    let cut = Dialect::Messages.request("fake-cut-body");
    let request = request.body(cut.body_bytes());
    for (hosts, expected) in [
        (format!("10.9.9.9 {HOST}\n"), 502),
        (format!("10.9.9.9 {HOST}\n127.0.0.1 {HOST}\n"), 200),
        (format!("169.254.169.254 {HOST}\n"), 502),
        (format!("127.0.0.1 {HOST}\n"), 200),
    ] {
        fs::write(&ground.table, &hosts)?;
        ground.subscription.take_requests();
        let answer = ground.send(&request).await?;
        assert_eq!(answer.status(), expected, "{hosts}: {}", answer.text());
        if expected == 502 {
            Dialect::Messages.check_refusal(&answer, 502, "egress_refused")?;
            ground.check_nothing_sent()?;
        } else {
            ensure!(!answer.is_whole, "the connection was kept");
            ground.take_subscription_request()?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn s10_a_host_with_another_certificate_gets_no_token() -> Result<()> {
    let ground = Ground::start(Setup::default()).await?;
    // The built-in roots know nothing of the fake's authority.
    let port = ground.subscription.addr().port();
    let listed = json!([{"host": format!("{HOST}:{port}")}]);
    let egress = json!({"allowedNetworks": ["127.0.0.0/8"], "customHosts": listed});
    let config = Config::for_provider("https://provider.test")
        .with("providerKeys", json!([]))
        .with("egress", egress);
    let directory = TempDir::new()?;
    config.write(directory.path())?;
    let hosts = format!("127.0.0.1 {HOST}\n");
    let (gateway, _table) = Gateway::start_with_hosts(directory, &hosts, &[]).await?;
    let request = ground.own_request(Dialect::Messages, &ground.base(""));
    let answer = send(&gateway, &request).await?;
    Dialect::Messages.check_error(&answer, 502)?;
    assert_eq!(
        Dialect::Messages.read_code(&answer)?,
        "upstream_unreachable"
    );
    ground.check_nothing_sent()
}

#[tokio::test]
async fn s10_redirects_are_passed_on_and_not_followed() -> Result<()> {
    let ground = Ground::start(Setup::default()).await?;
    for status in [301, 302, 303, 307, 308] {
        let model = format!("fake-status-{status}");
        let body = Dialect::Messages.request(&model);
        let request = ground.subscription_request(Dialect::Messages, &ground.base(""));
        let answer = ground.send(&request.body(body.body_bytes())).await?;
        assert_eq!(answer.status(), status);
        ground.take_subscription_request()?;
    }
    // The fake names no place to go to; this provider does, and the gateway sends by one client.
    let trap = TcpListener::bind("127.0.0.1:0").await?;
    let provider = RawProvider::start().await?;
    let config = Config::for_provider(&provider.url());
    let gateway = Gateway::start(&config).await?;
    let location = format!("location: http://{}/v1/messages", trap.local_addr()?);
    let redirect = format!("HTTP/1.1 307 Go\r\n{location}\r\ncontent-length: 0\r\n\r\n");
    let request = Dialect::Messages.request("m");
    let playing = async {
        let mut upstream = provider.accept().await?;
        upstream.write(&redirect).await?;
        Ok::<_, anyhow::Error>(upstream)
    };
    let both = async { tokio::try_join!(send(&gateway, &request), playing) };
    let (answer, _upstream) = wait::at_most("a redirect", LIMIT, both).await??;
    assert_eq!(answer.status(), 307);
    answer.head.header("location").context("no location")?;
    check_not_dialled(&trap).await
}
