//! The least that a gateway of axum and hyper costs: it passes requests and answers on as they come.
//!
//! `relay LISTEN UPSTREAM [current]`: addresses such as `127.0.0.1:9910` and URLs such as
//! `http://127.0.0.1:9900`; `current` runs it on tokio's single-threaded runtime.

use std::{env, sync::Arc};

use anyhow::{Context as _, Result};
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
    serve::ListenerExt as _,
};
use http::{
    HeaderName, HeaderValue, StatusCode, Uri,
    header::{AUTHORIZATION, CONNECTION, HOST, TRANSFER_ENCODING},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{net::TcpListener, runtime::Builder};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// As many as the load generator of the bench holds.
const MAX_IDLE_CONNECTIONS: usize = 1_024;

struct Relay {
    upstream: String,
    client: Client<HttpConnector, Body>,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (listen, upstream) = match arguments.as_slice() {
        [listen, upstream, ..] => (listen.clone(), upstream.clone()),
        _ => anyhow::bail!("usage: relay LISTEN UPSTREAM [current]"),
    };
    let runtime = if arguments.iter().any(|argument| argument == "current") {
        Builder::new_current_thread().enable_all().build()
    } else {
        Builder::new_multi_thread().enable_all().build()
    };
    runtime?.block_on(serve(&listen, upstream))
}

async fn serve(listen: &str, upstream: String) -> Result<()> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS)
        .build(connector);
    let relay = Arc::new(Relay { upstream, client });
    let listener = TcpListener::bind(listen).await;
    let listener = listener.with_context(|| format!("listen on {listen}"))?;
    let listener = listener.tap_io(|stream| {
        // A connection that is gone already has no use for it.
        let _ = stream.set_nodelay(true);
    });
    let router = Router::new().fallback(answer).with_state(relay);
    axum::serve(listener, router).await?;
    Ok(())
}

async fn answer(State(relay): State<Arc<Relay>>, request: Request) -> Response {
    match pass_on(&relay, request).await {
        Ok(response) => response,
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

async fn pass_on(relay: &Relay, mut request: Request) -> Result<Response> {
    let uri = format!("{}{}", relay.upstream, request.uri().path());
    *request.uri_mut() = uri.parse::<Uri>()?;
    let headers = request.headers_mut();
    for name in [HOST, CONNECTION, TRANSFER_ENCODING, API_KEY] {
        headers.remove(name);
    }
    headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer upstream"));
    let mut response = relay.client.request(request).await?.map(Body::new);
    for name in [CONNECTION, TRANSFER_ENCODING] {
        response.headers_mut().remove(name);
    }
    Ok(response)
}
