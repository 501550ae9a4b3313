//! Arguments of the program, checked as far as that needs no cluster.

use std::{ops::RangeInclusive, path::PathBuf, time::Duration as StdDuration};

use anyray_crds::v1alpha1::{client_key::ClientKeyState, invite::InviteState};
use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};
use k8s_openapi::jiff::Timestamp;
use kube::core::Duration;

use crate::invite::address;

const MINUTE: StdDuration = StdDuration::from_secs(60);
const HOUR: StdDuration = StdDuration::from_secs(3600);

/// Longest text of a duration; beyond, its number may be more than a duration holds.
const MAX_DURATION_BYTES: usize = 16;

/// Longest name of an object.
const MAX_NAME_BYTES: usize = 253;

/// Invites and client keys of Anyray's gateways.
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-anyray",
    bin_name = "kubectl anyray",
    version,
    disable_help_subcommand = true
)]
pub struct Options {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Where.
    #[command(flatten)]
    pub cluster: ClusterOptions,
}

/// Which cluster and namespace, as kubectl has it.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Cluster")]
pub struct ClusterOptions {
    /// Namespace of the gateway [default: that of the context].
    #[arg(short, long, global = true, value_parser = parse_name)]
    pub namespace: Option<String>,
    /// Context of the kubeconfig [default: its current one].
    #[arg(long, global = true)]
    pub context: Option<String>,
    /// Kubeconfig to use [default: KUBECONFIG, or ~/.kube/config].
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Invite people: each gets a code, which is exchanged for a key once.
    #[command(subcommand)]
    Invite(InviteCommand),
    /// See and end the keys of people and programs.
    #[command(subcommand)]
    Key(KeyCommand),
}

/// What can be done about invites.
#[derive(Debug, Subcommand)]
pub enum InviteCommand {
    /// Make a code and print the command to send to its user.
    ///
    /// The code is made here and printed once; the cluster gets only its hash. Standard output has
    /// the command and nothing else.
    Create(Box<InviteCreate>),
    /// List invites.
    List(InviteList),
    /// Print the command with the code that the operator made for an invite without `codeHash`.
    Code(InviteName),
    /// Take invites out of use for good; if a code was redeemed, its key, too.
    Revoke(InviteRevoke),
}

/// Whom to invite, and what for.
#[derive(Clone, Debug, Args)]
pub struct InviteCreate {
    /// Whom the invite is for, for example an e-mail address.
    #[arg(value_parser = |text: &str| parse_text(text, 254))]
    pub user: String,
    /// Name of the AnyrayGateway [default: the only one of the namespace].
    #[arg(long, value_parser = parse_name)]
    pub gateway: Option<String>,
    /// Their team.
    #[arg(long, value_parser = |text: &str| parse_text(text, 63))]
    pub team: Option<String>,
    /// Life of the code, from 1m to 720h [default: 72h].
    #[arg(long, value_name = "DURATION", conflicts_with = "expires_at", value_parser = parse_code_life)]
    pub ttl: Option<Duration>,
    /// When the code ends, for example 2030-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub expires_at: Option<Timestamp>,
    /// Life of the key from when the code is redeemed, from 1m to 87600h [default: no end].
    #[arg(long, value_name = "DURATION", value_parser = parse_key_life)]
    pub key_expires_after: Option<Duration>,
    /// A model that the key may ask for, for example 'claude-*'; can be repeated [default: all].
    #[arg(long = "model", value_name = "MODEL", value_parser = |text: &str| parse_text(text, 256))]
    pub models: Vec<String>,
    /// A provider that the key may use; can be repeated [default: all].
    #[arg(long = "provider", value_name = "PROVIDER", value_parser = parse_name)]
    pub providers: Vec<String>,
    /// Requests of the key per minute, on each pod [default: no limit].
    #[arg(long, value_name = "NUMBER", value_parser = value_parser!(i32).range(1..=1_000_000))]
    pub requests_per_minute: Option<i32>,
    /// Requests of the key at once, on each pod [default: no limit].
    #[arg(long, value_name = "NUMBER", value_parser = value_parser!(i32).range(1..=1_000_000))]
    pub concurrent_requests: Option<i32>,
    /// Name of the Invite [default: made from the user and 5 random characters].
    #[arg(long, value_parser = parse_name)]
    pub name: Option<String>,
    /// Address of the gateway as its users reach it [default: the one of its status].
    #[arg(long, value_parser = parse_address)]
    pub url: Option<String>,
    /// Create nothing: print the manifest, for Git, and the command to standard error.
    #[arg(long)]
    pub dry_run: bool,
}

/// Which invites to list, and how.
#[derive(Clone, Debug, Default, Args)]
pub struct InviteList {
    /// Only those of this gateway.
    #[arg(long, value_parser = parse_name)]
    pub gateway: Option<String>,
    /// Only those in this state: Pending, Issued, Redeemed, Expired or Revoked.
    #[arg(long, value_parser = parse_invite_state)]
    pub state: Option<InviteState>,
    /// How to print them.
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

/// One invite.
#[derive(Clone, Debug, Args)]
pub struct InviteName {
    /// Name of the Invite.
    #[arg(value_parser = parse_name)]
    pub name: String,
}

/// Which invites to take out of use.
#[derive(Clone, Debug, Args)]
pub struct InviteRevoke {
    /// Names of the Invites.
    #[arg(required = true, value_name = "NAME", value_parser = parse_name)]
    pub names: Vec<String>,
    /// Delete them instead.
    #[arg(long)]
    pub delete: bool,
}

/// What can be done about keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// List client keys.
    List(KeyList),
    /// Take keys out of use for good.
    Revoke(KeyRevoke),
    /// Take keys out of use until they are resumed.
    Suspend(Keys),
    /// Take suspended keys into use again.
    Resume(Keys),
}

/// Which keys to list, and how.
#[derive(Clone, Debug, Default, Args)]
pub struct KeyList {
    /// Only those of this gateway.
    #[arg(long, value_parser = parse_name)]
    pub gateway: Option<String>,
    /// Only those of this user.
    #[arg(long, value_parser = |text: &str| parse_text(text, 254))]
    pub user: Option<String>,
    /// Only those in this state: Pending, Active, Suspended, Expired or Revoked.
    #[arg(long, value_parser = parse_key_state)]
    pub state: Option<ClientKeyState>,
    /// How to print them.
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

/// Some keys.
#[derive(Clone, Debug, Args)]
pub struct Keys {
    /// Names of the ClientKeys, or ids: the 12 characters behind `ark_`.
    #[arg(required = true, value_name = "NAME-OR-ID", value_parser = parse_key)]
    pub keys: Vec<String>,
}

/// Which keys to take out of use.
#[derive(Clone, Debug, Args)]
pub struct KeyRevoke {
    /// Names of the ClientKeys, or ids: the 12 characters behind `ark_`.
    #[arg(required = true, value_name = "NAME-OR-ID", value_parser = parse_key)]
    pub keys: Vec<String>,
    /// Delete them instead.
    #[arg(long)]
    pub delete: bool,
}

/// How a list is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns, for people.
    #[default]
    Table,
    /// The objects, as a list of the Kubernetes API.
    Json,
    /// Kind and name of each, for other commands of kubectl.
    Name,
}

/// A name that is safe in the path of a request and on a screen.
fn parse_name(text: &str) -> Result<String, String> {
    let is_known = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    let is_inner = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    if bytes.len() <= MAX_NAME_BYTES
        && bytes.iter().copied().all(is_known)
        && is_inner(bytes.first())
        && is_inner(bytes.last())
    {
        Ok(text.to_owned())
    } else {
        Err("must be lower-case letters, digits, '-' and '.', and begin and end with a letter or digit".to_owned())
    }
}

fn parse_text(text: &str, most: usize) -> Result<String, String> {
    let length = text.chars().count();
    if text.chars().any(char::is_control) || length == 0 || length > most {
        return Err(format!(
            "must be 1 to {most} characters without line breaks"
        ));
    }
    Ok(text.to_owned())
}

/// A name or id.
fn parse_key(text: &str) -> Result<String, String> {
    if text.starts_with("ark_") {
        return Err("is a key: name it by its id, the 12 characters behind ark_; what is on a command line stays in the shell's history".to_owned());
    }
    parse_name(text)
}

fn parse_address(text: &str) -> Result<String, String> {
    address::check(text).ok_or_else(|| {
        "must be an http:// or https:// address without a query, such as https://llm.example.com"
            .to_owned()
    })
}

fn parse_time(text: &str) -> Result<Timestamp, String> {
    text.parse()
        .map_err(|_| "must be a time with its zone, such as 2030-01-31T12:00:00Z".to_owned())
}

fn parse_code_life(text: &str) -> Result<Duration, String> {
    parse_life(text, &(MINUTE..=HOUR * 720))
        .ok_or_else(|| "must be a duration from 1m to 720h, such as 72h, 90m or 1h30m".to_owned())
}

fn parse_key_life(text: &str) -> Result<Duration, String> {
    parse_life(text, &(MINUTE..=HOUR * 87_600))
        .ok_or_else(|| "must be a duration from 1m to 87600h, such as 2160h or 12h30m".to_owned())
}

fn parse_life(text: &str, range: &RangeInclusive<StdDuration>) -> Option<Duration> {
    if text.len() > MAX_DURATION_BYTES {
        return None;
    }
    let life: Duration = text.parse().ok()?;
    let is_fit = !life.is_negative() && range.contains(&StdDuration::from(life));
    is_fit.then_some(life)
}

fn parse_invite_state(text: &str) -> Result<InviteState, String> {
    use InviteState as State;
    let states = [
        State::Pending,
        State::Issued,
        State::Redeemed,
        State::Expired,
        State::Revoked,
    ];
    find_state(text, states, State::as_str)
}

fn parse_key_state(text: &str) -> Result<ClientKeyState, String> {
    use ClientKeyState as State;
    let states = [
        State::Pending,
        State::Active,
        State::Suspended,
        State::Expired,
        State::Revoked,
    ];
    find_state(text, states, State::as_str)
}

fn find_state<S: Copy, const COUNT: usize>(
    text: &str,
    states: [S; COUNT],
    name: fn(S) -> &'static str,
) -> Result<S, String> {
    let mut all = states.iter().copied();
    all.find(|state| name(*state).eq_ignore_ascii_case(text))
        .ok_or_else(|| format!("must be one of {}", states.map(name).join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, clap::Error> {
        Options::try_parse_from([&["kubectl-anyray"], arguments].concat())
    }

    #[test]
    fn the_arguments_fit_together() {
        <Options as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn lives_are_durations_within_bounds() {
        for text in ["1m", "72h", "720h", "1h30m", "1.5h"] {
            assert!(parse_code_life(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "0",
            "59s",
            "721h",
            "-1h",
            "3d",
            "72",
            "99999999999999999999h",
        ] {
            assert!(parse_code_life(text).is_err(), "{text}");
        }
        assert!(parse_key_life("87600h").is_ok());
        assert!(parse_key_life("87601h").is_err());
    }

    #[test]
    fn a_code_has_one_end() {
        let both = [
            "invite",
            "create",
            "a",
            "--ttl",
            "1h",
            "--expires-at",
            "2030-01-01T00:00:00Z",
        ];
        assert!(parse(&both).is_err());
        assert!(parse(&both[..5]).is_ok());
    }

    #[test]
    fn names_are_safe_in_a_path() {
        for name in ["a", "ck-0123456789ab", "a.b"] {
            assert_eq!(parse_name(name).as_deref(), Ok(name));
        }
        for name in [
            "",
            "..",
            "a/b",
            "a?b",
            "-a",
            "A",
            "a\u{1b}",
            &"a".repeat(254),
        ] {
            assert!(parse_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_key_on_the_command_line_is_refused() {
        let told = parse_key("ark_0123456789ab").expect_err("refused");
        assert!(told.contains("history"), "{told}");
    }

    #[test]
    fn states_are_found_whatever_their_case() {
        assert_eq!(parse_invite_state("issued"), Ok(InviteState::Issued));
        assert_eq!(parse_key_state("Active"), Ok(ClientKeyState::Active));
        let told = parse_key_state("gone").expect_err("refused");
        assert!(told.contains("Suspended"), "{told}");
    }

    #[test]
    fn flags_of_the_cluster_may_stand_behind_the_command() {
        let options = parse(&["key", "list", "-n", "llm", "--context", "work"]).expect("parsed");
        assert_eq!(options.cluster.namespace.as_deref(), Some("llm"));
        assert_eq!(options.cluster.context.as_deref(), Some("work"));
    }
}
