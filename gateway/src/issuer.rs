//! The cluster that signs tokens of `ServiceAccount`s: its name and its keys, kept fresh.
//!
//! Every `ServiceAccount` may read both: Kubernetes binds the role
//! `system:service-account-issuer-discovery` to all of them.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use http::Request;
use kube::Client;
use serde::Deserialize;
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use crate::{
    service_account::{Expected, Keys, ServiceAccount, TokenFault, verify},
    store::kubernetes::GatewayName,
};

/// How long one call may take.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// How often the keys are read again without a reason.
const REFRESH: Duration = Duration::from_secs(600);

/// Shortest time between two reads, whatever tokens come: those of seats name unknown keys, too.
const PAUSE: Duration = Duration::from_secs(60);

/// Time between two tries to read at all.
const RETRY: Duration = Duration::from_secs(10);

/// Checks tokens of the cluster's `ServiceAccount`s.
#[derive(Clone, Debug)]
pub struct Accounts {
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    known: RwLock<Option<Known>>,
    /// Rung where a token names a key that is not known.
    wanted: Notify,
}

#[derive(Debug)]
struct Known {
    expected: Expected,
    keys: Keys,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
}

impl Accounts {
    /// Begins to follow the cluster's keys.
    pub fn follow(client: Client, gateway: &GatewayName) -> Self {
        let state = Arc::<State>::default();
        let audience = format!("anyray.ai/{}/{}", gateway.namespace, gateway.name);
        tokio::spawn(refresh(client, audience, Arc::clone(&state)));
        Self { state }
    }

    /// Whose token it is; `None` where nothing is known of the cluster yet.
    pub fn verify(&self, token: &str, now: i64) -> Option<Result<ServiceAccount, TokenFault>> {
        let known = self.state.known.read();
        let known = known.unwrap_or_else(PoisonError::into_inner);
        let known = known.as_ref()?;
        let verified = verify(token, &known.keys, &known.expected, now);
        if verified == Err(TokenFault::UnknownKey) {
            self.state.wanted.notify_one();
        }
        Some(verified)
    }
}

async fn refresh(client: Client, audience: String, state: Arc<State>) {
    loop {
        match read(&client, &audience).await {
            Ok(known) => {
                *state.known.write().unwrap_or_else(PoisonError::into_inner) = Some(known);
                sleep(PAUSE).await;
                let _ = timeout(REFRESH, state.wanted.notified()).await;
            }
            Err(why) => {
                tracing::warn!("cannot read the keys of ServiceAccount tokens: {why}");
                sleep(RETRY).await;
            }
        }
    }
}

async fn read(client: &Client, audience: &str) -> Result<Known, String> {
    let discovery = get(client, "/.well-known/openid-configuration").await?;
    let discovery: Discovery =
        serde_json::from_str(&discovery).map_err(|error| error.to_string())?;
    let keys = get(client, "/openid/v1/jwks").await?;
    Ok(Known {
        expected: Expected {
            issuer: discovery.issuer,
            audience: audience.to_owned(),
        },
        keys: Keys::from_json(keys.as_bytes()).map_err(|error| error.to_string())?,
    })
}

async fn get(client: &Client, path: &str) -> Result<String, String> {
    let request = Request::get(path)
        .body(Vec::new())
        .map_err(|error| error.to_string())?;
    match timeout(CALL_LIMIT, client.request_text(request)).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err("no answer in time".to_owned()),
    }
}
