//! Addresses and the command that holds one: what is pasted into a shell is checked here.

/// Longest address; no gateway's comes near it.
const MAX_ADDRESS_BYTES: usize = 1024;

/// The address without slashes at its end, if it is one that a shell leaves as it is.
pub fn check(address: &str) -> Option<String> {
    let address = address.trim_end_matches('/');
    let rest = address
        .strip_prefix("https://")
        .or_else(|| address.strip_prefix("http://"))?;
    let is_known =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'/');
    // An IPv6 address has brackets, which some shells take for a pattern: it is left to names.
    let is_fit = rest.len() <= MAX_ADDRESS_BYTES
        && rest
            .as_bytes()
            .first()
            .is_some_and(u8::is_ascii_alphanumeric)
        && rest.bytes().all(is_known);
    is_fit.then(|| address.to_owned())
}

/// The one command that is sent to a person.
pub fn command(address: &str, code: &str) -> String {
    format!("npx anyray-connect --gateway {address} --invite {code}")
}

/// Whether code and key would be readable on their way.
pub fn is_readable_on_the_way(address: &str) -> bool {
    let host = address.strip_prefix("http://");
    let host = host.map(|rest| rest.split(['/', ':']).next().unwrap_or(rest));
    host.is_some_and(|host| host != "localhost" && !host.starts_with("127."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_loses_its_slash() {
        for (text, expected) in [
            ("https://llm.example.com/", "https://llm.example.com"),
            ("http://127.0.0.1:8787", "http://127.0.0.1:8787"),
            ("https://example.com/llm/", "https://example.com/llm"),
        ] {
            assert_eq!(check(text).as_deref(), Some(expected));
        }
    }

    #[test]
    fn nothing_that_a_shell_would_read_passes() {
        for text in [
            "",
            "llm.example.com",
            "ftp://llm.example.com",
            "https://",
            "https:///path",
            "https://a b",
            "https://a;ls",
            "https://$(ls)",
            "https://a'b",
            "https://a\nb",
            "https://user@host",
            "https://-a",
            "https://a?b",
        ] {
            assert_eq!(check(text), None, "{text}");
        }
    }

    #[test]
    fn only_plain_http_over_a_network_can_be_read() {
        assert!(is_readable_on_the_way("http://203.0.113.7"));
        for address in [
            "https://llm.example.com",
            "http://localhost:8787",
            "http://127.0.0.1",
        ] {
            assert!(!is_readable_on_the_way(address), "{address}");
        }
    }
}
