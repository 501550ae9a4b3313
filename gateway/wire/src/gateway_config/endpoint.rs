//! Where the requests of a provider key may go, and whom the gateway may trust there.
//!
//! Names are not resolved here: [`super::egress`] is asked again for each address that is dialled.

use http::{
    Uri,
    uri::{Authority, Scheme},
};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};

use super::{Endpoint, FieldError, egress::EgressRule};

/// The address of an endpoint, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedEndpoint {
    /// `http` or `https`.
    pub scheme: Scheme,
    /// Host and port, without a user.
    pub authority: Authority,
    /// Path of the base URL, without a slash at the end; empty for the root.
    pub path: String,
}

/// Checks an endpoint: that its URL is one the gateway may send keys to, and that its certificates
/// can be trust anchors.
///
/// `url` is the one of the endpoint, or what stands for it.
///
/// # Errors
/// `url` or `caBundle`.
pub fn check(
    url: &str,
    endpoint: &Endpoint,
    egress: &EgressRule,
) -> Result<CheckedEndpoint, FieldError> {
    let checked = check_url(url, endpoint.allow_insecure, egress)
        .map_err(|message| FieldError::new("url", message))?;
    if let Some(pem) = &endpoint.ca_bundle {
        check_ca_bundle(pem).map_err(|message| FieldError::new("caBundle", message))?;
    }
    Ok(checked)
}

/// Checks a base URL alone.
///
/// # Errors
/// What is wrong with it, without a word of it.
pub fn check_url(
    url: &str,
    allow_insecure: bool,
    egress: &EgressRule,
) -> Result<CheckedEndpoint, &'static str> {
    let uri: Uri = url.parse().map_err(|_| "must be a URL")?;
    let parts = uri.into_parts();
    let scheme = parts.scheme.ok_or("must begin with https://")?;
    let is_https = scheme == Scheme::HTTPS;
    if !is_https && scheme != Scheme::HTTP {
        return Err("must begin with https://");
    }
    if !is_https && !allow_insecure {
        return Err("plain http needs endpoint.allowInsecure: true");
    }
    let authority = parts.authority.ok_or("must name a host")?;
    if authority.as_str().contains('@') {
        return Err("must not hold a user or password");
    }
    check_literal_address(authority.host(), egress)?;
    let path = parts.path_and_query.as_ref();
    if path.is_some_and(|path| path.query().is_some()) {
        return Err("must not have a query");
    }
    let path = path.map_or("", |path| path.path()).trim_end_matches('/');
    Ok(CheckedEndpoint {
        scheme,
        authority,
        path: path.to_owned(),
    })
}

/// An address in the URL itself is dialled without a look-up, so it is checked here.
fn check_literal_address(host: &str, egress: &EgressRule) -> Result<(), &'static str> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse() {
        Ok(address) if !egress.allows(address) => {
            Err("is a private address, which egress does not allow; see egress.allowedNetworks")
        }
        _ => Ok(()),
    }
}

/// The same check with which rustls takes a certificate into its root store, so that none that
/// passes here is dropped there.
fn check_ca_bundle(pem: &str) -> Result<(), &'static str> {
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()).flatten() {
        webpki::anchor_from_trusted_cert(&certificate)
            .map_err(|_| "holds a certificate that cannot be a trust anchor")?;
        count += 1;
    }
    if count == 0 {
        return Err("must hold at least one PEM certificate");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A self-signed certificate that nobody has the key of.
    const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBgjCCASmgAwIBAgIUP7xiwn2ijjDvD+NvCmdRC9REYScwCgYIKoZIzj0EAwIw
FjEUMBIGA1UEAwwLQW55cmF5IHRlc3QwIBcNMjYxMTI0MTMxMjA5WhgPMjEyNjEw
MzExMzEyMDlaMBYxFDASBgNVBAMMC0FueXJheSB0ZXN0MFkwEwYHKoZIzj0CAQYI
KoZIzj0DAQcDQgAECy4fmxcvel6/Z9V2JdTVeIdRHMcldjGMn9DpLIv9Lm8/ZVuS
snwA1BYzQWd0ukYN20+P1p+HeQOkV/+GhuWvPKNTMFEwHQYDVR0OBBYEFGbzNHHx
lL0JFFHgO6o1TWejxxxLMB8GA1UdIwQYMBaAFGbzNHHxlL0JFFHgO6o1TWejxxxL
MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDRwAwRAIgAbQDFadDEXu5d59t
uzYgatAUpaZwwqGhp4WzEDSOuL8CIDM9Sf7TNcjqHMiSLhcYKwUSEjGV8DLDr23Z
1g+wrEUK
-----END CERTIFICATE-----
";

    fn refusal(url: &str, endpoint: &Endpoint) -> String {
        let checked = check(url, endpoint, &EgressRule::default());
        checked.expect_err("refused").to_string()
    }

    #[test]
    fn a_url_is_taken_apart_and_loses_the_slash_at_its_end() {
        for (url, authority, path) in [
            ("https://h", "h", ""),
            ("https://h/", "h", ""),
            ("https://h:8443/proxy/v1/", "h:8443", "/proxy/v1"),
            ("https://1.1.1.1/v1", "1.1.1.1", "/v1"),
        ] {
            let checked = check(url, &Endpoint::default(), &EgressRule::default()).expect(url);
            assert_eq!(checked.scheme, Scheme::HTTPS, "{url}");
            assert_eq!(checked.authority, authority, "{url}");
            assert_eq!(checked.path, path, "{url}");
        }
    }

    #[test]
    fn urls_that_are_not_safe_are_refused() {
        for (url, expected) in [
            ("not a url", "url: must be a URL"),
            ("/v1", "url: must begin with https://"),
            ("ftp://h/", "url: must begin with https://"),
            ("http://h/v1", "url: plain http needs"),
            ("https://user:pw@h/", "url: must not hold a user"),
            ("https://h/v1?x=1", "url: must not have a query"),
            ("https://169.254.169.254/", "url: is a private address"),
            ("https://[::1]/", "url: is a private address"),
            ("https://[::ffff:10.0.0.1]/", "url: is a private address"),
        ] {
            let message = refusal(url, &Endpoint::default());
            assert!(message.starts_with(expected), "{url}: {message}");
            assert!(!message.contains("pw"), "{message}");
        }
    }

    #[test]
    fn the_switches_open_plain_http_and_private_addresses() {
        let url = "http://10.0.0.1:8080/v1";
        let insecure = Endpoint {
            allow_insecure: true,
            ..Endpoint::default()
        };
        let open = EgressRule {
            allow_private: true,
            ..EgressRule::default()
        };
        let checked = check(url, &insecure, &open).expect("allowed");
        assert_eq!(checked.scheme, Scheme::HTTP);
        assert!(refusal(url, &insecure).starts_with("url: is a private address"));
    }

    #[test]
    fn a_ca_bundle_holds_certificates_and_each_can_be_trusted() {
        let with_bundle = |pem: &str| Endpoint {
            ca_bundle: Some(pem.to_owned()),
            ..Endpoint::default()
        };
        let two = format!("text before\n{CERTIFICATE}{CERTIFICATE}");
        let url = "https://h/v1";
        check(url, &with_bundle(&two), &EgressRule::default()).expect("certificates");
        let none = "caBundle: must hold at least one PEM certificate";
        let key = CERTIFICATE.replace("CERTIFICATE", "PRIVATE KEY");
        assert_eq!(refusal(url, &with_bundle("x")), none);
        assert_eq!(refusal(url, &with_bundle(&key)), none);
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let message = refusal(url, &with_bundle(&format!("{CERTIFICATE}{broken}")));
        assert!(message.starts_with("caBundle: holds a certificate that cannot"));
    }
}
