//! Connections to providers: pools, time limits, TLS, and the address check at dial time.

use std::{
    error::Error as StdError,
    fmt, io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::BoxError;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use crate::{body::UpstreamBody, config::transport::Transport};

mod connector;

use connector::{CheckedResolver, ConnectTimedOut, EgressDenied, TimedConnector};

/// Idle connections that are kept per host; more are closed after use.
const MAX_IDLE_PER_HOST: usize = 512;

/// How long an idle connection is kept: less than providers' load balancers do, so that they do
/// not close it under a request.
const POOL_IDLE: Duration = Duration::from_secs(30);

/// Silence after which the kernel asks whether a provider still exists; it also keeps a thinking
/// provider's connection alive in address translation on the way.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// How long a provider may take in nothing of a request before its connection is given up.
const STALL: Duration = Duration::from_secs(60);

/// Bytes that a connection to a provider holds in either direction, for a caller that is slower than
/// the provider or the other way round: room for most requests, so that they are written in one
/// call.
const MAX_BUFFER_BYTES: usize = 256 << 10;

/// Different transports that one worker keeps pools for; the oldest goes first.
const MAX_POOLS: usize = 64;

type Pool = Client<TimedConnector<HttpsConnector<HttpConnector<CheckedResolver>>>, UpstreamBody>;

/// One worker's connection pools, by transport.
#[derive(Default)]
pub struct Upstreams {
    pools: Mutex<Vec<(Arc<Transport>, Pool)>>,
}

impl fmt::Debug for Upstreams {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Upstreams").finish_non_exhaustive()
    }
}

/// Why no answer came.
#[derive(Debug)]
pub enum SendError {
    /// No connection in time.
    ConnectTimeout,
    /// The host has no address that may be dialled.
    EgressDenied,
    /// No connection: refused, unknown host, TLS refused.
    Connect,
    /// Connected, but what came back was no answer.
    Exchange,
}

impl Upstreams {
    /// Sends one request and waits for the head of the answer.
    ///
    /// # Errors
    /// [`SendError`]; a connection that a provider closed before the request was written is
    /// replaced without one.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection, which tells the provider to stop.
    pub async fn send(
        &self,
        transport: &Arc<Transport>,
        request: Request<UpstreamBody>,
    ) -> Result<Response<Incoming>, SendError> {
        let pool = self.pool(transport);
        pool.request(request)
            .await
            .map_err(|error| classify(&error))
    }

    /// The pool of this transport; pools outlive a reload that does not change their transport.
    fn pool(&self, transport: &Arc<Transport>) -> Pool {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let known = pools
            .iter_mut()
            .find(|(known, _)| Arc::ptr_eq(known, transport) || known == transport);
        if let Some((known, pool)) = known {
            if !Arc::ptr_eq(known, transport) {
                *known = Arc::clone(transport);
            }
            return pool.clone();
        }
        if pools.len() >= MAX_POOLS {
            pools.remove(0);
        }
        let pool = build_pool(transport);
        pools.push((Arc::clone(transport), pool.clone()));
        pool
    }
}

fn build_pool(transport: &Transport) -> Pool {
    let resolver = CheckedResolver::new(Arc::clone(&transport.egress));
    let mut http = HttpConnector::new_with_resolver(resolver);
    http.set_nodelay(true);
    http.set_keepalive(Some(KEEPALIVE));
    http.set_tcp_user_timeout(Some(STALL));
    http.enforce_http(false);
    let https = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls_config(transport.ca_bundle.as_deref()))
        .https_or_http()
        .enable_http1()
        .wrap_connector(http);
    Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(MAX_IDLE_PER_HOST)
        .pool_idle_timeout(POOL_IDLE)
        .pool_timer(TokioTimer::new())
        .http1_max_buf_size(MAX_BUFFER_BYTES)
        .build(TimedConnector::new(https, transport.connect_timeout))
}

/// TLS with the built-in roots, or with the given ones instead.
fn tls_config(ca_bundle: Option<&str>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    match ca_bundle {
        Some(pem) => {
            let certificates = CertificateDer::pem_slice_iter(pem.as_bytes()).flatten();
            roots.add_parsable_certificates(certificates);
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

fn classify(error: &hyper_util::client::legacy::Error) -> SendError {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<ConnectTimedOut>() {
            return SendError::ConnectTimeout;
        }
        if is_egress_denied(error) {
            return SendError::EgressDenied;
        }
        cause = error.source();
    }
    if error.is_connect() {
        SendError::Connect
    } else {
        SendError::Exchange
    }
}

/// The resolver's refusal, which travels inside an [`io::Error`].
fn is_egress_denied(error: &(dyn StdError + 'static)) -> bool {
    let inner: Option<&(dyn StdError + Send + Sync + 'static)> = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref);
    error.is::<EgressDenied>() || inner.is_some_and(|inner| inner.is::<EgressDenied>())
}

/// The error type that hyper's connectors share.
type ConnectError = BoxError;
