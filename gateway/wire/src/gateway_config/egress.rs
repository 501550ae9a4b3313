//! Which addresses the gateway may connect to.
//!
//! The check is pure; the gateway's `upstream` applies it to each address right before it is
//! dialled, so that a name cannot resolve to one address for the check and to another for the
//! connection.
//! [`super::endpoint`] applies it to an address that stands in a URL.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::{Egress, FieldError};

/// The `egress` section of one gateway, checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct EgressRule {
    /// Every private address is allowed.
    pub allow_private: bool,
    /// Networks that are allowed although private.
    pub allowed: Vec<IpNet>,
}

impl EgressRule {
    /// Reads the section.
    ///
    /// # Errors
    /// `allowedNetworks[n]`, where an entry is no network in CIDR notation.
    pub fn from_config(config: &Egress) -> Result<Self, FieldError> {
        let networks = config.allowed_networks.iter().enumerate();
        let allowed = networks.map(|(index, network)| {
            network.parse().map_err(|_| {
                FieldError::new(
                    format!("allowedNetworks[{index}]"),
                    "must be a network such as 10.1.0.0/16 or fd00::/8",
                )
            })
        });
        Ok(Self {
            allow_private: config.allow_private_addresses,
            allowed: allowed.collect::<Result<_, _>>()?,
        })
    }

    /// Whether this address may be dialled.
    pub fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        is_public(address)
            || self.allow_private
            || self
                .allowed
                .iter()
                .any(|network| network.contains(&address))
    }
}

/// Whether an address belongs to the public internet.
///
/// Source: the IANA special-purpose address registries (RFC 6890 and its updates).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_shared = a == 100 && (64..128).contains(&b);
    let is_benchmarking = a == 198 && (b == 18 || b == 19);
    let is_protocol = a == 192 && b == 0 && c == 0;
    let is_reserved = a == 0 || a >= 240;
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || is_shared
        || is_benchmarking
        || is_protocol
        || is_reserved)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    if let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = segments {
        return is_public_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    }
    let is_documentation = matches!(segments, [0x2001, 0xdb8, ..]);
    let is_global_unicast = matches!(segments, [first, ..] if first & 0xe000 == 0x2000);
    is_global_unicast && !is_documentation && !is_tunnelled(segments)
}

/// 6to4 and Teredo carry an IPv4 address of any kind inside.
fn is_tunnelled(segments: [u16; 8]) -> bool {
    matches!(segments, [0x2002, ..] | [0x2001, 0, ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(egress: &EgressRule, address: &str) -> bool {
        egress.allows(address.parse().expect("address"))
    }

    #[test]
    fn private_and_special_addresses_are_refused_by_default() {
        for address in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.0.1",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "ff02::1",
            "2001:db8::1",
            "2002:a00:1::",
            "2001::1",
        ] {
            assert!(!allows(&EgressRule::default(), address), "{address}");
        }
    }

    #[test]
    fn public_addresses_are_allowed() {
        for address in [
            "1.1.1.1",
            "104.18.0.1",
            "2606:4700::1",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
        ] {
            assert!(allows(&EgressRule::default(), address), "{address}");
        }
    }

    #[test]
    fn listed_networks_and_the_switch_open_private_ones() {
        let listed = EgressRule {
            allow_private: false,
            allowed: vec!["10.1.0.0/16".parse().expect("network")],
        };
        assert!(allows(&listed, "10.1.2.3") && allows(&listed, "::ffff:10.1.2.3"));
        assert!(!allows(&listed, "10.2.0.1"));
        let open = EgressRule {
            allow_private: true,
            allowed: Vec::new(),
        };
        assert!(allows(&open, "127.0.0.1"));
    }

    #[test]
    fn the_section_is_read_and_the_wrong_entry_named() {
        let section = |networks: &[&str]| Egress {
            allow_private_addresses: true,
            allowed_networks: networks.iter().map(|&one| one.to_owned()).collect(),
            custom_hosts: Vec::new(),
        };
        let rule = EgressRule::from_config(&section(&["10.1.0.0/16", "fd00::/8"]));
        let rule = rule.expect("networks");
        assert!(rule.allow_private && rule.allowed.len() == 2);
        for wrong in ["x", "10.0.0.0/33", "10.0.0.1-10.0.0.9", ""] {
            let error = EgressRule::from_config(&section(&["10.0.0.0/8", wrong]));
            let error = error.expect_err(wrong);
            assert_eq!(error.field, "allowedNetworks[1]", "{wrong}");
        }
    }
}
