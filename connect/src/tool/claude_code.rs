//! Claude Code: variables in the `env` of its settings, which it puts over those of its shell.
//!
//! What it does with them was measured with version 2.1.330. It sends `ANTHROPIC_AUTH_TOKEN` and
//! `ANTHROPIC_API_KEY` side by side if both are set, prefers either to a subscription, and takes
//! neither if it is empty. A file that is not JSON to the letter it ignores as a whole, without a
//! word.
//!
//! What its user should know besides is in `advice`.

use std::path::{Path, PathBuf};

use super::{Entries, Pointing, Settings, Tool, Undo, Way};
use crate::{
    edit::{EditFault, header_lines, json},
    environment::Environment,
    setup::{Billing, Setup, is_ours},
};

mod advice;

/// Claude Code.
pub const TOOL: Tool = Tool {
    id: "claude-code",
    title: "Claude Code",
    is_present: |environment| environment.has_program("claude") || folder(environment).is_dir(),
    way: Way::File(&ClaudeCode),
};

const ENV: &str = "env";
const BASE_URL: &[&str] = &[ENV, "ANTHROPIC_BASE_URL"];
const TOKEN: &[&str] = &[ENV, "ANTHROPIC_AUTH_TOKEN"];
const API_KEY: &[&str] = &[ENV, "ANTHROPIC_API_KEY"];
const HEADERS: &[&str] = &[ENV, "ANTHROPIC_CUSTOM_HEADERS"];
const QUIET: &[&str] = &[ENV, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"];

const AUTH_MODE: &str = "x-anyray-auth-mode";
const KEY_HEADER: &str = "x-anyray-api-key";

/// A variable and what it is set to.
type Fixed = (&'static [&'static str], &'static str);

/// Empty, so that none of elsewhere is used.
const NO_TOKEN: Fixed = (TOKEN, "");
const NO_API_KEY: Fixed = (API_KEY, "");
/// Keeps it from calling Anthropic itself beside a subscription, for it would send our headers
/// there, too.
const NO_CALLS_HOME: Fixed = (QUIET, "1");

struct ClaudeCode;

/// What of a file is ours, and all that it takes to write it again.
#[derive(Default, PartialEq, Eq)]
struct Ours {
    base_url: Option<String>,
    token: Option<String>,
    fixed: Vec<Fixed>,
    header_lines: Vec<String>,
}

impl Settings for ClaudeCode {
    fn path(&self, environment: &Environment) -> Result<PathBuf, String> {
        let folder = folder(environment);
        if folder.is_absolute() {
            Ok(folder.join("settings.json"))
        } else {
            Err("CLAUDE_CONFIG_DIR is no absolute path: set it to one, or not at all".to_owned())
        }
    }

    fn apply(&self, setup: &Setup, _: &Path, base: Option<&str>) -> Result<String, EditFault> {
        check(base.unwrap_or_default())?;
        Ours::of(setup).put(base)
    }

    fn remove(&self, current: &str, undo: &Undo<'_>) -> Result<Option<String>, EditFault> {
        super::remove::<Ours>(current, undo)
    }

    fn pointing(&self, text: &str) -> Result<Pointing, EditFault> {
        check(text)?;
        let find = |path| Ok(find_text(text, path)?.filter(|value| !value.is_empty()));
        let headers = find(HEADERS)?.unwrap_or_default();
        let is_subscription = header_lines::find(&headers, AUTH_MODE) == Some("passthrough");
        let credential = match is_subscription {
            true => header_lines::find(&headers, KEY_HEADER).map(str::to_owned),
            false => find(TOKEN)?.or(find(API_KEY)?),
        };
        Ok(Pointing {
            base_url: find(BASE_URL)?,
            credential,
            is_subscription,
        })
    }

    fn warnings(
        &self,
        setup: &Setup,
        environment: &Environment,
        text: &str,
        _: Option<&str>,
    ) -> Vec<String> {
        advice::warnings(setup, environment, text)
    }

    fn next_steps(&self, setup: &Setup, _: &Environment) -> Vec<String> {
        let mut steps = vec!["Restart Claude Code where it is running.".to_owned()];
        if has_key_beside_subscription(setup) {
            steps.push("Claude Code does not update itself in this mode, as it would show your client key to Anthropic: update it by hand.".to_owned());
        }
        steps
    }
}

impl Ours {
    fn of(setup: &Setup) -> Self {
        let headers = setup.headers(None).into_iter();
        let headers = headers.map(|(name, value)| header_lines::line(name, &value));
        let (token, mut fixed) = match setup.billing {
            Billing::Organisation => {
                let token = setup.credential.as_str().to_owned();
                (Some(token), vec![NO_API_KEY])
            }
            Billing::Subscription => (None, vec![NO_TOKEN, NO_API_KEY]),
        };
        if has_key_beside_subscription(setup) {
            fixed.push(NO_CALLS_HOME);
        }
        Self {
            base_url: Some(setup.gateway.as_str().to_owned()),
            token,
            fixed,
            header_lines: headers.collect(),
        }
    }
}

impl Entries for Ours {
    /// What in a text is ours: credentials and headers by what they look like, the rest beside
    /// them.
    fn find(text: &str, gateway: Option<&str>) -> Result<Self, EditFault> {
        let headers = json::find_string(text, HEADERS)?.unwrap_or_default();
        let header_lines = header_lines::ours(&headers);
        let token = find_text(text, TOKEN)?.filter(|token| is_ours(token));
        let has_sign = token.is_some() || !header_lines.is_empty();
        let has_key_header = header_lines::find(&headers, KEY_HEADER).is_some();
        let mut fixed = Vec::new();
        for (one, is_written) in [
            (NO_TOKEN, has_sign),
            (NO_API_KEY, has_sign),
            (NO_CALLS_HOME, has_key_header),
        ] {
            let (path, value) = one;
            if is_written && find_text(text, path)?.as_deref() == Some(value) {
                fixed.push(one);
            }
        }
        let base_url = find_text(text, BASE_URL)?;
        let base_url = base_url.filter(|url| gateway.map_or(has_sign, |gateway| url == gateway));
        Ok(Self {
            base_url,
            token,
            fixed,
            header_lines,
        })
    }

    /// A file with all of this.
    fn put(&self, base: Option<&str>) -> Result<String, EditFault> {
        let mut text = base.unwrap_or_default().to_owned();
        if let Some(url) = &self.base_url {
            text = json::set_string(&text, BASE_URL, url)?;
        }
        if let Some(token) = &self.token {
            text = json::set_string(&text, TOKEN, token)?;
        }
        for (path, value) in &self.fixed {
            text = json::set_string(&text, path, value)?;
        }
        if self.header_lines.is_empty() {
            return Ok(text);
        }
        let lines = json::find_string(&text, HEADERS)?.unwrap_or_default();
        let lines = header_lines::merge(&self.header_lines, &lines);
        json::set_string(&text, HEADERS, &lines)
    }

    /// The file without this, and with what was there before.
    fn take_back(&self, text: &str, original: Option<&str>) -> Result<Option<String>, EditFault> {
        let before = original.unwrap_or_default();
        let mut text = text.to_owned();
        let mut paths: Vec<_> = self.fixed.iter().map(|(path, _)| *path).collect();
        paths.extend(self.base_url.as_ref().map(|_| BASE_URL));
        paths.extend(self.token.as_ref().map(|_| TOKEN));
        for path in paths {
            text = json::restore(&text, path, before)?;
        }
        if !self.header_lines.is_empty() {
            text = take_back_headers(&text, before)?;
        }
        let has_env = json::find_literal(before, &[ENV])?.is_some();
        if !has_env && json::is_empty_object(&text, &[ENV])? {
            text = json::remove(&text, &[ENV])?;
        }
        let is_left = original.is_some() || !json::is_empty_object(&text, &[])?;
        Ok(is_left.then_some(text))
    }
}

/// Headers that others have added since stay.
fn take_back_headers(text: &str, before: &str) -> Result<String, EditFault> {
    let now = json::find_string(text, HEADERS)?.unwrap_or_default();
    let original = json::find_string(before, HEADERS)?.unwrap_or_default();
    if header_lines::foreign(&now) == header_lines::foreign(&original) {
        return json::restore(text, HEADERS, before);
    }
    match header_lines::merge(&header_lines::ours(&original), &now) {
        lines if lines.is_empty() => json::remove(text, HEADERS),
        lines => json::set_string(text, HEADERS, &lines),
    }
}

/// A fault of what makes Claude Code ignore a file.
fn check(text: &str) -> Result<(), EditFault> {
    json::check(text)?;
    json::check_strict(text).map_err(|fault| EditFault {
        message: format!(
            "{}, for which Claude Code ignores the whole file: take it out",
            fault.message
        ),
        ..fault
    })
}

/// A string; Claude Code takes other values, too, but none of ours is one.
fn find_text(text: &str, path: &[&str]) -> Result<Option<String>, EditFault> {
    let literal = json::find_literal(text, path)?;
    Ok(literal.and_then(|literal| serde_json::from_str(literal).ok()))
}

/// Whether our key is in a header, which goes wherever Claude Code calls.
fn has_key_beside_subscription(setup: &Setup) -> bool {
    setup.billing == Billing::Subscription && setup.credential.key().is_some()
}

fn folder(environment: &Environment) -> PathBuf {
    environment.folder("CLAUDE_CONFIG_DIR", ".claude")
}

#[cfg(test)]
mod tests;
