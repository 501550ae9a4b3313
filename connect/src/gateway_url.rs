//! The address of a gateway.

use std::{fmt, net::IpAddr};

use http::Uri;

/// Longest address; no gateway's comes near it.
const MAX_BYTES: usize = 1024;

/// `http://` or `https://`, host, port and path of a gateway, without a slash at the end.
///
/// It holds no user name, password, query or fragment, and only characters that shells, JSON and
/// TOML leave as they are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GatewayUrl(String);

/// Why a text is no address of a gateway.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GatewayUrlFault {
    /// The scheme is missing or another.
    #[error("it does not begin with https:// or http://")]
    Scheme,
    /// No host, or a port that is none.
    #[error("it names no host")]
    Host,
    /// A user name, password, query or fragment.
    #[error("it holds more than a host, a port and a path")]
    Surplus,
    /// Too long, or a character that no address needs.
    #[error("it holds characters that no address of a gateway needs, or is longer than 1024 bytes")]
    Character,
}

impl GatewayUrl {
    /// Reads an address as people give it: slashes and `/v1` at the end are left out.
    ///
    /// # Errors
    /// [`GatewayUrlFault`], the first that is found.
    pub fn parse(text: &str) -> Result<Self, GatewayUrlFault> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").ok_or(GatewayUrlFault::Scheme)?;
        let scheme = scheme.to_ascii_lowercase();
        let default_port = match scheme.as_str() {
            "https" => 443,
            "http" => 80,
            _ => return Err(GatewayUrlFault::Scheme),
        };
        if rest.contains(['?', '#', '@']) {
            return Err(GatewayUrlFault::Surplus);
        }
        let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:/[]~%".contains(&byte);
        if text.len() > MAX_BYTES || !rest.bytes().all(is_known) {
            return Err(GatewayUrlFault::Character);
        }
        let uri: Uri = text.parse().map_err(|_| GatewayUrlFault::Host)?;
        let authority = uri.authority().ok_or(GatewayUrlFault::Host)?;
        let port = authority.as_str().strip_prefix(authority.host());
        let has_port = port.is_some_and(|port| !port.is_empty());
        if authority.host().is_empty() || has_port != authority.port_u16().is_some() {
            return Err(GatewayUrlFault::Host);
        }
        let host = authority.host().to_ascii_lowercase();
        let port = authority.port_u16().filter(|port| *port != default_port);
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let path = uri.path().trim_end_matches('/');
        let path = path.strip_suffix("/v1").unwrap_or(path);
        let path = path.trim_end_matches('/');
        Ok(Self(format!("{scheme}://{host}{port}{path}")))
    }

    /// The address as Anthropic's clients want it: without `/v1`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address as OpenAI's clients want it: with `/v1`.
    pub fn openai(&self) -> String {
        format!("{}/v1", self.0)
    }

    /// The address of one of the gateway's own paths, which begins with a slash.
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// Whether keys would be readable on their way: plain HTTP to another machine.
    pub fn is_readable_on_the_way(&self) -> bool {
        self.0.starts_with("http://") && !self.is_loopback()
    }

    /// Whether it is this machine's own.
    pub fn is_loopback(&self) -> bool {
        let uri: Option<Uri> = self.0.parse().ok();
        let host = uri.as_ref().and_then(Uri::host).unwrap_or_default();
        let address: Result<IpAddr, _> = host.trim_matches(['[', ']']).parse();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for GatewayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_kept_without_what_tools_add() {
        for (text, expected) in [
            ("https://llm.example.com", "https://llm.example.com"),
            (" http://127.0.0.1:8787/ ", "http://127.0.0.1:8787"),
            ("https://example.com/llm/v1/", "https://example.com/llm"),
            ("http://[::1]:8787", "http://[::1]:8787"),
            ("HTTPS://LLM.Example.com:443/v1", "https://llm.example.com"),
            ("http://v1", "http://v1"),
            ("http://example.com:80//", "http://example.com"),
        ] {
            let url = GatewayUrl::parse(text).expect(text);
            assert_eq!(url.as_str(), expected);
            assert_eq!(url.openai(), format!("{expected}/v1"));
        }
    }

    #[test]
    fn what_is_no_address_says_why() {
        for (text, expected) in [
            ("llm.example.com", GatewayUrlFault::Scheme),
            ("ftp://example.com", GatewayUrlFault::Scheme),
            ("https://", GatewayUrlFault::Host),
            ("https://:80", GatewayUrlFault::Host),
            ("https://example.com:http", GatewayUrlFault::Host),
            ("https://ada:secret@example.com", GatewayUrlFault::Surplus),
            ("https://example.com/?a=b", GatewayUrlFault::Surplus),
            ("https://example.com/$(id)", GatewayUrlFault::Character),
            ("https://example.com/\"", GatewayUrlFault::Character),
            ("https://exämple.com", GatewayUrlFault::Character),
        ] {
            assert_eq!(GatewayUrl::parse(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn only_plain_http_to_another_machine_is_readable() {
        for (text, expected) in [
            ("https://example.com", false),
            ("http://example.com", true),
            ("http://localhost:8787", false),
            ("http://127.0.0.1:8787", false),
            ("http://[::1]:8787", false),
            ("http://127.0.0.1.example.com", true),
            ("http://localhost.example.com", true),
        ] {
            let url = GatewayUrl::parse(text).expect(text);
            assert_eq!(url.is_readable_on_the_way(), expected, "{text}");
        }
    }
}
