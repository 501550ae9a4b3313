//! Calls to a gateway: exchange an invite for a key, ask whether a key is good.

use std::{io, sync::Arc, thread, time::Duration};

use anyray_wire::anyray::{
    connect::{RedeemRequest, RedeemResponse, VerifyResponse},
    credential::read_client_key,
    secret::Secret,
};
use serde::{Deserialize, de::DeserializeOwned};
use ureq::{
    Agent, Error, Proxy, Timeout,
    http::{Response, StatusCode},
    tls::{RootCerts, TlsConfig},
    unversioned::transport::DefaultConnector,
};

use crate::{
    failure::{Failure, with_causes},
    gateway_url::GatewayUrl,
    mask::mask,
    resolver::SystemResolver,
};

/// Longest time until a connection stands.
const CONNECT: Duration = Duration::from_secs(5);

/// Longest time for one call. A redemption may take the gateway 30 s while its API server is away.
const CALL: Duration = Duration::from_secs(45);

/// Longest answer that is read, in bytes.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;

/// Longest text of a gateway that is shown, in characters.
const MAX_SHOWN: usize = 500;

/// Longest name of a user and of a team, in bytes, as the gateway has them.
const MAX_USER_BYTES: usize = 254;
const MAX_TEAM_BYTES: usize = 63;

/// Times that a redemption is tried while the gateway says that it is overloaded.
const MAX_TRIES: u32 = 4;

/// Pause before the first repetition; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// A gateway that can be called.
#[derive(Debug)]
pub struct Gateway<'a> {
    url: &'a GatewayUrl,
    agent: Agent,
}

/// An error as the gateway's own API writes it.
#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorText,
}

#[derive(Deserialize)]
struct ErrorText {
    message: String,
}

impl<'a> Gateway<'a> {
    /// The gateway of an address; nothing is sent yet.
    ///
    /// Certificates are checked by the system's roots, proxies taken from the usual variables.
    /// Redirects are not followed, so that a code or key goes to nobody else.
    pub fn new(url: &'a GatewayUrl) -> Self {
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(CALL))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            // A proxy cannot reach this machine's own ports.
            .proxy(Proxy::try_from_env().filter(|_| !url.is_loopback()))
            .user_agent(concat!("anyray-connect/", env!("CARGO_PKG_VERSION")))
            .build();
        let (connector, resolver) = (DefaultConnector::default(), SystemResolver::default());
        Self {
            url,
            agent: Agent::with_parts(config, connector, resolver),
        }
    }

    /// Exchanges an invite's code for a key. The gateway does so once for a code.
    ///
    /// # Errors
    /// [`Failure::Call`]. The key may have been made and its answer lost; the text says so.
    pub fn redeem(&self, code: &str) -> Result<RedeemResponse, Failure> {
        let request = RedeemRequest {
            token: Secret(code.to_owned()),
        };
        let answer = self.send_code(&request)?;
        let status = answer.status();
        // Nobody knows what became of the code; a 503 says that nothing was made.
        let is_unclear = status.is_success()
            || (status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE);
        let read = self.read(REDEEM, answer).and_then(|key| self.check(key));
        read.map_err(|failure| match failure {
            Failure::Call {
                action,
                gateway,
                reason,
            } if is_unclear => Failure::Call {
                action,
                gateway,
                reason: format!("{reason}; {IF_USED}"),
            },
            failure => failure,
        })
    }

    /// Sends a code, and again while the gateway says by a 503 that it is overloaded or its API
    /// server away.
    fn send_code(&self, request: &RedeemRequest) -> Result<Response<ureq::Body>, Failure> {
        let url = self.url.join("/connect/redeem");
        let send = || {
            let answer = self.agent.post(&url).send_json(request);
            answer.map_err(|error| self.fault(REDEEM, explain_lost(&error)))
        };
        let mut answer = send()?;
        let mut pause = FIRST_PAUSE;
        for _ in 1..MAX_TRIES {
            if answer.status() != StatusCode::SERVICE_UNAVAILABLE {
                break;
            }
            wait(pause);
            pause *= 2;
            answer = send()?;
        }
        Ok(answer)
    }

    /// The answer, if it is a key of ours and names that a header can carry.
    fn check(&self, answer: RedeemResponse) -> Result<RedeemResponse, Failure> {
        let is_name = |name: &str, longest: usize| {
            name.len() <= longest && !name.chars().any(char::is_control)
        };
        let team = answer.team.as_deref().unwrap_or_default();
        let is_fit = read_client_key(&answer.key.0).is_ok()
            && is_name(&answer.user, MAX_USER_BYTES)
            && is_name(team, MAX_TEAM_BYTES);
        if is_fit {
            Ok(answer)
        } else {
            Err(self.fault(REDEEM, NO_GATEWAY.to_owned()))
        }
    }

    /// Asks whether a credential is good, and for whom.
    ///
    /// # Errors
    /// [`Failure::Call`] with the gateway's words.
    pub fn verify(&self, credential: &str) -> Result<VerifyResponse, Failure> {
        let url = self.url.join("/connect/verify");
        let request = self.agent.get(&url);
        let answer = request
            .header("authorization", format!("Bearer {credential}"))
            .call();
        let answer = answer.map_err(|error| self.fault(VERIFY, explain(&error)))?;
        self.read(VERIFY, answer)
    }

    fn read<T: DeserializeOwned>(
        &self,
        action: &'static str,
        mut answer: Response<ureq::Body>,
    ) -> Result<T, Failure> {
        let status = answer.status();
        let body = answer.body_mut().with_config().limit(MAX_ANSWER_BYTES);
        let body = body.read_to_string();
        let body = body.map_err(|error| self.fault(action, explain_lost(&error)))?;
        if status == StatusCode::OK {
            let read = serde_json::from_str(&body);
            return read.map_err(|_| self.fault(action, NO_GATEWAY.to_owned()));
        }
        let said: Option<ErrorBody> = serde_json::from_str(&body).ok();
        let reason = match said {
            Some(body) => {
                let shown: String = body.error.message.chars().take(MAX_SHOWN).collect();
                format!("{} ({})", mask(&shown), status.as_u16())
            }
            None if status.is_redirection() => format!(
                "it answers with a redirect ({}), which is not followed: give the address that it leads to by --gateway",
                status.as_u16()
            ),
            None => format!("{NO_GATEWAY} (status {})", status.as_u16()),
        };
        Err(self.fault(action, reason))
    }

    fn fault(&self, action: &'static str, reason: String) -> Failure {
        Failure::Call {
            action,
            gateway: self.url.to_string(),
            reason,
        }
    }
}

const IF_USED: &str = "if the code is then said to be used, ask for another invite";

const VERIFY: &str = "asking whether the key is good";

const REDEEM: &str = "redeeming the invite";

const NO_HOST: &str = "its host is not known: check the address, or the network";

const NO_GATEWAY: &str = "the answer is none of an Anyray gateway: check the address";

/// The gateway says by 503 that a later try may succeed; there is nothing here to wait for.
#[expect(
    clippy::disallowed_methods,
    reason = "the gateway's condition cannot be watched"
)]
fn wait(pause: Duration) {
    thread::sleep(pause);
}

/// What a call without an answer means, and what to do.
fn explain(error: &Error) -> String {
    match error {
        Error::Io(error) if is_of_names(error) => NO_HOST.to_owned(),
        Error::HostNotFound => NO_HOST.to_owned(),
        Error::ConnectionFailed => {
            "nothing answers there: check the address, or the network".to_owned()
        }
        Error::Timeout(_) => "it did not answer in time: try again".to_owned(),
        Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            "nothing listens there: check the address and the port".to_owned()
        }
        Error::Io(error) if is_of_tls(error) => format!(
            "{error}: check the address, or let SSL_CERT_FILE name the file with your organisation's certificates"
        ),
        Error::ConnectProxyFailed(_) | Error::InvalidProxyUrl => format!(
            "{}: check HTTPS_PROXY, or name the gateway's host in NO_PROXY",
            with_causes(error)
        ),
        other => with_causes(other),
    }
}

/// The same for a call after which something may have happened all the same.
fn explain_lost(error: &Error) -> String {
    let reason = explain(error);
    let is_sent = match error {
        Error::Io(error) => {
            let is_refused = error.kind() == io::ErrorKind::ConnectionRefused;
            !is_refused && !is_of_tls(error) && !is_of_names(error)
        }
        Error::Timeout(timeout) => !matches!(timeout, Timeout::Resolve | Timeout::Connect),
        Error::Protocol(_) => true,
        _ => false,
    };
    if is_sent {
        format!("{reason}; {IF_USED}")
    } else {
        reason
    }
}

/// Whether a host was not found. The standard library tells by its text alone.
fn is_of_names(error: &io::Error) -> bool {
    error
        .to_string()
        .starts_with("failed to lookup address information")
}

/// Whether a handshake failed, before which nothing is sent.
fn is_of_tls(error: &io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(|inner| inner.is::<rustls::Error>())
}
