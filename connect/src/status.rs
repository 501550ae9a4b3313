//! Which tools point where.

use std::path::PathBuf;

use serde::Serialize;

use crate::{
    choose::choose_gateway,
    cli::Report,
    environment::Environment,
    failure::Failure,
    file, mask,
    screen::Screen,
    setup,
    state::{State, Store},
    tool::{self, Pointing, Settings, Tool, Way},
};

/// What was found of one tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolStatus {
    /// Its id.
    pub tool: &'static str,
    /// Whether it is on this machine.
    pub is_present: bool,
    /// How it is set up.
    pub state: ToolState,
    /// Its file; none for tools that are set up by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// The base URL that its file names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The credential in its file, masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// What is wrong with its file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// The credential as it stands in the file, if it is one of ours.
    #[serde(skip)]
    pub own_credential: OwnCredential,
}

/// A credential of ours; debug output leaves it out.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct OwnCredential(pub Option<String>);

impl std::fmt::Debug for OwnCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "***" } else { "none" })
    }
}

/// How a tool is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ToolState {
    /// Its file points to the gateway.
    SetUp,
    /// The same, and its own subscription pays.
    Subscription,
    /// Its file points to another address.
    Elsewhere,
    /// Its file points nowhere; it calls its provider.
    NotSetUp,
    /// It is set up by hand, and cannot be looked at.
    ByHand,
    /// Its file cannot be read.
    Unreadable,
}

impl ToolState {
    /// Whether the tool calls the gateway.
    pub fn is_set_up(self) -> bool {
        matches!(self, Self::SetUp | Self::Subscription)
    }
}

/// What was found of all tools.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The gateway that tools are compared with.
    pub gateway: String,
    /// The key that is kept for it, masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Their team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// The tools, in the order of the registry.
    pub tools: Vec<ToolStatus>,
}

/// Shows which tools point where.
///
/// # Errors
/// [`Failure`].
pub fn status(
    report: &Report,
    environment: &Environment,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let state = Store::of(environment)?.load()?;
    let gateway = choose_gateway(report.at.gateway.as_ref(), &state, environment)?;
    let status = Status::find(gateway.as_str(), &state, environment);
    if report.json {
        return screen.json(&status);
    }
    screen.line(&format!("Gateway: {gateway}"))?;
    let key = match (&status.key, &status.user) {
        (Some(key), Some(user)) => {
            let team = status.team.as_ref().map(|team| format!(", team {team}"));
            format!("{key} of {user}{}", team.unwrap_or_default())
        }
        (Some(key), None) => key.clone(),
        _ => "none is kept here".to_owned(),
    };
    screen.line(&format!("Key:     {key}"))?;
    for tool in &status.tools {
        screen.line("")?;
        show(tool, environment, screen)?;
    }
    Ok(())
}

impl Status {
    /// Looks at every tool's file.
    pub fn find(gateway: &str, state: &State, environment: &Environment) -> Self {
        let saved = state.keys.get(gateway);
        let tools = tool::ALL.iter();
        Self {
            gateway: gateway.to_owned(),
            key: saved.map(|saved| mask::mask_secret(&saved.key.0)),
            user: saved.and_then(|saved| saved.user.clone()),
            team: saved.and_then(|saved| saved.team.clone()),
            tools: tools.map(|tool| look(tool, gateway, environment)).collect(),
        }
    }
}

/// What a tool's state is called for people.
pub fn title(state: ToolState) -> &'static str {
    match state {
        ToolState::SetUp => "set up",
        ToolState::Subscription => "set up, its own subscription pays",
        ToolState::Elsewhere => "set up for another address",
        ToolState::NotSetUp => "not set up",
        ToolState::ByHand => "set up by hand",
        ToolState::Unreadable => "its file cannot be read",
    }
}

fn show(
    status: &ToolStatus,
    environment: &Environment,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let found = tool::find(status.tool).map_or(status.tool, |tool| tool.title);
    screen.heading(found)?;
    let absent = if status.is_present {
        ""
    } else {
        " (not found on this machine)"
    };
    screen.line(&format!("  {}{absent}", title(status.state)))?;
    if let Some(file) = &status.file {
        screen.line(&format!("  file     {}", environment.shorten(file)))?;
    }
    if let Some(url) = &status.base_url {
        screen.line(&format!("  address  {url}"))?;
    }
    if let Some(credential) = &status.credential {
        screen.line(&format!("  key      {credential}"))?;
    }
    if let Some(fault) = &status.fault {
        screen.text(&format!("  {fault}"), "  ")?;
    }
    Ok(())
}

fn look(tool: &'static Tool, gateway: &str, environment: &Environment) -> ToolStatus {
    let mut status = ToolStatus {
        tool: tool.id,
        is_present: (tool.is_present)(environment),
        state: ToolState::ByHand,
        file: None,
        base_url: None,
        credential: None,
        fault: None,
        own_credential: OwnCredential::default(),
    };
    let Way::File(settings) = tool.way else {
        return status;
    };
    status.file = settings.path(environment).ok();
    match read(settings, status.file.as_ref()) {
        Ok(pointing) => {
            status.state = state_of(&pointing, gateway);
            status.credential = pointing.credential.as_deref().map(mask::mask_secret);
            let own = pointing.credential.filter(|it| setup::is_ours(it));
            status.own_credential = OwnCredential(own);
            status.base_url = pointing.base_url.as_deref().map(mask::mask);
        }
        Err(fault) => {
            status.state = ToolState::Unreadable;
            status.fault = Some(fault);
        }
    }
    status
}

fn read(settings: &dyn Settings, path: Option<&PathBuf>) -> Result<Pointing, String> {
    let Some(path) = path else {
        return Ok(Pointing::default());
    };
    let contents = file::read(path).map_err(|fault| crate::failure::with_causes(&fault))?;
    let Some(contents) = contents else {
        return Ok(Pointing::default());
    };
    settings
        .pointing(&contents.text)
        .map_err(|fault| fault.to_string())
}

fn state_of(pointing: &Pointing, gateway: &str) -> ToolState {
    let url = pointing.base_url.as_deref();
    let url = url.map(|url| url.trim_end_matches('/'));
    match url.map(|url| url.strip_suffix("/v1").unwrap_or(url)) {
        None => ToolState::NotSetUp,
        Some(url) if url != gateway => ToolState::Elsewhere,
        Some(_) if pointing.is_subscription => ToolState::Subscription,
        Some(_) => ToolState::SetUp,
    }
}
