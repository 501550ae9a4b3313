//! Whether a request for `/admin` came by a name that only insiders use.
//!
//! Pure. An Ingress routes `/`, so the public name of a gateway reaches `/admin`, too: there it
//! answers 404 unless that name is the configured one.
//! A caller writes the host header himself: this hides the API from strangers, the admin token
//! guards it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether the admin API answers under this host: `localhost`, a private or loopback address, a
/// Service's name in any of its forms, or `admin_host`.
///
/// `host_header` may end in a port, `admin_host` too; then the port must be the same.
pub fn is_admin_host(host_header: Option<&str>, admin_host: Option<&str>) -> bool {
    let Some(header) = host_header else {
        return false;
    };
    let Some(host) = without_port(header) else {
        return false;
    };
    let is_configured = |configured: &str| {
        configured.eq_ignore_ascii_case(host) || configured.eq_ignore_ascii_case(header)
    };
    admin_host.is_some_and(is_configured) || is_in_cluster(host)
}

/// The host alone, brackets included; `None` where what follows it is no port.
fn without_port(header: &str) -> Option<&str> {
    let end_of_brackets = header.rfind(']').map_or(0, |at| at + 1);
    let port_at = header.get(end_of_brackets..)?.find(':');
    let Some(at) = port_at.map(|at| at + end_of_brackets) else {
        return Some(header).filter(|host| !host.is_empty());
    };
    let (host, port) = header.split_at_checked(at)?;
    let port = port.strip_prefix(':')?;
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    (is_port && !host.is_empty()).then_some(host)
}

fn is_in_cluster(host: &str) -> bool {
    let in_brackets = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    if let Some(address) = in_brackets {
        return address.parse::<Ipv6Addr>().is_ok_and(is_inner_v6);
    }
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => is_inner_v4(address),
        // An address with colons needs its brackets.
        Ok(IpAddr::V6(_)) => false,
        Err(_) => is_in_cluster_name(host),
    }
}

/// `localhost`, another name of one label, or `NAME.NAMESPACE.svc` with or without the cluster's
/// domain.
fn is_in_cluster_name(host: &str) -> bool {
    // A dot at the end keeps resolvers from trying their search list; it names the same host.
    let host = host.strip_suffix('.').unwrap_or(host);
    let labels: Vec<&str> = host.split('.').collect();
    if !labels.iter().all(|label| is_label(label)) {
        return false;
    }
    match labels.as_slice() {
        // What begins with a digit could be an address in another spelling.
        [name] => name.starts_with(|first: char| first.is_ascii_alphabetic()),
        [_, _, kind, ..] => kind.eq_ignore_ascii_case("svc"),
        _ => false,
    }
}

fn is_label(label: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !label.is_empty() && label.bytes().all(is_known)
}

fn is_inner_v4(address: Ipv4Addr) -> bool {
    let [a, b, _, _] = address.octets();
    let is_shared = a == 100 && (64..128).contains(&b);
    address.is_loopback() || address.is_private() || address.is_link_local() || is_shared
}

fn is_inner_v6(address: Ipv6Addr) -> bool {
    match address.to_ipv4_mapped() {
        Some(address) => is_inner_v4(address),
        None => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hosts: &[&str], expected: bool) {
        for host in hosts {
            let found = is_admin_host(Some(host), Some("admin.example.com"));
            assert_eq!(found, expected, "{host}");
            assert_eq!(
                is_admin_host(Some(&format!("{host}:8787")), Some("admin.example.com")),
                expected,
                "{host}:8787"
            );
        }
    }

    #[test]
    fn names_and_addresses_of_insiders_are_admin_hosts() {
        check(
            &[
                "localhost",
                "LOCALHOST",
                "localhost.",
                "127.0.0.1",
                "127.1.2.3",
                "[::1]",
                "10.0.0.1",
                "172.16.0.1",
                "172.31.255.255",
                "192.168.1.1",
                "100.64.0.1",
                "169.254.1.1",
                "[fd00::1]",
                "[fe80::1]",
                "[::ffff:10.0.0.1]",
                "gateway",
                "team-a-gateway",
                "gateway.team-a.svc",
                "gateway.team-a.SVC",
                "gateway.team-a.svc.cluster.local",
                "gateway.team-a.svc.cluster.local.",
                "team-a.gateway.svc.example.com",
                "admin.example.com",
                "Admin.Example.COM",
            ],
            true,
        );
    }

    #[test]
    fn public_names_and_addresses_are_not() {
        check(
            &[
                "",
                ".",
                "example.com",
                "api.example.com",
                "admin.example.com.evil.example",
                "x.admin.example.com",
                "gateway.team-a",
                "team-a.svc",
                "team-a.svc.example.com",
                "svc.example.com",
                "svc.svc",
                "a.b.c.svc",
                "a.b.svcs.example.com",
                "..svc",
                "a..svc",
                ".a.svc",
                "localhost.example.com",
                "127.0.0.1.example.com",
                "2130706433",
                "0x7f000001",
                "127.1",
                "0.0.0.0",
                "1.1.1.1",
                "172.32.0.1",
                "100.128.0.1",
                "192.169.0.1",
                "[::]",
                "[2606:4700::1]",
                "[::ffff:1.1.1.1]",
                "[127.0.0.1]",
                "[::1",
                "::1]",
                "[fe80::1%eth0]",
                "[]",
                "gate way",
                "user@localhost",
                "localhost/",
                "a,b",
            ],
            false,
        );
    }

    #[test]
    fn what_follows_the_host_must_be_a_port() {
        for host in [
            "localhost:",
            "localhost:x",
            "localhost:65536",
            "localhost:+1",
            "localhost:1:2",
            "localhost:80@evil.example",
            "[::1]x",
            "[::1]:",
            "::1",
            "fd00::1",
            ":8787",
        ] {
            assert!(!is_admin_host(Some(host), None), "{host}");
        }
    }

    #[test]
    fn a_configured_port_must_be_the_same() {
        let configured = Some("admin.example.com:8443");
        assert!(is_admin_host(Some("admin.example.com:8443"), configured));
        assert!(!is_admin_host(Some("admin.example.com"), configured));
        assert!(!is_admin_host(Some("admin.example.com:8444"), configured));
    }

    #[test]
    fn without_a_host_there_is_no_admin_host() {
        assert!(!is_admin_host(None, None));
        assert!(!is_admin_host(None, Some("admin.example.com")));
        assert!(!is_admin_host(Some(""), Some("")));
        assert!(!is_admin_host(Some("admin.example.com"), None));
    }
}
