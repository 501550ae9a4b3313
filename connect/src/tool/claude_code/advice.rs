//! What else on a machine decides where Claude Code calls, and by which credential.

use super::{ENV, find_text};
use crate::{
    edit::{header_lines, json},
    environment::Environment,
    setup::{Billing, Setup},
};

/// Variables by which it calls another service than that of `ANTHROPIC_BASE_URL`.
const OTHER_SERVICES: &[&str] = &[
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",
    "CLAUDE_CODE_USE_FOUNDRY",
];

/// A sentence for each thing that wins over ours.
pub(super) fn warnings(setup: &Setup, environment: &Environment, settings: &str) -> Vec<String> {
    let mut advice = of_other_services(environment, settings);
    advice.extend(of_sign_in(setup, settings).map(str::to_owned));
    let headers = environment.variable("ANTHROPIC_CUSTOM_HEADERS");
    let is_lost = headers.is_some_and(|lines| !header_lines::foreign(lines).trim().is_empty());
    if is_lost && !setup.headers(None).is_empty() {
        advice.push("ANTHROPIC_CUSTOM_HEADERS is set in your environment, but that of the settings wins: add its lines there.".to_owned());
    }
    advice
}

/// Of variables by which it leaves the gateway alone. Those of the settings win.
fn of_other_services(environment: &Environment, settings: &str) -> Vec<String> {
    let is_set = |variable: &&&str| {
        let here = json::find_literal(settings, &[ENV, variable]);
        let here = here.ok().flatten();
        let value = here.or(environment.variable(variable)).unwrap_or_default();
        !["", "0", "false"].contains(&value.trim_matches('"'))
    };
    let set = OTHER_SERVICES.iter().filter(is_set);
    set.map(|variable| {
        format!("{variable} is set, and Claude Code calls that service instead of the gateway: unset it, or set it to \"0\" in the env of the settings.")
    })
    .collect()
}

/// Of settings by which it signs in otherwise.
fn of_sign_in(setup: &Setup, settings: &str) -> impl Iterator<Item = &'static str> {
    let find = |key| find_text(settings, &[key]).ok().flatten();
    let is_subscription = setup.billing == Billing::Subscription;
    let helper = find("apiKeyHelper").map(|_| {
        if is_subscription {
            "apiKeyHelper in the settings is used instead of your subscription: delete it."
        } else {
            "apiKeyHelper in the settings still runs: delete it if it prints another client key of the gateway."
        }
    });
    let login = find("forceLoginMethod");
    let login = login.filter(|method| is_subscription && method != "claudeai").map(|_| {
        "forceLoginMethod in the settings keeps you from signing in with a subscription: set it to \"claudeai\"."
    });
    helper.into_iter().chain(login)
}
