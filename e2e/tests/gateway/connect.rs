//! Rows R27 and S22, and `egress`: providers that cannot, or must not, be connected to.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use anyray_e2e::{
    call::Dialect,
    config::Config,
    gateway::Gateway,
    raw::Answer,
    stand::{Stand, send, start_gateway},
    wait,
};
use anyray_fakes::FakeProvider;
use serde_json::json;
use tempfile::TempDir;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};

/// What each dialect's caller gets where the provider is at `url`, checked for its status.
async fn check_refusals(config: Config, status: u16, text: &str) -> Result<()> {
    let gateway = start_gateway(&config, &[]).await?;
    for dialect in Dialect::ALL {
        let started = Instant::now();
        let answer = send(&gateway, &dialect.stream("m")).await?;
        let message = dialect.check_error(&answer, status)?;
        ensure!(message.contains(text), "{message}");
        ensure!(
            started.elapsed() < Duration::from_secs(5),
            "took {:?}",
            started.elapsed()
        );
    }
    Ok(())
}

/// An address where nobody listens, kept free for as long as the socket lives.
fn refused_address() -> Result<(TcpSocket, SocketAddr)> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}

/// A listener whose queue is full: the kernel drops further attempts to connect.
async fn full_listener() -> Result<(TcpListener, Vec<TcpStream>)> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let listener = socket.listen(1)?;
    let mut waiting = Vec::new();
    for _ in 0..16 {
        let connecting = TcpStream::connect(listener.local_addr()?);
        match timeout(Duration::from_millis(200), connecting).await {
            Ok(stream) => waiting.push(stream?),
            Err(_) => return Ok((listener, waiting)),
        }
    }
    anyhow::bail!("the queue of a listener is never full here")
}

#[tokio::test]
async fn r27_a_refused_connection_is_a_502() -> Result<()> {
    let (_kept, address) = refused_address()?;
    let config = Config::for_provider(&format!("http://{address}"));
    check_refusals(config, 502, "could not connect").await
}

#[tokio::test]
async fn r27_an_unknown_host_is_a_502() -> Result<()> {
    // A label of more than 63 characters is refused by the resolver itself: no network is asked.
    let host = "a".repeat(64);
    check_refusals(
        Config::for_provider(&format!("http://{host}.test")),
        502,
        "could not connect",
    )
    .await
}

#[tokio::test]
async fn r27_a_host_that_does_not_answer_is_a_504() -> Result<()> {
    let (listener, _waiting) = full_listener().await?;
    let config = Config::for_provider(&format!("http://{}", listener.local_addr()?));
    let config = config.with("timeouts", json!({"connectMs": 300}));
    check_refusals(config, 504, "within 300 ms").await
}

#[tokio::test]
async fn r27_a_host_that_does_not_shake_hands_is_a_504() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let fake = FakeProvider::start_tls().await?;
    let url = format!("https://localhost:{}", listener.local_addr()?.port());
    let config = Config::for_tls_provider(&url, fake.ca_pem().context("no certificate")?);
    check_refusals(
        config.with("timeouts", json!({"connectMs": 300})),
        504,
        "within 300 ms",
    )
    .await
}

#[tokio::test]
async fn s22_a_provider_with_a_foreign_certificate_is_a_502() -> Result<()> {
    let (fake, other) = (
        FakeProvider::start_tls().await?,
        FakeProvider::start_tls().await?,
    );
    let foreign = other.ca_pem().context("no certificate")?;
    let config = Config::for_tls_provider(&fake.url(), foreign);
    check_refusals(config, 502, "could not connect").await?;
    ensure!(
        fake.requests().is_empty(),
        "a request went to a provider that nobody vouches for"
    );
    Ok(())
}

#[tokio::test]
async fn s22_a_private_certificate_is_no_public_one() -> Result<()> {
    let fake = FakeProvider::start_tls().await?;
    check_refusals(Config::for_provider(&fake.url()), 502, "could not connect").await
}

#[tokio::test]
async fn s22_a_certificate_for_another_name_is_a_502() -> Result<()> {
    let fake = FakeProvider::start_tls().await?;
    let ca_pem = fake.ca_pem().context("no certificate")?;
    // The certificate names 127.0.0.1 and not 127.0.0.2.
    for (host, is_named) in [("127.0.0.1", true), ("127.0.0.2", false)] {
        let listener = TcpListener::bind((host, 0)).await?;
        let config =
            Config::for_tls_provider(&format!("https://{}", listener.local_addr()?), ca_pem);
        tokio::spawn(relay(listener, fake.addr()));
        if !is_named {
            return check_refusals(config, 502, "could not connect").await;
        }
        let gateway = start_gateway(&config, &[]).await?;
        assert_eq!(
            send(&gateway, &Dialect::Chat.request("m")).await?.status(),
            200
        );
    }
    Ok(())
}

/// Passes connections on, so that a server is reached under another address.
async fn relay(listener: TcpListener, target: SocketAddr) -> Result<()> {
    loop {
        let (mut from, _) = listener.accept().await?;
        let mut to = TcpStream::connect(target).await?;
        tokio::io::copy_bidirectional(&mut from, &mut to).await.ok();
    }
}

#[tokio::test]
async fn s10_a_name_with_a_private_address_is_refused_by_default() -> Result<()> {
    let fake = FakeProvider::start().await?;
    for host in ["localhost", "127.1", "0x7f.1", "2130706433"] {
        let url = format!("http://{host}:{}", fake.addr().port());
        let config = Config::for_provider(&url).with("egress", json!({}));
        check_refusals(config, 502, "private address").await?;
    }
    ensure!(
        fake.requests().is_empty(),
        "a request was sent to a private address"
    );
    Ok(())
}

#[tokio::test]
async fn s10_a_listed_network_is_allowed() -> Result<()> {
    let listed = json!({"allowedNetworks": ["127.0.0.0/8", "::1/128"]});
    let stand = Stand::start_with(|config| config.with("egress", listed)).await?;
    let answer: Answer = stand.send(&Dialect::Chat.request("m")).await?;
    assert_eq!(answer.status(), 200);
    Ok(())
}

#[tokio::test]
async fn s10_a_private_address_is_refused_at_load() -> Result<()> {
    for host in [
        "127.0.0.1",
        "169.254.169.254",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "10.0.0.1",
    ] {
        let directory = TempDir::new()?;
        let config = Config::for_provider(&format!("http://{host}")).with("egress", json!({}));
        config.write(directory.path())?;
        let limit = Duration::from_secs(10);
        let ended = Gateway::run_to_end(directory.path());
        let output = wait::at_most("the gateway to refuse", limit, ended).await??;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.code() == Some(64),
            "{host}: {} {said}",
            output.status
        );
        ensure!(
            said.contains("providerKeys[0].endpoint.url"),
            "{host}: {said}"
        );
    }
    Ok(())
}
