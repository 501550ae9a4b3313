//! How the name of a gateway's host becomes addresses.
//!
//! A static program must not ask glibc: for most names that loads the machine's own modules, which
//! load the machine's own glibc into the process, and with another version than the linked one it
//! crashes (measured: glibc 2.36 linked, 2.41 there, `mdns4_minimal` or `myhostname` among the
//! `hosts` of nsswitch.conf; rust-lang/rust#115723). `getent` belongs to that machine and finds what
//! every other program there finds.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    process::{Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use ureq::{
    Error,
    config::Config,
    http::Uri,
    unversioned::{
        resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver},
        transport::NextTimeout,
    },
};

/// Most addresses that are tried for one name.
const MAX_ADDRESSES: usize = 16;

/// Whether this program is linked with a glibc of its own.
const IS_STATIC: bool = cfg!(all(target_env = "gnu", target_feature = "crt-static"));

/// Finds addresses as the other programs of this machine do.
#[derive(Debug, Default)]
pub struct SystemResolver {
    in_process: DefaultResolver,
}

impl Resolver for SystemResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let name = uri.host().filter(|host| IS_STATIC && !is_address(host));
        let answer = name.map(|name| ask_getent(name, *timeout.after));
        match answer {
            // Where there is no getent, as in an empty container, there are no modules either.
            None | Some(Err(Fault::NoProgram)) => self.in_process.resolve(uri, config, timeout),
            Some(Err(Fault::Late)) => Err(Error::Timeout(timeout.reason)),
            Some(Err(Fault::Failed(error))) => Err(error.into()),
            Some(Ok(addresses)) => {
                let port = uri.port_u16().unwrap_or_else(|| default_port(uri));
                let mut found = self.empty();
                for address in addresses.into_iter().take(MAX_ADDRESSES) {
                    found.push(SocketAddr::new(address, port));
                }
                if found.is_empty() {
                    return Err(Error::HostNotFound);
                }
                Ok(found)
            }
        }
    }
}

/// Why nothing is known of a name.
enum Fault {
    /// There is no `getent`.
    NoProgram,
    /// It was not done in time.
    Late,
    /// It could not be run.
    Failed(io::Error),
}

/// Runs `getent`. If it is late it is left to itself; the system's own limits end it.
fn ask_getent(name: &str, limit: Duration) -> Result<Vec<IpAddr>, Fault> {
    let mut getent = Command::new("getent");
    getent.args(["ahosts", name]);
    getent.stdin(Stdio::null()).stderr(Stdio::null());
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::spawn(move || sender.send(getent.output()));
    match receiver.recv_timeout(limit) {
        // Without success it prints nothing: there is no such name.
        Ok(Ok(Output { stdout, .. })) => Ok(addresses(&String::from_utf8_lossy(&stdout))),
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => Err(Fault::NoProgram),
        Ok(Err(error)) => Err(Fault::Failed(error)),
        Err(_) => Err(Fault::Late),
    }
}

/// The first words of the lines, each once, in this order.
fn addresses(printed: &str) -> Vec<IpAddr> {
    let mut all: Vec<IpAddr> = Vec::new();
    let words = printed.lines().filter_map(|line| line.split(' ').next());
    for address in words.filter_map(|word| word.parse().ok()) {
        if !all.contains(&address) {
            all.push(address);
        }
    }
    all
}

/// Whether a host is written as an address; those of IPv6 are in brackets.
fn is_address(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.parse::<IpAddr>().is_ok()
}

fn default_port(uri: &Uri) -> u16 {
    if uri.scheme_str() == Some("https") {
        443
    } else {
        80
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_of_getent_comes_once_and_in_order() {
        let printed = "2001:db8::1     STREAM llm.example.com\n2001:db8::1     DGRAM  \n192.0.2.7       STREAM \n192.0.2.7       RAW    \n";
        let expected: [IpAddr; 2] = [
            "2001:db8::1".parse().expect("an address"),
            "192.0.2.7".parse().expect("an address"),
        ];
        assert_eq!(addresses(printed), expected);
    }

    #[test]
    fn getent_is_asked_only_for_names() {
        for (host, expected) in [
            ("127.0.0.1", true),
            ("[::1]", true),
            ("llm.example.com", false),
            ("127.example.com", false),
        ] {
            assert_eq!(is_address(host), expected, "{host}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn getent_knows_this_machine() {
        let found = ask_getent("localhost", Duration::from_secs(10));
        let found = found.unwrap_or_else(|_| panic!("getent has to answer"));
        assert!(found.iter().all(IpAddr::is_loopback), "{found:?}");
        assert!(!found.is_empty());
    }
}
