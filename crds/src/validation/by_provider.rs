//! The rules of a ProviderKey that depend on its provider, made from the tables of
//! `anyray-providers`: a new provider needs none of its own.
//!
//! A provider that those tables do not have breaks none of them; that is for the schema to say.

use anyray_providers::{
    ALL, Provider,
    settings::{Need, Settings},
};
use anyray_wire::gateway_config::CredentialKind;

use super::Rule;
use crate::v1alpha1::provider_key::auth;

/// Every kind of credential, in the order of the fields of `auth`.
const KINDS: [CredentialKind; 4] = [
    CredentialKind::ApiKey,
    CredentialKind::AwsKeys,
    CredentialKind::GoogleServiceAccount,
    CredentialKind::EntraClient,
];

/// Names of fields, and the slugs of the providers that they concern.
type Group = (Vec<&'static str>, Vec<&'static str>);

/// All of them with their names, for `spec`.
pub fn all() -> [(&'static str, Rule<String>); 3] {
    [
        ("AUTH_FITS", auth_fits()),
        ("ENDPOINT_COMPLETE", endpoint_complete()),
        ("ENDPOINT_FITS", endpoint_fits()),
    ]
}

/// The name and the message of every rule of [`super`] and of this module, for tests that must not
/// forget one.
pub fn messages() -> Vec<(&'static str, String)> {
    let constants = super::ALL.iter();
    let constants = constants.map(|(name, rule)| (*name, rule.message.to_owned()));
    let made = all().into_iter().map(|(name, rule)| (name, rule.message));
    constants.chain(made).collect()
}

/// A credential that the provider cannot take is a mistake.
fn auth_fits() -> Rule<String> {
    let foreign = by_fields(|provider| {
        let is_foreign = |kind: &CredentialKind| !provider.credentials().contains(kind);
        KINDS
            .into_iter()
            .filter(is_foreign)
            .map(auth::field)
            .collect()
    });
    let taken = by_fields(|provider| {
        let kinds = provider.credentials().iter().copied();
        kinds.map(auth::field).collect()
    });
    Rule {
        rule: none_of("self.auth", &foreign),
        message: format!(
            "auth must be one that the provider takes: {}",
            told(&taken, "or")
        ),
    }
}

/// Without its settings a provider cannot be reached.
fn endpoint_complete() -> Rule<String> {
    let needed = by_fields(|provider| fields(provider, |need| need == Need::Required));
    let clauses = needed.iter().map(|(fields, providers)| {
        let all: String = fields
            .iter()
            .map(|field| format!(" && has(self.endpoint.{field})"))
            .collect();
        format!("({} || (has(self.endpoint){all}))", is_other(providers))
    });
    Rule {
        rule: clauses.collect::<Vec<_>>().join(" && "),
        message: format!(
            "endpoint must have what the provider needs: {}",
            told(&needed, "and")
        ),
    }
}

/// Settings that have no effect are mistakes.
fn endpoint_fits() -> Rule<String> {
    let foreign = by_fields(|provider| fields(provider, |need| need == Need::Never));
    Rule {
        rule: format!(
            "!has(self.endpoint) || ({})",
            none_of("self.endpoint", &foreign)
        ),
        message: format!(
            "endpoint must have no setting of other providers: {}",
            told(&limited(), "and")
        ),
    }
}

/// The settings that only some providers take, and which ones.
fn limited() -> Vec<Group> {
    let takers = |field: &'static str| {
        let takes = |provider: &dyn Provider| {
            let taken = fields(provider, |need| need != Need::Never);
            taken.contains(&field).then(|| provider.slug())
        };
        ALL.iter().filter_map(|provider| takes(*provider)).collect()
    };
    let all = by_name(Settings::default()).into_iter();
    let all = all.map(|(field, _)| -> (Vec<_>, _) { (takers(field), field) });
    let limited = grouped(all.filter(|(takers, _)| takers.len() < ALL.len()));
    let limited = limited.into_iter();
    limited.map(|(takers, fields)| (fields, takers)).collect()
}

/// The fields of `endpoint` of which this is true for a provider.
fn fields(provider: &dyn Provider, is_meant: fn(Need) -> bool) -> Vec<&'static str> {
    let settings = by_name(provider.settings()).into_iter();
    let meant = settings.filter(|(_, need)| is_meant(*need));
    meant.map(|(field, _)| field).collect()
}

/// A new setting does not compile before it is here.
fn by_name(settings: Settings) -> [(&'static str, Need); 5] {
    let Settings {
        url,
        region,
        project_id,
        location,
        api_version,
    } = settings;
    [
        ("url", url),
        ("region", region),
        ("projectId", project_id),
        ("location", location),
        ("apiVersion", api_version),
    ]
}

/// The providers by what a function says of each; those of which it says nothing are left out.
fn by_fields(fields: impl Fn(&dyn Provider) -> Vec<&'static str>) -> Vec<Group> {
    let all = ALL
        .iter()
        .map(|provider| (fields(*provider), provider.slug()));
    grouped(all.filter(|(fields, _)| !fields.is_empty()))
}

/// What has the same key comes together, in the order of first appearance.
fn grouped<K: PartialEq, V>(pairs: impl Iterator<Item = (K, V)>) -> Vec<(K, Vec<V>)> {
    let mut groups: Vec<(K, Vec<V>)> = Vec::new();
    for (key, value) in pairs {
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, values)) => values.push(value),
            None => groups.push((key, vec![value])),
        }
    }
    groups
}

/// That no provider has a field of its group.
fn none_of(object: &str, groups: &[Group]) -> String {
    let clauses = groups.iter().map(|(fields, providers)| {
        let none: String = fields
            .iter()
            .map(|field| format!(" && !has({object}.{field})"))
            .collect();
        let none = none.trim_start_matches(" && ");
        format!("({} || ({none}))", is_other(providers))
    });
    clauses.collect::<Vec<_>>().join(" && ")
}

fn is_other(providers: &[&str]) -> String {
    let quoted: Vec<_> = providers.iter().map(|slug| format!("'{slug}'")).collect();
    format!("!(self.provider in [{}])", quoted.join(", "))
}

/// `a and b for c; d for e and f`.
fn told(groups: &[Group], word: &str) -> String {
    let texts = groups.iter().map(|(fields, providers)| {
        let (fields, providers) = (listed(fields, word), listed(providers, "and"));
        format!("{fields} for {providers}")
    });
    texts.collect::<Vec<_>>().join("; ")
}

/// `a, b and c`.
fn listed(names: &[&str], word: &str) -> String {
    match names {
        [before @ .., last] if !before.is_empty() => {
            format!("{} {word} {last}", before.join(", "))
        }
        names => names.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The message has this word, and not only as a part of a longer one.
    fn says(message: &str, word: &str) -> bool {
        let is_between = |c: char| !c.is_ascii_alphanumeric() && c != '-';
        message.split(is_between).any(|found| found == word)
    }

    #[test]
    fn messages_say_what_each_provider_takes_and_needs() {
        let auth = auth_fits().message;
        let complete = endpoint_complete().message;
        for provider in ALL.iter() {
            let slug = provider.slug();
            assert!(says(&auth, slug), "{slug}: {auth}");
            let needed = fields(*provider, |need| need == Need::Required);
            assert_eq!(says(&complete, slug), !needed.is_empty(), "{complete}");
            for field in needed {
                assert!(says(&complete, field), "{field}: {complete}");
            }
        }
    }

    #[test]
    fn only_settings_that_some_provider_lacks_are_told_as_such() {
        let fits = endpoint_fits().message;
        for (field, _) in by_name(Settings::default()) {
            let is_foreign = |provider: &&dyn Provider| {
                fields(*provider, |need| need == Need::Never).contains(&field)
            };
            let is_limited = ALL.iter().any(is_foreign);
            assert_eq!(says(&fits, field), is_limited, "{field}: {fits}");
        }
    }

    #[test]
    fn lists_read_as_sentences() {
        assert_eq!(listed(&["a"], "or"), "a");
        assert_eq!(listed(&["a", "b"], "or"), "a or b");
        assert_eq!(listed(&["a", "b", "c"], "and"), "a, b and c");
    }
}
