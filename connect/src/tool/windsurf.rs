//! Windsurf, since June 2026 Devin Desktop: it has no setting for the address of its models.
//!
//! Source: docs.windsurf.com/windsurf/models (own keys for a few Claude models of individual plans,
//! sent to Anthropic), docs.devin.ai/desktop/acp (other agents in it use their own settings).

use super::{Tool, Way};
use crate::{environment::Environment, setup::Setup};

/// Windsurf.
pub const TOOL: Tool = Tool {
    id: "windsurf",
    title: "Windsurf (Devin Desktop)",
    is_present,
    way: Way::ByHand(steps),
};

fn is_present(environment: &Environment) -> bool {
    environment.has_program("windsurf")
        || environment.has_application("Windsurf")
        || environment.has_application("Devin")
        || environment.home.join(".codeium/windsurf").is_dir()
}

fn steps(_: &Setup) -> Vec<String> {
    [
        "Its own models (Cascade, Devin) cannot be pointed at a gateway: there is no setting for an address.",
        "Do not enter the gateway's key under its API keys (BYOK): those go to their provider, not to the gateway.",
        "Claude Code and Codex in its terminal do use the gateway: `anyray-connect --tools claude-code,codex`, then `claude`, or `codex --profile anyray`.",
        "Claude Code as one of its agents (User Settings > Agents) reads the same settings.",
        "Programs in its terminal find the gateway by `anyray-connect --tools shell-env`.",
    ]
    .map(str::to_owned)
    .into()
}
