//! Shell environment.

use std::path::{Path, PathBuf};

use super::{Pointing, Settings, Tool, Undo, Way};
use crate::{edit::EditFault, environment::Environment, setup::Setup};

/// Shell environment.
pub const TOOL: Tool = Tool {
    id: "shell-env",
    title: "Shell environment",
    is_present: |_| false,
    way: Way::File(&ShellEnv),
};

struct ShellEnv;

impl Settings for ShellEnv {
    fn path(&self, environment: &Environment) -> Result<PathBuf, String> {
        Ok(environment.home.join("todo"))
    }
    fn apply(&self, _: &Setup, _: &Path, base: Option<&str>) -> Result<String, EditFault> {
        Ok(base.unwrap_or_default().to_owned())
    }
    fn remove(&self, current: &str, _: &Undo<'_>) -> Result<Option<String>, EditFault> {
        Ok(Some(current.to_owned()))
    }
    fn pointing(&self, _: &str) -> Result<Pointing, EditFault> {
        Ok(Pointing::default())
    }
    fn advice(&self, _: &Setup, _: &Environment, _: Option<&str>) -> Vec<String> {
        Vec::new()
    }
}
