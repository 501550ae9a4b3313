//! Settings of many styles in every mode: written, read back, taken out again.

use std::collections::BTreeMap;

use anyray_wire::anyray::secret::Secret;

use super::*;
use crate::{
    environment::System,
    gateway_url::GatewayUrl,
    setup::{Credential, PLACEHOLDER},
};

const GATEWAY: &str = "https://llm.example.com";
const KEY: &str = "ark_key";

/// Texts that people have, each in another style.
const BASES: &[&str] = &[
    "",
    "\n",
    "{}",
    "{ }\n",
    "{\n}\n",
    "\u{feff}{}",
    "\u{feff}{\r\n  \"model\": \"opus\"\r\n}\r\n",
    "{\"model\":\"opus\"}",
    "{\"env\":{}}",
    "{\"env\": {\"A\": \"1\"}, \"model\": \"opus\"}\n",
    "{\n\t\"env\": {\n\t\t\"A\": 1\n\t}\n}",
    "{\n    \"env\": {\n    },\n    \"model\": \"opus\"\n}\n\n",
    "{\n  \"a\": 1\n\n  , \"env\": { \"Ä\": \"ö\" } }\n",
    "{\n  \"env\": {\n    \"ANTHROPIC_BASE_URL\": \"https://other.example.com\",\n    \"ANTHROPIC_AUTH_TOKEN\": \"sk\\u002dother\",\n    \"ANTHROPIC_API_KEY\": \"sk-ant\"\n  }\n}\n",
    "{\"env\": {\"ANTHROPIC_CUSTOM_HEADERS\": \"A: b\\nC: \\u0064\\n\"}}",
    "{\"env\": {\"ANTHROPIC_CUSTOM_HEADERS\": \"\"}}",
    "{\"env\": {\"ANTHROPIC_API_KEY\": \"\", \"ANTHROPIC_AUTH_TOKEN\": null}}",
    "{\"env\": {\"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC\": 1}}",
];

/// Texts that Claude Code ignores.
const IGNORED: &[&str] = &[
    "// nothing yet\n",
    "{\n  \"env\": {\n    // \"A\": \"1\"\n  }\n}\n",
    "{\n  \"a\": 1, // one\n\n  /* env */ \"env\": { \"A\": \"1\", },\n}\n",
];

fn setup(billing: Billing, credential: Credential, user: Option<&str>) -> Setup {
    Setup {
        gateway: GatewayUrl::parse(GATEWAY).expect("an address"),
        credential,
        user: user.map(str::to_owned),
        team: None,
        billing,
    }
}

fn setups() -> Vec<Setup> {
    let key = || Credential::Key(Secret(KEY.to_owned()));
    [Billing::Organisation, Billing::Subscription]
        .into_iter()
        .flat_map(|billing| [(billing, key()), (billing, Credential::Placeholder)])
        .flat_map(|(billing, credential)| {
            [None, Some("zoë@example.com")].map(|user| setup(billing, credential.clone(), user))
        })
        .collect()
}

fn apply(setup: &Setup, base: Option<&str>) -> String {
    let file = Path::new("settings.json");
    ClaudeCode.apply(setup, file, base).expect("applied")
}

fn remove(text: &str, original: Option<&str>) -> Option<String> {
    let undo = Undo {
        original,
        gateway: Some(GATEWAY),
    };
    ClaudeCode.remove(text, &undo).expect("removed")
}

#[test]
fn what_was_there_comes_back_byte_for_byte() {
    for setup in setups() {
        for base in BASES.iter().copied().map(Some).chain([None]) {
            let applied = apply(&setup, base);
            json::check(&applied).expect(&applied);
            assert_eq!(remove(&applied, base).as_deref(), base, "{applied}");
            let undo = Undo {
                original: base,
                gateway: None,
            };
            let removed = ClaudeCode.remove(&applied, &undo);
            assert_eq!(removed, Ok(base.map(str::to_owned)), "{applied}");
        }
    }
}

#[test]
fn nothing_is_taken_out_of_a_file_that_holds_nothing_of_ours() {
    for base in BASES {
        let removed = ClaudeCode.remove(base, &Undo::default());
        assert_eq!(removed, Ok(Some((*base).to_owned())));
    }
}

#[test]
fn ours_is_known_by_its_content_where_nothing_is_known_of_the_past() {
    for setup in setups() {
        for base in BASES {
            let applied = apply(&setup, Some(base));
            let removed = ClaudeCode.remove(&applied, &Undo::default()).expect(base);
            let removed = removed.unwrap_or_default();
            for ours in [GATEWAY, KEY, PLACEHOLDER, "x-anyray"] {
                assert!(!removed.contains(ours), "{removed}");
            }
            for word in ["model", "opus", "\"A\"", "\"Ä\"", "C: "] {
                assert_eq!(removed.contains(word), base.contains(word), "{removed}");
            }
        }
    }
}

/// It would call Anthropic as if nothing had been written.
#[test]
fn a_file_that_claude_code_ignores_is_left_alone() {
    for setup in setups() {
        for text in IGNORED {
            let applied = ClaudeCode.apply(&setup, Path::new(""), Some(text));
            let fault = applied.expect_err(text);
            assert!(fault.place.is_some() && fault.message.contains("ignores"));
            assert_eq!(ClaudeCode.pointing(text), Err(fault));
        }
    }
}

#[test]
fn ours_is_taken_out_of_a_file_that_has_come_to_be_ignored() {
    for setup in setups() {
        for text in IGNORED {
            let applied = Ours::of(&setup).put(Some(text)).expect(text);
            let removed = ClaudeCode.remove(&applied, &Undo::default());
            let gap = if text.contains('{') { "" } else { "{}\n" };
            let expected = format!("{text}{gap}");
            assert_eq!(removed, Ok(Some(expected)));
        }
    }
}

#[test]
fn a_key_beside_a_subscription_is_not_shown_to_anthropic() {
    for setup in setups() {
        let is_subscription = setup.billing == Billing::Subscription;
        let applied = apply(&setup, None);
        let quiet = json::find_string(&applied, QUIET).expect("read");
        let expected = (is_subscription && setup.credential.key().is_some()).then_some("1");
        assert_eq!(quiet.as_deref(), expected, "{applied}");
        let environment = Environment::new(System::Linux, PathBuf::from("/"), BTreeMap::new());
        let advice = ClaudeCode.next_steps(&setup, &environment).join("\n");
        assert_eq!(advice.contains("update"), expected.is_some(), "{advice}");
    }
}

fn advise(billing: Billing, variable: &str, base: &str) -> String {
    let (name, value) = variable.split_once('=').unwrap_or_default();
    let variables = BTreeMap::from([(name.to_owned(), value.to_owned())]);
    let environment = Environment::new(System::Linux, PathBuf::from("/"), variables);
    let setup = setup(billing, Credential::Placeholder, Some("ada"));
    let advice = ClaudeCode.warnings(&setup, &environment, base, None);
    advice.join("\n")
}

#[test]
fn variables_that_win_over_ours_are_named() {
    let bedrock_is_off = r#"{"env": {"CLAUDE_CODE_USE_BEDROCK": ""}}"#;
    let vertex_is_on = r#"{"env": {"CLAUDE_CODE_USE_VERTEX": 1}}"#;
    for (variable, base, word, expected) in [
        ("", "{}", "BEDROCK", false),
        ("CLAUDE_CODE_USE_BEDROCK=1", "{}", "BEDROCK", true),
        ("CLAUDE_CODE_USE_BEDROCK=0", "{}", "BEDROCK", false),
        (
            "CLAUDE_CODE_USE_BEDROCK=1",
            bedrock_is_off,
            "BEDROCK",
            false,
        ),
        ("", vertex_is_on, "VERTEX", true),
        ("ANTHROPIC_CUSTOM_HEADERS=A: secret", "{}", "HEADERS", true),
        (
            "ANTHROPIC_CUSTOM_HEADERS=x-anyray-metadata: b",
            "{}",
            "HEADERS",
            false,
        ),
    ] {
        let advice = advise(Billing::Organisation, variable, base);
        assert_eq!(advice.contains(word), expected, "{variable} {base}");
        assert!(!advice.contains("secret"), "{advice}");
    }
}

#[test]
fn settings_that_win_over_a_subscription_are_named() {
    let helper = r#"{"apiKeyHelper": "secret"}"#;
    let (console, claude) = (
        "{\"forceLoginMethod\": \"console\"}",
        "{\"forceLoginMethod\": \"claudeai\"}",
    );
    for (billing, base, word, expected) in [
        (
            Billing::Subscription,
            helper,
            "instead of your subscription",
            true,
        ),
        (Billing::Organisation, helper, "another client key", true),
        (Billing::Subscription, console, "forceLogin", true),
        (Billing::Subscription, claude, "forceLogin", false),
        (Billing::Organisation, console, "forceLogin", false),
    ] {
        let advice = advise(billing, "", base);
        assert_eq!(advice.contains(word), expected, "{billing:?} {base}");
        assert!(!advice.contains("secret"), "{advice}");
    }
}

#[test]
fn what_a_file_points_at_is_read_back() {
    for setup in setups() {
        for base in BASES {
            let pointing = ClaudeCode.pointing(&apply(&setup, Some(base))).expect(base);
            let is_subscription = setup.billing == Billing::Subscription;
            let credential = match is_subscription {
                true => setup.credential.key(),
                false => Some(setup.credential.as_str()),
            };
            let expected = Pointing {
                base_url: Some(GATEWAY.to_owned()),
                credential: credential.map(str::to_owned),
                is_subscription,
            };
            assert_eq!(pointing, expected);
        }
    }
    let pointing = ClaudeCode.pointing("{\"model\": \"opus\"}");
    assert_eq!(pointing, Ok(Pointing::default()));
}

#[test]
fn a_change_of_mode_or_gateway_leaves_nothing_behind() {
    let original = "{\n  \"env\": {\n    \"ANTHROPIC_AUTH_TOKEN\": \"sk-other\"\n  }\n}\n";
    for one in setups() {
        for two in setups() {
            let first = apply(&one, Some(original));
            let base = remove(&first, Some(original));
            let second = apply(&two, base.as_deref());
            assert_eq!(second, apply(&two, Some(original)));
        }
    }
}

#[test]
fn a_value_of_ours_that_was_replaced_since_stays() {
    let setup = setup(Billing::Organisation, Credential::Placeholder, None);
    let applied = apply(&setup, None);
    let edited = applied.replace(GATEWAY, "https://other.example.com");
    let expected =
        "{\n  \"env\": {\n    \"ANTHROPIC_BASE_URL\": \"https://other.example.com\"\n  }\n}\n";
    assert_eq!(remove(&edited, None).as_deref(), Some(expected));
    let edited = applied.replace(PLACEHOLDER, "sk-other");
    let removed = remove(&edited, None).expect("left");
    assert!(
        removed.contains("sk-other") && !removed.contains(GATEWAY),
        "{removed}"
    );
}

#[test]
fn the_file_is_where_claude_code_looks() {
    let path = |folder: &str| {
        let variables = BTreeMap::from([("CLAUDE_CONFIG_DIR".to_owned(), folder.to_owned())]);
        let environment = Environment::new(System::Linux, PathBuf::from("/home/ada"), variables);
        ClaudeCode.path(&environment)
    };
    assert_eq!(
        path(""),
        Ok(PathBuf::from("/home/ada/.claude/settings.json"))
    );
    assert_eq!(path("/etc/c"), Ok(PathBuf::from("/etc/c/settings.json")));
    assert!(path("relative").is_err());
}
