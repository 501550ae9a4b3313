//! Arguments of the program.

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::{gateway_url::GatewayUrl, tool};

/// Gateway that is set up if none is named anywhere.
pub const DEFAULT_GATEWAY: &str = "http://localhost:8787";

/// Points your tools at an Anyray gateway, and exchanges an invite for a key.
///
/// Without a command it sets up the tools that it finds. It shows what it would change, asks, and
/// changes nothing else in the tools' files; --revert undoes all of it.
#[derive(Debug, Parser)]
#[command(
    name = "anyray-connect",
    version,
    disable_help_subcommand = true,
    args_conflicts_with_subcommands = true,
    after_help = AFTER_HELP
)]
pub struct Options {
    /// What to do instead of setting tools up.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to set tools up.
    #[command(flatten)]
    pub set_up: SetUp,
}

const AFTER_HELP: &str = "\
Environment:
  ANYRAY_GATEWAY_URL  Address of the gateway
  ANYRAY_CLIENT_KEY   A client key that you have already, instead of --invite
  ANYRAY_INVITE       The code of --invite, for command lines that others can see
  ANYRAY_HOME         Folder of what is remembered between runs [default: ~/.anyray]
  NO_COLOR            Print without colours

Examples:
  anyray-connect --gateway https://llm.example.com --invite ari_...
  anyray-connect --tools claude-code,codex --subscription
  anyray-connect --revert";

/// How to set tools up.
#[derive(Clone, Debug, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "one for each flag")]
pub struct SetUp {
    /// Address of the gateway [default: the last run's, or localhost:8787].
    #[arg(long, value_name = "URL", value_parser = parse_gateway)]
    pub gateway: Option<GatewayUrl>,
    /// Attribute requests to this user [default: the key's, git's e-mail, or the system's user].
    #[arg(long, value_name = "ID", value_parser = |text: &str| parse_name(text, 254))]
    pub user: Option<String>,
    /// Attribute requests to this team [default: the key's].
    #[arg(long, value_name = "ID", value_parser = |text: &str| parse_name(text, 63))]
    pub team: Option<String>,
    /// Tools to set up or revert: claude-code, codex, shell-env, cursor, windsurf [default: those found].
    #[arg(long, value_name = "IDS", value_delimiter = ',', value_parser = parse_tool)]
    pub tools: Vec<&'static tool::Tool>,
    /// Exchange an invite for your key; works once, and not under --dry-run.
    #[arg(long, value_name = "CODE")]
    pub invite: Option<String>,
    /// Let your own subscription at Anthropic or ChatGPT pay for Claude Code and Codex.
    #[arg(long)]
    pub subscription: bool,
    /// Show what would change, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask.
    #[arg(long, short)]
    pub yes: bool,
    /// Undo earlier runs.
    #[arg(long, conflicts_with_all = ["gateway", "invite", "subscription", "user", "team"])]
    pub revert: bool,
}

/// What to do instead of setting tools up.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Show which tools point where.
    Status(Report),
    /// Check that the tools are set up, the gateway answers and the key is good.
    ///
    /// Exits with 1 if something is wrong, and says what to do.
    Doctor(Report),
    /// Print the key for a gateway, for tools that are set up by hand.
    PrintKey(AtGateway),
    /// Print the completions of a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page.
    Man,
}

/// Which gateway to look at, and how to print it.
#[derive(Clone, Debug, Default, Args)]
pub struct Report {
    /// The gateway.
    #[command(flatten)]
    pub at: AtGateway,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Which gateway.
#[derive(Clone, Debug, Default, Args)]
pub struct AtGateway {
    /// Address of the gateway [default: the last run's, or localhost:8787].
    #[arg(long, value_name = "URL", value_parser = parse_gateway)]
    pub gateway: Option<GatewayUrl>,
}

fn parse_gateway(text: &str) -> Result<GatewayUrl, String> {
    GatewayUrl::parse(text)
        .map_err(|fault| format!("{fault}; an address is for example https://llm.example.com"))
}

fn parse_tool(id: &str) -> Result<&'static tool::Tool, String> {
    tool::find(id.trim()).ok_or_else(|| {
        let known: Vec<_> = tool::ALL.iter().map(|tool| tool.id).collect();
        format!("the tools are {}", known.join(", "))
    })
}

fn parse_name(text: &str, longest: usize) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.len() > longest || text.chars().any(char::is_control) {
        return Err(format!(
            "it takes 1 to {longest} bytes without control characters"
        ));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_make_sense() {
        Options::command().debug_assert();
    }

    #[test]
    fn help_names_every_tool_and_the_default_gateway() {
        let help = Options::command().render_long_help().to_string();
        for tool in tool::ALL {
            assert!(help.contains(tool.id), "{}", tool.id);
        }
        let host = DEFAULT_GATEWAY.strip_prefix("http://").expect("a URL");
        assert!(help.contains(host), "{host}");
    }
}
