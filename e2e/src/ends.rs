//! Compares what the client sent and received with what the provider got and sent.
//!
//! Pure. This is where "clients work unchanged" is spelt out: the promises of the
//! gateway about bytes, credentials and headers, checked on every exchange.

use anyhow::{Context, Result, bail, ensure};
use anyray_fakes::{Recorded, aws_keys, azure_openai, vertex};

use crate::{
    config::{ANTHROPIC_KEY, OPENAI_KEY},
    difference::{Added, excerpt, find_added, find_difference},
    exchange::Exchange,
};

/// What every test sends as its own credential, if not the placeholder.
pub const CALLER_KEY: &str = "sk-caller-must-never-go-upstream";

/// What agents send that have no credential of their own.
pub const PLACEHOLDER: &str = "anyray-placeholder";

/// Headers that carry a credential to some provider.
const CREDENTIALS: [&str; 5] = [
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "proxy-authorization",
];

/// How a path begins that a cloud gets as the client wrote it.
const NATIVE_PATHS: [&str; 3] = ["/model/", "/anthropic/v1/", "/openai/"];

/// Headers of the client that the gateway keeps or rewrites: those of one hop, the
/// credential with a signature of AWS, and what would make the answer unreadable for it.
const NOT_PASSED: [&str; 12] = [
    "host",
    "connection",
    "keep-alive",
    "transfer-encoding",
    "upgrade",
    "accept-encoding",
    "content-length",
    "cookie",
    // Holds paths and ids of the caller's machine; goes to OpenAI itself only.
    "x-codex-turn-metadata",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
];

/// A request as both ends saw it.
#[derive(Debug)]
pub struct Pair {
    /// What the client sent and received.
    pub client: Exchange,
    /// What the provider got and sent.
    pub provider: Recorded,
    /// What the client received beyond that.
    pub added: Added,
}

/// All that happened while a client ran.
#[derive(Debug)]
pub struct Ends {
    /// Requests that reached the provider, in its order.
    pub pairs: Vec<Pair>,
    /// Requests that the gateway answered itself.
    pub own_answers: Vec<Exchange>,
}

impl Ends {
    /// Pairs what both ends saw: by method, path and body, in order.
    ///
    /// # Errors
    ///
    /// The provider got a request that no client sent like this, or an answer
    /// differs; the message says where.
    pub fn pair(mut exchanges: Vec<Exchange>, recorded: Vec<Recorded>) -> Result<Self> {
        let mut pairs = Vec::new();
        for provider in recorded {
            let found = exchanges
                .iter()
                .position(|client| is_same_request(client, &provider));
            let Some(at) = found else {
                bail!("{}", describe_stranger(&exchanges, &provider))
            };
            let client = exchanges.remove(at);
            let added = find_added(&provider.sent, &client.response.body)
                .with_context(|| format!("{client:?}"))?;
            pairs.push(Pair {
                client,
                provider,
                added,
            });
        }
        Ok(Self {
            pairs,
            own_answers: exchanges,
        })
    }

    /// Checks every promise on every pair.
    ///
    /// # Errors
    ///
    /// A promise does not hold; the message names the request.
    pub fn check(&self) -> Result<()> {
        for pair in &self.pairs {
            pair.check().with_context(|| format!("{:?}", pair.client))?;
        }
        Ok(())
    }

    /// Paths that reached the provider, in order.
    pub fn paths(&self) -> Vec<&str> {
        self.pairs
            .iter()
            .map(|pair| pair.provider.path_and_query.as_str())
            .collect()
    }
}

impl Pair {
    fn check(&self) -> Result<()> {
        ensure!(
            self.client.request.is_complete,
            "the client's request is cut"
        );
        check_upstream(&self.provider)?;
        self.check_request_headers()?;
        self.check_response_headers()
    }

    /// Everything of the client's goes upstream, but for what the gateway keeps.
    fn check_request_headers(&self) -> Result<()> {
        for (name, _) in &self.client.request.headers {
            let name = name.as_str();
            let is_kept = NOT_PASSED.contains(&name) || CREDENTIALS.contains(&name);
            if is_kept || name.starts_with("x-anyray-") {
                continue;
            }
            let (sent, got) = (
                self.client.request.header_values(name),
                self.provider.header_values(name),
            );
            ensure!(sent == got, "{name} did not pass unchanged");
        }
        Ok(())
    }

    /// Ids to find the request by, each once.
    fn check_response_headers(&self) -> Result<()> {
        let response = &self.client.response;
        for name in ["x-anyray-request-id", "x-request-id", "request-id"] {
            let ids = response.header_values(name).len();
            ensure!(ids == 1, "{ids} {name} in the response");
        }
        Ok(())
    }
}

/// Checks what holds for every request that a provider gets, whatever the client sent: it is
/// whole, has exactly one credential, the provider's, and nothing of the caller's or of ours.
///
/// # Errors
///
/// A promise does not hold.
pub fn check_upstream(request: &Recorded) -> Result<()> {
    ensure!(request.body_complete, "the provider's request is cut");
    let is_credential = |(name, _): &&(String, Vec<u8>)| CREDENTIALS.contains(&name.as_str());
    let credentials: Vec<_> = request.headers.iter().filter(is_credential).collect();
    let [(name, value)] = credentials.as_slice() else {
        bail!("{} credentials upstream", credentials.len());
    };
    let value = String::from_utf8_lossy(value);
    ensure!(
        is_ours(name, &value),
        "{name} upstream is not the provider key"
    );
    for (name, value) in &request.headers {
        let text = String::from_utf8_lossy(value);
        let leaks = text.contains(CALLER_KEY) || text.contains(PLACEHOLDER);
        ensure!(!leaks, "{name} upstream has the caller's credential");
        let is_private =
            name.starts_with("x-anyray-") || name.starts_with("x-forwarded-") || name == "cookie";
        ensure!(!is_private, "{name} went upstream");
    }
    let coding = request.header("accept-encoding");
    ensure!(
        coding == Some("identity"),
        "accept-encoding upstream is {coding:?}"
    );
    Ok(())
}

fn is_same_request(client: &Exchange, provider: &Recorded) -> bool {
    client.method == provider.method
        && upstream_path(&client.path_and_query) == provider.path_and_query
        && client.request.body == provider.body
}

/// Whether a header carries a credential of the gateway's own. That a signature or a
/// token is good is the fake's to check; here it is that the right one was made.
fn is_ours(name: &str, value: &str) -> bool {
    if name == "api-key" {
        return value == azure_openai::API_KEY;
    }
    if name != "authorization" {
        return name == "x-api-key" && value == ANTHROPIC_KEY;
    }
    if let Some(bearer) = value.strip_prefix("Bearer ") {
        let is_key = [OPENAI_KEY, ANTHROPIC_KEY, aws_keys::BEDROCK_API_KEY].contains(&bearer);
        // Google's tokens begin like this, and Microsoft's.
        return is_key || bearer.starts_with("ya29.") || bearer.starts_with("eyJ");
    }
    aws_keys::ALL.iter().any(|pair| {
        let signed = format!("AWS4-HMAC-SHA256 Credential={}/", pair.access_key_id);
        value.starts_with(&signed)
    })
}

/// What the provider sees of a client's path. Clients may leave out `/v1`, the provider
/// never sees it left out; Google sees the gateway's project and location.
fn upstream_path(path: &str) -> String {
    if NATIVE_PATHS.iter().any(|start| path.starts_with(start)) {
        return path.to_owned();
    }
    let (version, rest) = split_version(path);
    let resource = rest.strip_prefix("/projects/").map(|named| {
        let mut segments = named.splitn(4, '/').skip(3);
        segments.next().unwrap_or_default()
    });
    match resource {
        Some(resource) => format!(
            "{version}/projects/{}/locations/{}/{resource}",
            vertex::PROJECT_ID,
            vertex::LOCATION
        ),
        None => format!("{version}{rest}"),
    }
}

/// The version of a path, and what stands behind it.
fn split_version(path: &str) -> (&str, &str) {
    for version in ["/v1", "/v1beta1"] {
        let rest = path.strip_prefix(version);
        if let Some(rest) = rest.filter(|rest| rest.is_empty() || rest.starts_with('/')) {
            return (version, rest);
        }
    }
    ("/v1", path)
}

fn describe_stranger(exchanges: &[Exchange], provider: &Recorded) -> String {
    let what = format!("{} {}", provider.method, provider.path_and_query);
    let same_path =
        |client: &&Exchange| upstream_path(&client.path_and_query) == provider.path_and_query;
    let Some(nearest) = exchanges.iter().find(same_path) else {
        return format!("no client sent {what}");
    };
    let (sent, got) = (&nearest.request.body, &provider.body);
    match find_difference(sent, got) {
        Some(at) => format!(
            "the body of {what} differs at byte {at}: sent {:?}, got {:?}",
            excerpt(sent, at),
            excerpt(got, at)
        ),
        None => format!("{what} was sent with another method"),
    }
}

#[cfg(test)]
mod tests;
