//! What a model's id says: who made it, and what the maker calls it.

use crate::{bedrock::error::refuse_input, refusal::Refusal};

/// Whose shapes a model's bodies have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Maker {
    /// Claude: Anthropic's.
    Anthropic,
    /// Nova: those of Converse.
    Amazon,
    /// All others: Llama's, which count tokens in a way of their own.
    Other,
}

/// Checks the id, decoded once.
///
/// # Errors
///
/// AWS's 400 if there is a `%` left, or a slash in what is no ARN.
pub(crate) fn check_model(id: &str) -> Result<(), Refusal> {
    let is_arn = id.starts_with("arn:");
    let is_allowed = |byte: u8| {
        byte.is_ascii_alphanumeric() || b"-._:".contains(&byte) || (byte == b'/' && is_arn)
    };
    if !id.is_empty() && id.bytes().all(is_allowed) {
        return Ok(());
    }
    Err(refuse_input("The provided model identifier is invalid."))
}

/// The maker, by the id; the ARN of an application's own profile does not tell, and
/// then `has_version` does: whether the body has Anthropic's version.
pub(crate) fn find_maker(id: &str, has_version: bool) -> Maker {
    let name = last_part(id);
    let is_of = |maker: &str| name.split('.').any(|part| part == maker);
    if is_of("anthropic") || (has_version && !name.contains('.')) {
        Maker::Anthropic
    } else if is_of("amazon") {
        Maker::Amazon
    } else {
        Maker::Other
    }
}

/// What the maker calls it: without ARN, geography, maker and version, as answers of
/// Claude name it.
pub(crate) fn bare_name(id: &str) -> &str {
    let name = last_part(id);
    let name = name.rsplit_once('.').map_or(name, |(_, name)| name);
    without_version(name).unwrap_or(name)
}

/// The id without the version at its end, so that a scenario may be spelt before it.
pub(crate) fn scenario_name(id: &str) -> &str {
    without_version(id).unwrap_or(id)
}

fn last_part(id: &str) -> &str {
    id.rsplit_once('/').map_or(id, |(_, name)| name)
}

/// Without `-v1:0` or `:0`.
fn without_version(name: &str) -> Option<&str> {
    let (rest, minor) = name.rsplit_once(':')?;
    minor.parse::<u8>().ok()?;
    let (before, major) = rest.rsplit_once("-v").unwrap_or((rest, "0"));
    Some(major.parse::<u8>().map_or(rest, |_| before))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/\
                           eu.anthropic.claude-sonnet-4-5-20250929-v1:0";
    const OWN_PROFILE: &str =
        "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/abc123";

    #[test]
    fn ids_are_names_or_arns() {
        for (id, is_valid) in [
            ("anthropic.claude-opus-4-7", true),
            (PROFILE, true),
            (OWN_PROFILE, true),
            ("", false),
            ("a/b", false),
            ("arn%3Aaws", false),
            ("claude@1", false),
        ] {
            assert_eq!(check_model(id).is_ok(), is_valid, "{id}");
        }
    }

    #[test]
    fn the_maker_is_in_the_id_or_else_in_the_body() {
        for (id, has_version, maker) in [
            ("anthropic.claude-v2:1", false, Maker::Anthropic),
            ("us.anthropic.claude-opus-4-7", false, Maker::Anthropic),
            (PROFILE, false, Maker::Anthropic),
            (OWN_PROFILE, true, Maker::Anthropic),
            (OWN_PROFILE, false, Maker::Other),
            ("eu.amazon.nova-lite-v1:0", false, Maker::Amazon),
            ("meta.llama3-8b-instruct-v1:0", true, Maker::Other),
            ("fake-tools", true, Maker::Anthropic),
        ] {
            assert_eq!(find_maker(id, has_version), maker, "{id}");
        }
    }

    #[test]
    fn the_bare_name_is_the_makers() {
        for (id, name) in [
            (PROFILE, "claude-sonnet-4-5-20250929"),
            ("anthropic.claude-opus-4-7", "claude-opus-4-7"),
            ("fake-cut-3", "fake-cut-3"),
        ] {
            assert_eq!(bare_name(id), name, "{id}");
        }
    }

    #[test]
    fn a_scenario_may_stand_before_the_version() {
        for id in [
            "anthropic.claude-fake-cut-3",
            "anthropic.claude-fake-cut-3-v1:0",
            "anthropic.claude-fake-cut-3:0",
        ] {
            assert_eq!(scenario_name(id), "anthropic.claude-fake-cut-3", "{id}");
        }
    }
}
