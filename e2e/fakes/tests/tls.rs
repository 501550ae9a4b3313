//! TLS with an authority that the client is given.

#![cfg(test)]

use std::{sync::Arc, time::Duration};

use anyray_fakes::FakeProvider;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

const LIMIT: Duration = Duration::from_secs(10);

async fn connect(fake: &FakeProvider, name: &'static str) -> std::io::Result<TlsStream<TcpStream>> {
    let pem = fake.ca_pem().expect("an authority");
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate");
    roots.add(authority).expect("a root");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let socket = TcpStream::connect(fake.addr()).await?;
    let name = ServerName::try_from(name).expect("a name");
    TlsConnector::from(Arc::new(config))
        .connect(name, socket)
        .await
}

async fn ask(socket: &mut TlsStream<TcpStream>, model: &str) -> std::io::Result<String> {
    let body = format!(r#"{{"model":"{model}","stream":true,"prompt":"hi"}}"#);
    let request = format!(
        "POST /v1/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer k\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    timeout(LIMIT, socket.read_to_string(&mut answer))
        .await
        .expect("an answer")?;
    Ok(answer)
}

#[tokio::test]
async fn the_certificate_is_good_for_localhost_and_its_address() {
    let fake = FakeProvider::start_tls().await.expect("a free port");
    assert!(fake.url().starts_with("https://localhost:"));
    for name in ["localhost", "127.0.0.1"] {
        let mut socket = connect(&fake, name).await.expect("a handshake");
        let answer = ask(&mut socket, "m").await.expect("an answer");
        assert!(answer.contains("data: [DONE]"), "{answer}");
    }
    assert!(connect(&fake, "example.com").await.is_err());
}

#[tokio::test]
async fn further_names_are_served_when_asked_for() {
    let names = ["fake.anyray.svc".to_owned()];
    let addr = ([127, 0, 0, 1], 0).into();
    let fake = FakeProvider::bind_tls(addr, &names)
        .await
        .expect("a free port");
    assert!(connect(&fake, "fake.anyray.svc").await.is_ok());
}

#[tokio::test]
async fn a_cut_ends_without_a_farewell() {
    let fake = FakeProvider::start_tls().await.expect("a free port");
    let mut socket = connect(&fake, "localhost").await.expect("a handshake");
    let error = ask(&mut socket, "fake-cut-1").await.expect_err("a cut");
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
}
