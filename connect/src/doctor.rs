//! Checks that all of it works, and says what to do where it does not.

use anyray_wire::anyray::connect::VerifyResponse;
use serde::Serialize;

use crate::{
    choose::choose_gateway,
    cli::Report,
    environment::Environment,
    failure::Failure,
    file,
    gateway::Gateway,
    gateway_url::GatewayUrl,
    mask,
    screen::Screen,
    select,
    setup::{Billing, Credential, PLACEHOLDER, Setup},
    state::{State, Store},
    status::{self, Status, ToolState, ToolStatus},
    tool::{self, Way},
};

/// One check and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// What was checked.
    pub name: String,
    /// What came of it.
    pub outcome: Outcome,
    /// What was found, and what to do if that is not as it should be.
    pub message: String,
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// As it should be.
    Ok,
    /// It may be meant so.
    Note,
    /// Something does not work.
    Failed,
}

/// Checks the tools, the gateway and the key.
///
/// # Errors
/// [`Failure::Found`] if a check failed; all of them are shown before.
pub fn doctor(
    report: &Report,
    environment: &Environment,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let state = Store::of(environment)?.load()?;
    let gateway = choose_gateway(report.at.gateway.as_ref(), &state, environment)?;
    let status = Status::find(gateway.as_str(), &state, environment);
    let mut checks = vec![check_way(&gateway)];
    checks.extend(check_access(&gateway, &state, &status));
    for tool in &status.tools {
        checks.push(check_tool(tool));
        checks.extend(find_obstacles(tool, &gateway, environment)?);
    }
    if report.json {
        screen.json(&checks)?;
    } else {
        for check in &checks {
            show(check, screen)?;
        }
    }
    let failed = checks
        .iter()
        .filter(|check| check.outcome == Outcome::Failed);
    match failed.count() {
        0 => Ok(()),
        1 => Err(Failure::Found("1 check failed".to_owned())),
        many => Err(Failure::Found(format!("{many} checks failed"))),
    }
}

impl Check {
    fn new(name: &str, outcome: Outcome, message: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            outcome,
            message: message.into(),
        }
    }
}

fn show(check: &Check, screen: &mut Screen) -> Result<(), Failure> {
    let mark = match check.outcome {
        Outcome::Ok => "ok  ",
        Outcome::Note => "note",
        Outcome::Failed => "FAIL",
    };
    screen.text(
        &format!("{mark}  {}: {}", check.name, check.message),
        "      ",
    )
}

fn check_way(gateway: &GatewayUrl) -> Check {
    let name = "address";
    if gateway.is_readable_on_the_way() {
        let message = format!(
            "{gateway} is plain HTTP: keys and all that you send can be read on their way; use https:// unless the network is yours"
        );
        return Check::new(name, Outcome::Note, message);
    }
    Check::new(name, Outcome::Ok, gateway.to_string())
}

/// Asks the gateway about every credential that stands in a tool's file or is kept.
fn check_access(gateway: &GatewayUrl, state: &State, status: &Status) -> Vec<Check> {
    let kept = state.key(gateway).map(|saved| saved.key.0.as_str());
    let pointed = status.tools.iter().filter(|tool| tool.state.is_set_up());
    let in_tools = pointed.filter_map(|tool| tool.own_credential.0.as_deref());
    let mut credentials: Vec<&str> = in_tools.chain(kept).collect();
    credentials.sort_unstable();
    credentials.dedup();
    if credentials.is_empty() {
        credentials.push(PLACEHOLDER);
    }
    let calls = Gateway::new(gateway);
    let ask = |credential: &str| {
        let name = format!("access with {}", mask::mask(credential));
        match calls.verify(credential) {
            Ok(answer) => let_in(&name, &answer, status),
            Err(failure) => Check::new(&name, Outcome::Failed, failure.to_string()),
        }
    };
    credentials.into_iter().map(ask).collect()
}

fn let_in(name: &str, answer: &VerifyResponse, status: &Status) -> Check {
    let mut tools = status.tools.iter();
    let wants_subscriptions = tools.any(|tool| tool.state == ToolState::Subscription);
    if wants_subscriptions && !answer.subscription_passthrough {
        let message = "the gateway does not let subscriptions pass: ask for auth.subscriptionPassthrough, or run `anyray-connect` again without --subscription";
        return Check::new(name, Outcome::Failed, message);
    }
    let Some(key) = &answer.key else {
        return Check::new(
            name,
            Outcome::Ok,
            "the gateway serves callers without a key",
        );
    };
    let team = key.team.as_ref().map(|team| format!(", team {team}"));
    let end = key.expires_at.as_ref().map(|end| format!(", until {end}"));
    let message = format!(
        "good, of {}{}{}",
        key.user,
        team.unwrap_or_default(),
        end.unwrap_or_default()
    );
    Check::new(name, Outcome::Ok, message)
}

/// What keeps a tool that is set up from doing what its file says.
fn find_obstacles(
    status: &ToolStatus,
    gateway: &GatewayUrl,
    environment: &Environment,
) -> Result<Vec<Check>, Failure> {
    let tool = tool::find(status.tool).filter(|_| status.state.is_set_up());
    let (Some(tool), Some(path)) = (tool, &status.file) else {
        return Ok(Vec::new());
    };
    let (Way::File(settings), Some(found)) = (&tool.way, file::read(path)?) else {
        return Ok(Vec::new());
    };
    let own = status.own_credential.0.as_deref().unwrap_or(PLACEHOLDER);
    let setup = Setup {
        gateway: gateway.clone(),
        credential: Credential::of(own),
        user: None,
        team: None,
        billing: match status.state {
            ToolState::Subscription => Billing::Subscription,
            _ => Billing::Organisation,
        },
    };
    let warnings = select::warnings(*settings, &setup, environment, &found.text)?;
    let note = |warning: String| Check::new(tool.title, Outcome::Note, warning);
    Ok(warnings.into_iter().map(note).collect())
}

fn check_tool(status: &ToolStatus) -> Check {
    let name = tool::find(status.tool).map_or(status.tool, |tool| tool.title);
    let told = status::title(status.state);
    let (outcome, message) = match status.state {
        ToolState::SetUp | ToolState::Subscription => (Outcome::Ok, told.to_owned()),
        ToolState::ByHand if status.is_present => (
            Outcome::Note,
            format!("{told}: `anyray-connect --tools {}` says how", status.tool),
        ),
        ToolState::NotSetUp if status.is_present => (
            Outcome::Note,
            format!("{told}: run `anyray-connect --tools {}`", status.tool),
        ),
        ToolState::ByHand | ToolState::NotSetUp => (Outcome::Ok, "not on this machine".to_owned()),
        ToolState::Elsewhere => (
            Outcome::Failed,
            format!(
                "it calls {}: run `anyray-connect --tools {}` to point it to the gateway",
                status.base_url.as_deref().unwrap_or_default(),
                status.tool
            ),
        ),
        ToolState::Unreadable => (Outcome::Failed, status.fault.clone().unwrap_or_default()),
    };
    Check::new(name, outcome, message)
}
