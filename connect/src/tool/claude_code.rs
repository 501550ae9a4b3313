//! Claude Code: variables in the `env` of its settings, which it puts over those of its shell.
//!
//! Sources: the documents "Claude Code settings" and "LLM gateway configuration", and what version
//! 2.1.197 was measured to do.

use std::path::{Path, PathBuf};

use super::{Pointing, Settings, Tool, Undo, Way};
use crate::{
    edit::{EditFault, header_lines, json},
    environment::Environment,
    setup::{Billing, Setup, is_ours},
};

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

const AUTH_MODE: &str = "x-anyray-auth-mode";
const KEY_HEADER: &str = "x-anyray-api-key";

/// Variables by which it calls another service than `ANTHROPIC_BASE_URL`.
const OTHER_SERVICES: &[&str] = &[
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",
    "CLAUDE_CODE_USE_FOUNDRY",
];

struct ClaudeCode;

/// What of a file is ours, and all that it takes to write it again.
#[derive(Default)]
struct Ours {
    base_url: Option<String>,
    token: Option<String>,
    /// Variables that are set to nothing, so that none of elsewhere is used.
    blank: Vec<&'static [&'static str]>,
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
        Ours::of(setup).put(base)
    }

    fn remove(&self, current: &str, undo: &Undo<'_>) -> Result<Option<String>, EditFault> {
        let ours = Ours::find(current, undo.gateway)?;
        // Nothing else has changed since: it is what it was, byte for byte.
        if ours.put(undo.original).as_deref() == Ok(current) {
            return Ok(undo.original.map(str::to_owned));
        }
        ours.take_back(current, undo.original)
    }

    fn pointing(&self, text: &str) -> Result<Pointing, EditFault> {
        let find = |path| json::find_string(text, path);
        let headers = find(HEADERS)?.unwrap_or_default();
        let is_subscription = header_lines::find(&headers, AUTH_MODE) == Some("passthrough");
        let set = |value: &String| !value.is_empty();
        let credential = match is_subscription {
            true => header_lines::find(&headers, KEY_HEADER).map(str::to_owned),
            false => find(TOKEN)?.filter(set).or(find(API_KEY)?.filter(set)),
        };
        Ok(Pointing {
            base_url: find(BASE_URL)?.filter(set),
            credential,
            is_subscription,
        })
    }

    fn advice(&self, setup: &Setup, environment: &Environment, base: Option<&str>) -> Vec<String> {
        let base = base.unwrap_or_default();
        let mut advice = Vec::new();
        let has = |path: &[&str]| matches!(json::find_literal(base, path), Ok(Some(_)));
        for variable in OTHER_SERVICES {
            if has(&[ENV, variable]) || environment.variable(variable).is_some() {
                advice.push(format!(
                    "{variable} is set: Claude Code calls that service and not the gateway; unset it"
                ));
            }
        }
        if setup.billing == Billing::Subscription && has(&["apiKeyHelper"]) {
            advice.push(
                "apiKeyHelper in its settings is used instead of your seat; remove it".to_owned(),
            );
        }
        advice.push("start Claude Code anew where it is running".to_owned());
        advice
    }
}

impl Ours {
    fn of(setup: &Setup) -> Self {
        let headers = setup.headers(None).into_iter();
        let headers = headers.map(|(name, value)| header_lines::line(name, &value));
        let (token, blank) = match setup.billing {
            Billing::Organisation => (Some(setup.credential.as_str().to_owned()), vec![API_KEY]),
            Billing::Subscription => (None, vec![TOKEN, API_KEY]),
        };
        Self {
            base_url: Some(setup.gateway.as_str().to_owned()),
            token,
            blank,
            header_lines: headers.collect(),
        }
    }

    /// What in a text is ours: credentials and headers by what they look like, the rest beside
    /// them.
    fn find(text: &str, gateway: Option<&str>) -> Result<Self, EditFault> {
        let headers = json::find_string(text, HEADERS)?.unwrap_or_default();
        let header_lines = header_lines::ours(&headers);
        let token = json::find_string(text, TOKEN)?;
        let mut blank = Vec::new();
        if token.as_deref() == Some("") {
            blank.push(TOKEN);
        }
        if json::find_string(text, API_KEY)?.as_deref() == Some("") {
            blank.push(API_KEY);
        }
        let token = token.filter(|token| is_ours(token));
        let has_sign = token.is_some() || !header_lines.is_empty();
        let base_url = json::find_string(text, BASE_URL)?;
        let base_url = base_url.filter(|url| gateway.map_or(has_sign, |gateway| url == gateway));
        if !has_sign {
            blank.clear();
        }
        Ok(Self {
            base_url,
            token,
            blank,
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
        for variable in &self.blank {
            text = json::set_string(&text, variable, "")?;
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
        let mut paths = self.blank.clone();
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

fn folder(environment: &Environment) -> PathBuf {
    environment.folder("CLAUDE_CONFIG_DIR", ".claude")
}

#[cfg(test)]
mod tests;
