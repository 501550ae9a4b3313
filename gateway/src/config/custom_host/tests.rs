//! What is taken for a host, and every trick that is not.

use super::*;

fn read(value: &str) -> Result<CustomHost, CustomHostFault> {
    parse(&HeaderValue::from_bytes(value.as_bytes()).expect("header value"))
}

fn named(value: &str) -> CustomHost {
    read(value).expect(value)
}

#[test]
fn base_urls_and_bare_hosts_are_taken_apart() {
    for (value, host, port, path) in [
        (
            "https://chatgpt.com/backend-api/codex",
            "chatgpt.com",
            443,
            "/backend-api/codex",
        ),
        ("https://api.example.com", "api.example.com", 443, ""),
        ("https://api.example.com/", "api.example.com", 443, ""),
        ("HTTPS://API.Example.COM/v1/", "api.example.com", 443, "/v1"),
        ("api.example.com", "api.example.com", 443, ""),
        ("api.example.com:8443/v1", "api.example.com", 8443, "/v1"),
        ("https://api.example.com:443", "api.example.com", 443, ""),
        ("https://a.b:65535", "a.b", 65535, ""),
        ("https://a.b:1", "a.b", 1, ""),
        (
            "https://xn--bcher-kva.example/v1",
            "xn--bcher-kva.example",
            443,
            "/v1",
        ),
        ("https://a.xn--p1ai", "a.xn--p1ai", 443, ""),
        (
            "https://127.0.0.1.example.com",
            "127.0.0.1.example.com",
            443,
            "",
        ),
        ("https://a.b/x/y~z:1/@u,v", "a.b", 443, "/x/y~z:1/@u,v"),
        ("https://a.b/v1.0/...", "a.b", 443, "/v1.0/..."),
    ] {
        let expected = CustomHost {
            host: host.to_owned(),
            port,
            path: path.to_owned(),
        };
        assert_eq!(named(value), expected, "{value}");
    }
}

#[test]
fn s10_every_spelling_of_an_address_is_refused() {
    for value in [
        "http://169.254.169.254",
        "https://169.254.169.254",
        "https://169.254.169.254/latest/meta-data",
        "169.254.169.254",
        "https://10.0.0.1:8080",
        "https://2130706433",
        "https://0x7f000001",
        "https://0x7f.1",
        "https://0x7f.0x0.0x0.0x1",
        "https://127.0.0.0x1",
        "https://017700000001",
        "https://0177.0.0.1",
        "https://127.1",
        "https://127.0.1",
        "https://0",
        "https://[::1]",
        "https://[::1]:443/v1",
        "https://[::ffff:10.0.0.1]",
        "https://[::ffff:a00:1]",
        "https://[fe80::1%25eth0]",
        "https://[fd00:ec2::254]",
        "https://::1",
        "https://1.1.1.1",
        "https://127.0.0.1.",
        "https://localhost",
        "localhost:8080",
        "https://LOCALHOST",
        "https://metadata",
    ] {
        assert!(read(value).is_err(), "{value}");
    }
}

#[test]
fn s10_tricks_are_refused_each_for_its_reason() {
    use CustomHostFault as Fault;
    for (value, expected) in [
        ("", Fault::Host),
        ("https://", Fault::Host),
        ("https:///v1", Fault::Host),
        ("//a.b", Fault::Path),
        ("http://a.b", Fault::Scheme),
        ("ftp://a.b", Fault::Scheme),
        ("httpss://a.b", Fault::Scheme),
        ("://a.b", Fault::Scheme),
        ("https:/a.b", Fault::Port),
        ("https:a.b", Fault::Port),
        ("javascript:alert", Fault::Port),
        ("https://https://a.b", Fault::Path),
        ("https://user@a.b", Fault::UserInfo),
        ("https://user:pw@a.b", Fault::UserInfo),
        ("https://a.b@127.0.0.1", Fault::UserInfo),
        ("https://@a.b", Fault::UserInfo),
        ("https://a.b#@evil.example", Fault::QueryOrFragment),
        ("https://a.b#", Fault::QueryOrFragment),
        ("https://a.b?x=1", Fault::QueryOrFragment),
        ("https://a.b/v1?", Fault::QueryOrFragment),
        ("https://a.b\\@evil.example", Fault::Backslash),
        ("https:\\\\a.b", Fault::Backslash),
        ("https://a.b/v1\\..", Fault::Backslash),
        ("https://a%2eb", Fault::PercentEncoding),
        ("https://%6cocalhost", Fault::PercentEncoding),
        ("https://a.b/%2e%2e/x", Fault::PercentEncoding),
        ("https://a.b/x%00", Fault::PercentEncoding),
        ("https://a.b.", Fault::Host),
        ("https://.a.b", Fault::Host),
        ("https://a..b", Fault::Host),
        ("https://.", Fault::Host),
        ("https://a", Fault::Host),
        ("https://-a.b", Fault::Host),
        ("https://a-.b", Fault::Host),
        ("https://a_b.c", Fault::Host),
        ("https://a.*", Fault::Host),
        ("https://*.b", Fault::Host),
        ("https://a.b,c.d", Fault::Host),
        ("https://a.b;c.d", Fault::Host),
        ("https://a.b:", Fault::Port),
        ("https://a.b:0", Fault::Port),
        ("https://a.b:0443", Fault::Port),
        ("https://a.b:65536", Fault::Port),
        ("https://a.b:+443", Fault::Port),
        ("https://a.b:-1", Fault::Port),
        ("https://a.b:443:443", Fault::Port),
        ("https://a.b:443@c.d", Fault::UserInfo),
        ("https://a.b:8e1", Fault::Port),
        ("https://a.b:999999999999999999999", Fault::Port),
        ("https://a.b/.", Fault::Path),
        ("https://a.b/..", Fault::Path),
        ("https://a.b/v1/../admin", Fault::Path),
        ("https://a.b//", Fault::Path),
        ("https://a.b//v1", Fault::Path),
        ("https://a.b/v1//", Fault::Path),
        ("https://a.b/..;/admin", Fault::Path),
        ("https://a.b/<x>", Fault::Path),
        ("https://a.b/v1 ", Fault::Characters),
        ("https://a .b", Fault::Characters),
        ("https://a\t.b", Fault::Characters),
        ("https://b\u{fc}cher.example", Fault::Characters),
        ("https://\u{ff41}.b", Fault::Characters),
        ("https://a\u{3002}b", Fault::Characters),
    ] {
        assert_eq!(read(value), Err(expected), "{value}");
    }
}

#[test]
fn s10_line_breaks_cannot_be_header_values_at_all() {
    for value in ["https://a.b\r\nx: y", "https://a.b\n", "https://a.b\0"] {
        assert!(HeaderValue::from_bytes(value.as_bytes()).is_err());
    }
}

#[test]
fn long_values_names_and_labels_are_refused() {
    let long = "a".repeat(MAX_VALUE_BYTES);
    assert_eq!(
        read(&format!("https://a.b/{long}")),
        Err(CustomHostFault::TooLong)
    );
    let label = "a".repeat(MAX_LABEL_BYTES);
    named(&format!("https://{label}.b"));
    assert_eq!(
        read(&format!("https://{label}a.b")),
        Err(CustomHostFault::Host)
    );
    let name = [label.as_str(); 4].join(".");
    assert_eq!(read(&format!("https://{name}")), Err(CustomHostFault::Host));
}

#[test]
fn messages_do_not_repeat_the_value() {
    let fault = read("https://secret:hunter2@a.b").expect_err("refused");
    assert!(!fault.to_string().contains("hunter2"));
}

#[test]
fn only_the_listed_host_and_port_is_allowed() {
    let allowed = [
        "chatgpt.com",
        "Proxy.Example.com:8443",
        "xn--bcher-kva.example",
        "*",
    ];
    for (value, expected) in [
        ("https://chatgpt.com/backend-api/codex", true),
        ("https://CHATGPT.com:443", true),
        ("https://chatgpt.com:8443", false),
        ("https://api.chatgpt.com", false),
        ("https://chatgpt.com.evil.example", false),
        ("https://evilchatgpt.com", false),
        ("https://proxy.example.com:8443/v1", true),
        ("https://proxy.example.com", false),
        ("https://xn--bcher-kva.example", true),
        ("https://bcher-kva.example", false),
    ] {
        let host = named(value);
        assert_eq!(is_allowed(&host, allowed.into_iter()), expected, "{value}");
    }
    assert!(is_allowed(&named("https://a.b"), ["a.b:443"].into_iter()));
    assert!(!is_allowed(&named("https://a.b"), std::iter::empty()));
}

#[test]
fn s10_metadata_hosts_are_refused_even_where_they_are_listed() {
    for name in METADATA_HOSTS {
        for port in ["", ":8443"] {
            let entry = format!("{name}{port}");
            let host = named(&format!("https://{}", entry.to_ascii_uppercase()));
            assert!(!is_allowed(&host, [entry.as_str()].into_iter()), "{entry}");
        }
    }
}
