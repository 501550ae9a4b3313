//! What wraps hyper's connector: one time limit over all of it, and a resolver that checks.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
    vec,
};

use anyray_wire::gateway_config::egress::EgressRule;
use http::Uri;
use hyper_util::client::legacy::connect::dns::Name;
use tokio::time::timeout;
use tower_service::Service;

use super::ConnectError;

type BoxFuture<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// No connection within `timeouts.connectMs`.
#[derive(Debug, thiserror::Error)]
#[error("no connection in time")]
pub(super) struct ConnectTimedOut;

/// Every address of the host is one that the gateway may not dial.
#[derive(Debug, thiserror::Error)]
#[error("the host has no address that egress allows")]
pub(super) struct EgressDenied;

/// Puts one time limit on DNS, TCP and TLS together.
#[derive(Clone, Debug)]
pub(super) struct TimedConnector<C> {
    inner: C,
    limit: Duration,
}

impl<C> TimedConnector<C> {
    pub(super) fn new(inner: C, limit: Duration) -> Self {
        Self { inner, limit }
    }
}

impl<C> Service<Uri> for TimedConnector<C>
where
    C: Service<Uri>,
    C::Error: Into<ConnectError>,
    C::Future: Send + 'static,
    C::Response: 'static,
{
    type Response = C::Response;
    type Error = ConnectError;
    type Future = BoxFuture<C::Response, ConnectError>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = timeout(self.limit, self.inner.call(uri));
        Box::pin(async move {
            connecting
                .await
                .map_err(|_| ConnectTimedOut)?
                .map_err(Into::into)
        })
    }
}

/// Resolves through the system and passes on only addresses that may be dialled.
///
/// The connector dials what is returned here, so a name cannot change between check and use.
#[derive(Clone, Debug)]
pub(super) struct CheckedResolver {
    egress: Arc<EgressRule>,
}

impl CheckedResolver {
    pub(super) fn new(egress: Arc<EgressRule>) -> Self {
        Self { egress }
    }
}

impl Service<Name> for CheckedResolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<Self::Response, io::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let egress = Arc::clone(&self.egress);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<_> = found
                .filter(|address| egress.allows(address.ip()))
                .collect();
            if allowed.is_empty() {
                return Err(io::Error::new(
                    io::ErrorKind::PermissionDenied,
                    EgressDenied,
                ));
            }
            Ok(allowed.into_iter())
        })
    }
}
