//! Reads `x-anyray-custom-host`: the base URL that a caller names instead of a provider's.
//!
//! Pure, and stricter than a URL parser: what two parsers could read differently is refused, so
//! that the name that is checked is the name that is dialled.
//! Which addresses a name may have is checked when it is dialled, in [`crate::outbound::upstream`].

use http::HeaderValue;

use crate::error::fault::CustomHostFault;

/// Longest value; no base URL comes near it.
const MAX_VALUE_BYTES: usize = 1024;

/// Longest DNS name and longest label (RFC 1035, section 2.3.4).
const MAX_HOST_BYTES: usize = 253;
const MAX_LABEL_BYTES: usize = 63;

const HTTPS_PORT: u16 = 443;

/// Where clouds answer with credentials of the machine; refused even where they are listed.
///
/// Sources: <https://cloud.google.com/compute/docs/metadata/querying-metadata>,
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-metadata.html>.
const METADATA_HOSTS: &[&str] = &[
    "metadata.google.internal",
    "metadata.goog",
    "instance-data.ec2.internal",
];

/// A base URL that a caller named; always https.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomHost {
    /// A DNS name of at least two labels, in lower case.
    pub host: String,
    /// The named port, else 443.
    pub port: u16,
    /// Path of the base URL, without a slash at the end; empty for the root.
    pub path: String,
}

impl CustomHost {
    /// Host, with a port unless that is 443: the form in which hosts are listed.
    pub fn authority(&self) -> String {
        match self.port {
            443 => self.host.clone(),
            port => format!("{}:{port}", self.host),
        }
    }
}

/// Takes a value of `x-anyray-custom-host` apart: `https://HOST[:PORT][/PATH]`, or the same
/// without `https://`.
///
/// # Errors
/// [`CustomHostFault`].
pub fn parse(value: &HeaderValue) -> Result<CustomHost, CustomHostFault> {
    if value.len() > MAX_VALUE_BYTES {
        return Err(CustomHostFault::TooLong);
    }
    let text = value
        .to_str()
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic()))
        .ok_or(CustomHostFault::Characters)?;
    check_characters(text)?;
    let text = without_scheme(text)?;
    let (authority, path) = match text.split_once('/') {
        Some((authority, path)) => (authority, parse_path(path)?),
        None => (text, String::new()),
    };
    if authority.contains('@') {
        return Err(CustomHostFault::UserInfo);
    }
    if authority.contains(['[', ']']) {
        return Err(CustomHostFault::Address);
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, parse_port(port)?),
        None => (authority, HTTPS_PORT),
    };
    let host = host.to_ascii_lowercase();
    check_host(&host)?;
    Ok(CustomHost { host, port, path })
}

/// Whether one of `allowed` is this host: `HOST` for port 443, else `HOST:PORT`, without
/// wildcards and whatever the case.
///
/// Hosts of cloud metadata never are.
pub fn is_allowed<'a>(host: &CustomHost, mut allowed: impl Iterator<Item = &'a str>) -> bool {
    if METADATA_HOSTS.contains(&host.host.as_str()) {
        return false;
    }
    let with_port = format!("{}:{}", host.host, host.port);
    allowed.any(|entry| {
        entry.eq_ignore_ascii_case(&with_port)
            || host.port == HTTPS_PORT && entry.eq_ignore_ascii_case(&host.host)
    })
}

fn check_characters(text: &str) -> Result<(), CustomHostFault> {
    let fault = text.bytes().find_map(|byte| match byte {
        b'?' | b'#' => Some(CustomHostFault::QueryOrFragment),
        b'\\' => Some(CustomHostFault::Backslash),
        b'%' => Some(CustomHostFault::PercentEncoding),
        _ => None,
    });
    fault.map_or(Ok(()), Err)
}

fn without_scheme(text: &str) -> Result<&str, CustomHostFault> {
    match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => Ok(rest),
        // A scheme within the path of a bare host is no scheme.
        Some((scheme, _)) if !scheme.contains('/') => Err(CustomHostFault::Scheme),
        _ => Ok(text),
    }
}

/// `path` is what stands behind the first slash.
fn parse_path(path: &str) -> Result<String, CustomHostFault> {
    if path.is_empty() {
        return Ok(String::new());
    }
    let path = path.strip_suffix('/').unwrap_or(path);
    let is_plain = |segment: &str| {
        let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:@+=,".contains(&byte);
        !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(is_known)
    };
    if path.split('/').all(is_plain) {
        Ok(format!("/{path}"))
    } else {
        Err(CustomHostFault::Path)
    }
}

fn parse_port(port: &str) -> Result<u16, CustomHostFault> {
    let is_plain = port.bytes().all(|byte| byte.is_ascii_digit()) && !port.starts_with('0');
    if !is_plain {
        return Err(CustomHostFault::Port);
    }
    port.parse().map_err(|_| CustomHostFault::Port)
}

/// The last label of a name begins with a letter; that of every spelling of an IPv4 address, be
/// it decimal, octal, hexadecimal or short, with a digit.
fn check_host(host: &str) -> Result<(), CustomHostFault> {
    let last = host.rsplit('.').next().unwrap_or_default();
    if last.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(CustomHostFault::Address);
    }
    let is_name = host.len() <= MAX_HOST_BYTES
        && host.contains('.')
        && host.split('.').all(is_label)
        && last.starts_with(|first: char| first.is_ascii_lowercase());
    if is_name {
        Ok(())
    } else {
        Err(CustomHostFault::Host)
    }
}

fn is_label(label: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=MAX_LABEL_BYTES).contains(&label.len())
        && label.bytes().all(is_known)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests;
