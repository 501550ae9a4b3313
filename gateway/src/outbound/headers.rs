//! Which headers cross the gateway.
//!
//! Unknown headers pass in both directions, because SDKs add new ones every month; a deny-list goes.

use anyray_wire::anyray::headers;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{ACCEPT_ENCODING, CONNECTION},
};

use crate::inbound::auth::{CREDENTIAL_HEADERS, holds_ours};

const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

/// Removes from a request what must not reach a provider.
///
/// That is: hop-by-hop headers and those that `connection` names, framing, every credential,
/// everything of the gateway's own, cookies, what belongs to a signature of AWS, what names another
/// payer at a cloud, and what proxies in front of the gateway added.
/// The answer is asked for without compression, because the gateway must read usage from it.
pub fn clean_request(headers: &mut HeaderMap) {
    remove_matching(headers, |name, value| {
        is_hop_by_hop(name)
            || is_request_only(name)
            || CREDENTIAL_HEADERS.contains(name)
            || holds_ours(value)
    });
    headers.insert(ACCEPT_ENCODING, IDENTITY);
}

/// Removes from a provider's answer what must not reach the caller.
///
/// That is: hop-by-hop headers and those that `connection` names, cookies, and statements about
/// the provider's own host that would be wrong for the gateway's.
pub fn clean_response(headers: &mut HeaderMap) {
    remove_matching(headers, |name, _| {
        is_hop_by_hop(name) || is_response_only(name)
    });
}

fn remove_matching(headers: &mut HeaderMap, is_denied: impl Fn(&HeaderName, &HeaderValue) -> bool) {
    let denied = headers.iter();
    let denied = denied.filter(|(name, value)| is_denied(name, value));
    let mut denied: Vec<HeaderName> = denied.map(|(name, _)| name.clone()).collect();
    denied.extend(named_in_connection(headers));
    for name in denied {
        headers.remove(name);
    }
}

/// The headers that `connection` declares to be meant for this hop alone.
fn named_in_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect()
}

/// Source: RFC 9110, 7.6.1, and the older names that are still sent.
fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "http2-settings"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    ) || name.as_str().starts_with(headers::PREFIX)
}

fn is_request_only(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "content-length"
            | "cookie"
            | "expect"
            | "forwarded"
            | "host"
            | "ocp-apim-subscription-key"
            | "x-amz-content-sha256"
            | "x-amz-date"
            | "x-amz-security-token"
            | "x-goog-iam-authorization-token"
            | "x-goog-iam-authority-selector"
            | "x-goog-user-project"
            | "x-real-ip"
    ) || name.as_str().starts_with("x-forwarded-")
}

fn is_response_only(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "alt-svc" | "set-cookie" | "strict-transport-security"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(clean: fn(&mut HeaderMap), pairs: &[(&'static str, &'static str)]) -> Vec<String> {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, HeaderValue::from_static(value));
        }
        clean(&mut map);
        map.iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().expect("text")))
            .collect()
    }

    /// Row S12 of the security catalogue.
    #[test]
    fn s12_the_deny_list_goes_and_unknown_headers_pass() {
        let kept = [
            ("anthropic-beta", "a"),
            ("anthropic-beta", "b"),
            ("x-stainless-lang", "js"),
            ("x-new", "1"),
        ];
        let mut sent = kept.to_vec();
        sent.extend([
            ("accept-encoding", "br"),
            ("api-key", "k"),
            ("authorization", "Bearer k"),
            ("connection", "close, X-Secret-Hop"),
            ("cookie", "c"),
            ("content-length", "3"),
            ("expect", "100-continue"),
            ("forwarded", "for=1"),
            ("host", "gw"),
            ("keep-alive", "1"),
            ("proxy-authorization", "p"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("x-anyray-metadata", "{}"),
            ("x-amz-content-sha256", "e3b0"),
            ("x-amz-date", "20261130T000000Z"),
            ("x-amz-security-token", "t"),
            ("x-api-key", "k"),
            ("helicone-auth", "Bearer ark_0"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-host", "gw"),
            ("ocp-apim-subscription-key", "k"),
            ("x-goog-api-key", "k"),
            ("x-goog-iam-authority-selector", "s"),
            ("x-goog-iam-authorization-token", "t"),
            ("x-goog-user-project", "victim"),
            ("x-real-ip", "1.2.3.4"),
            ("x-secret-hop", "1"),
        ]);
        let mut expected: Vec<_> = kept
            .iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        expected.push("accept-encoding: identity".to_owned());
        let mut left = cleaned(clean_request, &sent);
        left.sort();
        expected.sort();
        assert_eq!(left, expected);
    }

    #[test]
    fn answers_lose_cookies_spoofed_headers_and_statements_about_the_host() {
        let left = cleaned(
            clean_response,
            &[
                ("content-type", "application/json"),
                ("content-length", "2"),
                ("connection", "x-hop"),
                ("x-hop", "1"),
                ("set-cookie", "a=b"),
                ("alt-svc", "h3"),
                ("strict-transport-security", "max-age=1"),
                ("x-anyray-request-id", "spoofed"),
                ("retry-after", "1"),
            ],
        );
        assert_eq!(
            left,
            [
                "content-type: application/json",
                "content-length: 2",
                "retry-after: 1"
            ]
        );
    }
}
