//! Who is at this machine, as far as nobody has said it.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use crate::environment::Environment;

/// Longest name, in bytes, as the gateway has it.
const MAX_BYTES: usize = 254;

/// The e-mail address of git, or else the name of the system's user.
pub fn guess(environment: &Environment) -> Option<String> {
    let names = ["USER", "LOGNAME", "USERNAME"];
    let user = || names.iter().find_map(|name| environment.variable(name));
    git_email(&environment.home)
        .or_else(|| user().map(str::to_owned))
        .filter(|name| name.len() <= MAX_BYTES)
}

/// `user.email` as git has it for the user, not for the repository that happens to be here.
fn git_email(home: &Path) -> Option<String> {
    let mut git = Command::new("git");
    git.args(["config", "--global", "--get", "user.email"]);
    git.current_dir(home)
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let output = git.output().ok().filter(|output| output.status.success())?;
    let email = String::from_utf8(output.stdout).ok()?;
    let email = email.trim();
    let is_fit = !email.is_empty() && !email.chars().any(char::is_control);
    is_fit.then(|| email.to_owned())
}
