//! Codex: a profile of its own, a file that is laid over its `config.toml` where one asks for it.
//!
//! Source: the fields of a provider in `codex-rs/core/src/model_provider_info.rs` of openai/codex;
//! unknown ones are refused. Version 0.169.0 was measured.

use std::path::{Path, PathBuf};

use super::{Entries, Pointing, Settings, Tool, Undo, Way};
use crate::{
    edit::{EditFault, toml},
    environment::Environment,
    setup::{Billing, CODEX_SUBSCRIPTION_BACKEND, Setup, is_our_header, is_ours},
};

/// Codex.
pub const TOOL: Tool = Tool {
    id: "codex",
    title: "Codex",
    is_present: |environment| environment.has_program("codex") || folder(environment).is_dir(),
    way: Way::File(&Codex),
};

/// Our profile's and our provider's name.
const NAME: &str = "anyray";
const PROVIDER: &[&str] = &["model_provider"];
const TABLE: &[&str] = &["model_providers", NAME];
const HEADERS: &[&str] = &["model_providers", NAME, "http_headers"];

const BASE_URL: &str = "base_url";
const BEARER: &str = "experimental_bearer_token";
const SUBSCRIPTION: &str = "requires_openai_auth";

/// Keys by which a provider gets its credential in another way; none of them goes with ours.
const OTHER_CREDENTIALS: &[&str] = &["env_key", BEARER, SUBSCRIPTION];

const AUTH_MODE: &str = "x-anyray-auth-mode";
const KEY_HEADER: &str = "x-anyray-api-key";

const COMMENT: &str = "\
# Written by anyray-connect: sends what Codex asks to a gateway.
# Use it by `codex --profile anyray`, undo it by `anyray-connect --revert`.
";

struct Codex;

/// What of a file is ours, and all that it takes to write it again.
#[derive(Default, PartialEq, Eq)]
struct Ours {
    is_selected: bool,
    /// Keys of the provider's table and what TOML writes for their values.
    fields: Vec<(&'static str, String)>,
    /// Names of headers, likewise.
    headers: Vec<(String, String)>,
}

impl Settings for Codex {
    fn path(&self, environment: &Environment) -> Result<PathBuf, String> {
        let folder = folder(environment);
        if folder.is_absolute() {
            Ok(folder.join(format!("{NAME}.config.toml")))
        } else {
            Err("CODEX_HOME is no absolute path: set it to one, or not at all".to_owned())
        }
    }

    fn apply(&self, setup: &Setup, _: &Path, base: Option<&str>) -> Result<String, EditFault> {
        for key in ["auth", "aws"] {
            let path = field(key);
            if toml::find_literal(base.unwrap_or_default(), &path)?.is_some() {
                let path = path.join(".");
                let message = format!("`{path}` gives another credential: remove it");
                return Err(EditFault::new(message));
            }
        }
        Ours::of(setup).put(base)
    }

    fn remove(&self, current: &str, undo: &Undo<'_>) -> Result<Option<String>, EditFault> {
        super::remove::<Ours>(current, undo)
    }

    fn pointing(&self, text: &str) -> Result<Pointing, EditFault> {
        let provider = toml::find_string(text, PROVIDER)?;
        let Some(provider) = provider else {
            return Ok(Pointing::default());
        };
        let find = |key| toml::find_string(text, &["model_providers", &provider, key]);
        let find_header =
            |name| toml::find_string(text, &["model_providers", &provider, "http_headers", name]);
        let is_subscription = find_header(AUTH_MODE)?.as_deref() == Some("passthrough");
        let credential = match is_subscription {
            true => find_header(KEY_HEADER)?,
            false => find(BEARER)?,
        };
        Ok(Pointing {
            base_url: find(BASE_URL)?,
            credential,
            is_subscription,
        })
    }

    /// Its base configuration, which the profile is laid over table by table.
    fn neighbour(&self, environment: &Environment) -> Option<PathBuf> {
        Some(folder(environment).join("config.toml"))
    }

    fn warnings(
        &self,
        setup: &Setup,
        environment: &Environment,
        _: &str,
        neighbour: Option<&str>,
    ) -> Vec<String> {
        let mut warnings = of_base_configuration(neighbour.unwrap_or_default());
        let is_subscription = setup.billing == Billing::Subscription;
        if is_subscription && environment.variable("CODEX_API_KEY").is_some() {
            warnings.push(
                "CODEX_API_KEY is set, and is used instead of your subscription: unset it."
                    .to_owned(),
            );
        }
        warnings
    }

    fn next_steps(&self, setup: &Setup, _: &Environment) -> Vec<String> {
        let mut steps = vec![format!(
            "Run `codex --profile {NAME}`; without it Codex does as before."
        )];
        if setup.billing == Billing::Subscription {
            steps.push("Sign in with ChatGPT by `codex login`, unless you are.".to_owned());
        }
        steps
    }
}

/// What of the base configuration breaks the profile, as version 0.169.0 was measured to do.
fn of_base_configuration(text: &str) -> Vec<String> {
    let has = |path: &[&str]| matches!(toml::find_literal(text, path), Ok(Some(_)));
    let mut warnings = Vec::new();
    if has(&["profile"]) || has(&["profiles", NAME]) {
        warnings.push(format!(
            "`profile` or [profiles.{NAME}] in config.toml keeps Codex from starting with `--profile {NAME}`: delete them."
        ));
    }
    if has(&["model_providers", NAME]) {
        warnings.push(format!(
            "Codex mixes [model_providers.{NAME}] of config.toml into that of the profile: delete it there."
        ));
    }
    warnings
}

impl Ours {
    fn of(setup: &Setup) -> Self {
        let mut fields = vec![
            ("name", toml::literal("Anyray")),
            (BASE_URL, toml::literal(&setup.gateway.openai())),
            ("wire_api", toml::literal("responses")),
        ];
        fields.push(match setup.billing {
            Billing::Organisation => (BEARER, toml::literal(setup.credential.as_str())),
            Billing::Subscription => (SUBSCRIPTION, "true".to_owned()),
        });
        let headers = setup.headers(Some(CODEX_SUBSCRIPTION_BACKEND)).into_iter();
        let headers = headers.map(|(name, value)| (name.to_owned(), toml::literal(&value)));
        Self {
            is_selected: true,
            fields,
            headers: headers.collect(),
        }
    }
}

impl Entries for Ours {
    /// What in a text is ours: credentials and headers by what they look like, the address by the
    /// gateway, and the rest beside them.
    fn find(text: &str, gateway: Option<&str>) -> Result<Self, EditFault> {
        let literal = |path: &[&str]| -> Result<Option<String>, EditFault> {
            Ok(toml::find_literal(text, path)?.map(str::to_owned))
        };
        let mut ours = Self::default();
        for name in toml::find_keys(text, HEADERS)? {
            let value = literal(&header(&name))?;
            ours.headers.extend(value.map(|value| (name, value)));
        }
        ours.headers.retain(|(name, _)| is_our_header(name));
        let find = |key| toml::find_string(text, &field(key));
        let has_bearer = find(BEARER)?.is_some_and(|token| is_ours(&token));
        let has_sign = has_bearer || !ours.headers.is_empty();
        let url = find(BASE_URL)?;
        let is_of_gateway = |gateway| {
            let path = url.as_deref().and_then(|url| url.strip_prefix(gateway));
            path.is_some_and(|path| path.trim_end_matches('/') == "/v1")
        };
        let has_url = gateway.map_or(has_sign && url.is_some(), is_of_gateway);
        let keys: &[_] = match (has_url, has_bearer) {
            (true, true) => &["name", BASE_URL, "wire_api", BEARER],
            (true, false) => &["name", BASE_URL, "wire_api", SUBSCRIPTION],
            (false, true) => &[BEARER],
            (false, false) => &[],
        };
        for key in keys {
            let value = literal(&field(key))?;
            ours.fields.extend(value.map(|value| (*key, value)));
        }
        ours.is_selected = has_url && toml::find_string(text, PROVIDER)?.as_deref() == Some(NAME);
        Ok(ours)
    }

    /// A file with all of this.
    fn put(&self, base: Option<&str>) -> Result<String, EditFault> {
        let mut text = with_comment(base.unwrap_or_default());
        if self.is_selected {
            text = toml::set(&text, PROVIDER, &toml::literal(NAME))?;
        }
        for key in OTHER_CREDENTIALS {
            text = toml::remove(&text, &field(key))?;
        }
        for (key, value) in &self.fields {
            text = toml::set(&text, &field(key), value)?;
        }
        for (name, value) in &self.headers {
            text = toml::set(&text, &header(name), value)?;
        }
        Ok(text)
    }

    /// The file without this, and with what was there before.
    fn take_back(&self, text: &str, original: Option<&str>) -> Result<Option<String>, EditFault> {
        let before = original.unwrap_or_default();
        let mut text = text.to_owned();
        for (name, _) in &self.headers {
            text = toml::restore(&text, &header(name), before)?;
        }
        for (key, _) in &self.fields {
            text = toml::restore(&text, &field(key), before)?;
        }
        for key in OTHER_CREDENTIALS {
            let path = field(key);
            if toml::find_literal(&text, &path)?.is_none() {
                text = toml::restore(&text, &path, before)?;
            }
        }
        if self.is_selected {
            text = toml::restore(&text, PROVIDER, before)?;
        }
        for table in [HEADERS, TABLE] {
            if toml::find_literal(before, table)?.is_none() {
                text = toml::remove_if_empty(&text, table)?;
            }
        }
        let text = without_comment(&text);
        let is_left = original.is_some() || !text.trim().is_empty();
        Ok(is_left.then_some(text))
    }
}

/// The text with our comment above all else, unless it is there.
fn with_comment(text: &str) -> String {
    if without_comment(text) != text {
        return text.to_owned();
    }
    let newline = toml::newline(text);
    let (mark, body) = split_mark(text);
    let gap = if body.is_empty() { "" } else { newline };
    format!("{mark}{}{gap}{body}", COMMENT.replace('\n', newline))
}

fn without_comment(text: &str) -> String {
    let newline = toml::newline(text);
    let comment = COMMENT.replace('\n', newline);
    match text.split_once(&comment) {
        Some((before, after)) => {
            let after = after.strip_prefix(newline).unwrap_or(after);
            format!("{before}{after}")
        }
        None => text.to_owned(),
    }
}

/// A byte order mark, if there is one, and the rest.
fn split_mark(text: &str) -> (&str, &str) {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    (text.strip_suffix(body).unwrap_or_default(), body)
}

fn field(key: &str) -> [&str; 3] {
    ["model_providers", NAME, key]
}

fn header(name: &str) -> [&str; 4] {
    ["model_providers", NAME, "http_headers", name]
}

fn folder(environment: &Environment) -> PathBuf {
    environment.folder("CODEX_HOME", ".codex")
}

#[cfg(test)]
mod tests;
