//! Which tools a run is about, and what their files hold.

use crate::{
    environment::Environment,
    failure::Failure,
    file,
    plan::Target,
    setup::Setup,
    state::State,
    tool::{self, Settings, Tool, Way},
};

/// The tools that are named, or else those that are on this machine, in the order of the registry.
///
/// # Errors
/// [`Failure::NoTool`] if there is none.
pub fn tools_to_set_up(
    named: &[&'static Tool],
    environment: &Environment,
) -> Result<Vec<&'static Tool>, Failure> {
    let is_wanted = |tool: &&'static Tool| {
        if named.is_empty() {
            (tool.is_present)(environment)
        } else {
            named.iter().any(|named| named.id == tool.id)
        }
    };
    let tools: Vec<_> = tool::ALL.iter().copied().filter(is_wanted).collect();
    if tools.is_empty() {
        return Err(Failure::NoTool);
    }
    Ok(tools)
}

/// The files of tools, as they are now. Tools that are set up by hand have none.
///
/// # Errors
/// [`Failure::NoFile`] and [`Failure::File`].
pub fn targets(
    tools: &[&'static Tool],
    state: &State,
    environment: &Environment,
) -> Result<Vec<Target>, Failure> {
    let mut targets = Vec::new();
    for tool in tools.iter().copied() {
        let Way::File(settings) = tool.way else {
            continue;
        };
        let path = settings.path(environment);
        let path = path.map_err(|reason| Failure::NoFile {
            tool: tool.id,
            reason,
        })?;
        targets.push(target(tool, settings, path, state)?);
    }
    Ok(targets)
}

/// The files that reverting is about: all that are remembered of the tools, and those that would
/// be set up today, in case that what is remembered was lost.
///
/// # Errors
/// [`Failure::File`].
pub fn targets_to_revert(
    named: &[&'static Tool],
    state: &State,
    environment: &Environment,
) -> Result<Vec<Target>, Failure> {
    let is_wanted = |tool: &Tool| named.is_empty() || named.iter().any(|named| named.id == tool.id);
    let mut targets: Vec<Target> = Vec::new();
    for tool in tool::ALL.iter().copied().filter(|tool| is_wanted(tool)) {
        let Way::File(settings) = tool.way else {
            continue;
        };
        let remembered = state.files.iter();
        let remembered = remembered.filter(|(_, record)| record.tool == tool.id);
        let mut paths: Vec<_> = remembered.map(|(path, _)| path.clone()).collect();
        // A place that cannot be told has nothing of ours.
        let today = settings.path(environment).ok();
        let today = today.filter(|path| {
            file::resolve(path).is_ok_and(|place| !state.files.contains_key(&place))
        });
        paths.extend(today);
        for path in paths {
            targets.push(target(tool, settings, path, state)?);
        }
    }
    Ok(targets)
}

/// What keeps a tool from doing what its file says, with what its neighbour holds now.
///
/// # Errors
/// [`Failure::File`].
pub fn warnings(
    settings: &dyn Settings,
    setup: &Setup,
    environment: &Environment,
    text: &str,
) -> Result<Vec<String>, Failure> {
    let neighbour = match settings.neighbour(environment) {
        Some(path) => file::read(&path)?,
        None => None,
    };
    let neighbour = neighbour.as_ref().map(|found| found.text.as_str());
    Ok(settings.warnings(setup, environment, text, neighbour))
}

/// What the user is to do by hand for the tools that have no file.
pub fn steps_by_hand(tools: &[&'static Tool], setup: &Setup) -> Vec<(&'static Tool, Vec<String>)> {
    let steps = tools.iter().filter_map(|tool| match tool.way {
        Way::ByHand(steps) => Some((*tool, steps(setup))),
        Way::File(_) => None,
    });
    steps.collect()
}

fn target(
    tool: &'static Tool,
    settings: &'static dyn Settings,
    path: std::path::PathBuf,
    state: &State,
) -> Result<Target, Failure> {
    let place = file::resolve(&path)?;
    Ok(Target {
        tool,
        settings,
        found: file::read(&place)?,
        record: state.files.get(&place).cloned(),
        path,
        place,
    })
}
