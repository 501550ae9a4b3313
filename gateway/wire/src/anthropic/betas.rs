//! Which of Anthropic's betas Bedrock and Vertex take, and which fields of a body go with each.
//!
//! The rules are data, in `betas.json`: names are matched by their beginning, since dates move.
//! Both clouds refuse a request with a beta that they do not know, or with a field whose beta is
//! missing; a beta that nobody listed goes no further for that reason.
//! Requests to Anthropic never come here.

use std::{
    collections::{BTreeMap, HashSet},
    sync::LazyLock,
};

use serde::{Deserialize, de::IgnoredAny};

/// The rules, read once. A test holds that the file can be read.
pub(crate) static RULES: LazyLock<Rules> =
    LazyLock::new(|| serde_json::from_str(include_str!("betas.json")).unwrap_or_default());

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Rules {
    /// Where the rules come from, for people.
    #[serde(rename = "_source")]
    _source: IgnoredAny,
    /// Claude by `InvokeModel`.
    pub(crate) bedrock: Accepted,
    /// Claude by `rawPredict`.
    pub(crate) vertex: Accepted,
    /// The same, for counting tokens.
    pub(crate) vertex_count_tokens: Accepted,
    /// Paths of fields, each with how those betas begin that bring it.
    fields: BTreeMap<String, Vec<String>>,
}

/// What one target takes.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Accepted {
    /// How the names begin of betas that it takes.
    accepted: Vec<String>,
    /// How the names begin of betas that have another name there, with that name.
    renamed: BTreeMap<String, String>,
    /// Paths of what it does not know although it takes the beta that brings it.
    unknown: Vec<String>,
}

/// The betas of one request, for one target.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sorted {
    /// Those that go on, by their names there.
    pub(crate) kept: Vec<String>,
    /// Those that do not.
    pub(crate) dropped: Vec<String>,
}

impl Accepted {
    /// Sorts what the caller asked for, in its order and without repetition.
    pub(crate) fn sort(&self, asked: &[String]) -> Sorted {
        let mut sorted = Sorted::default();
        let mut seen = HashSet::new();
        let mut kept = HashSet::new();
        for beta in asked.iter().filter(|beta| seen.insert(*beta)) {
            let name = self.find_name(beta);
            if name != Some(beta) {
                sorted.dropped.push(beta.clone());
            }
            if let Some(name) = name.filter(|name| kept.insert(*name)) {
                sorted.kept.push(name.to_owned());
            }
        }
        sorted
    }

    /// The paths of what goes no further, whatever the betas.
    pub(crate) fn unknown(&self) -> impl Iterator<Item = &str> {
        self.unknown.iter().map(String::as_str)
    }

    /// How the target calls the beta; `None` also for what cannot be one, since a list with commas
    /// in a header or a log line would take parts of it for more.
    fn find_name<'a>(&'a self, beta: &'a str) -> Option<&'a str> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if !beta.bytes().all(is_name) {
            return None;
        }
        let renamed = self.renamed.iter().find(|(old, _)| beta.starts_with(*old));
        let is_accepted = begins_with_one(beta, &self.accepted);
        renamed
            .map(|(_, new)| new.as_str())
            .or(is_accepted.then_some(beta))
    }
}

impl Rules {
    /// The paths of the fields that lost the beta which brought them.
    ///
    /// A field that no beta of the caller's brought stays: whether it may is the target's say.
    pub(crate) fn orphans(&self, betas: &Sorted) -> impl Iterator<Item = &str> {
        let bring = |names: &[String], brought: &[String]| {
            names.iter().any(|name| begins_with_one(name, brought))
        };
        let orphans = self.fields.iter().filter(move |(_, brought)| {
            bring(&betas.dropped, brought) && !bring(&betas.kept, brought)
        });
        orphans.map(|(path, _)| path.as_str())
    }
}

fn begins_with_one(name: &str, beginnings: &[String]) -> bool {
    beginnings.iter().any(|one| name.starts_with(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_file_can_be_read_and_is_tidy() {
        let rules: Rules = serde_json::from_str(include_str!("betas.json")).expect("the rules");
        for target in [&rules.bedrock, &rules.vertex, &rules.vertex_count_tokens] {
            assert!(!target.accepted.is_empty());
            assert!(target.accepted.is_sorted_by(|one, next| one < next));
            for (old, new) in &target.renamed {
                assert!(!begins_with_one(old, &target.accepted), "{old}");
                assert!(begins_with_one(new, &target.accepted), "{new}");
            }
        }
        for (path, brought) in &rules.fields {
            assert!(!brought.is_empty(), "{path}");
            assert!(!path.starts_with('['), "{path} leads nowhere");
        }
    }

    #[test]
    fn betas_are_matched_by_their_beginning() {
        let asked = names(&[
            "context-1m-2031-01-01",
            "context-1m-2031-01-01",
            "unheard-of-2026-01-01",
            "oauth-2025-04-20",
            "token-efficient-tools-2026-03-28",
        ]);
        let sorted = RULES.bedrock.sort(&asked);
        assert_eq!(sorted.kept, ["context-1m-2031-01-01"]);
        assert_eq!(sorted.dropped, &asked[2..]);
    }

    #[test]
    fn a_beta_with_another_name_is_sent_once_by_that_name() {
        let asked = names(&[
            "tool-search-tool-2025-10-19",
            "advanced-tool-use-2025-11-20",
        ]);
        for target in [&RULES.bedrock, &RULES.vertex] {
            let sorted = target.sort(&asked);
            assert_eq!(sorted.kept, ["tool-search-tool-2025-10-19"]);
            assert_eq!(sorted.dropped, ["advanced-tool-use-2025-11-20"]);
        }
    }

    #[test]
    fn a_field_goes_with_the_last_of_its_betas() {
        let orphans = |kept: &[&str], dropped: &[&str]| {
            let (kept, dropped) = (names(kept), names(dropped));
            let betas = Sorted { kept, dropped };
            RULES.orphans(&betas).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(orphans(&[], &["compact-1"]), ["context_management"]);
        assert!(orphans(&["compact-1"], &["context-management-1"]).is_empty());
        assert!(orphans(&["compact-1"], &[]).is_empty());
        assert!(orphans(&[], &[]).is_empty());
    }
}
