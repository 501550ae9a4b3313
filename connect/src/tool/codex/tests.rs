//! Profiles of many styles in every mode: written, read back, taken out again.

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
    "# mine\n",
    "# mine\n\n[tui]\nx = 1\n",
    "[tui]\nx = 1",
    "\u{feff}model = \"m\" # m\r\n\r\n[tui]\r\nx = 1\r\n",
    "model_provider = 'other'\nmodel = \"m\"\n",
    "model_provider = \"anyray\" # ours?\n\n[model_providers.other]\nname = \"o\"\n",
    "[model_providers.anyray]\nname = \"Old\" # old\nenv_key = \"K\"\nrequest_max_retries = 1\n\n[tui]\n",
    "[model_providers.anyray]\nexperimental_bearer_token = \"sk-other\"\nhttp_headers = { A = \"b\" } # h\n",
    "[model_providers.anyray]\nbase_url = \"https://other.example.com\"\n[model_providers.anyray.http_headers]\nA = \"b\"\n",
    "[model_providers]\n",
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
            [None, Some("zoë's \"@example.com")]
                .map(|user| setup(billing, credential.clone(), user))
        })
        .collect()
}

fn apply(setup: &Setup, base: Option<&str>) -> String {
    let file = Path::new("anyray.config.toml");
    Codex.apply(setup, file, base).expect("applied")
}

fn remove(text: &str, original: Option<&str>) -> Option<String> {
    let undo = Undo {
        original,
        gateway: Some(GATEWAY),
    };
    Codex.remove(text, &undo).expect("removed")
}

#[test]
fn what_was_there_comes_back_byte_for_byte() {
    for setup in setups() {
        for base in BASES.iter().copied().map(Some).chain([None]) {
            let applied = apply(&setup, base);
            toml::check(&applied).expect(&applied);
            assert_eq!(remove(&applied, base).as_deref(), base, "{applied}");
            let undo = Undo {
                original: base,
                gateway: None,
            };
            let removed = Codex.remove(&applied, &undo);
            assert_eq!(removed, Ok(base.map(str::to_owned)), "{applied}");
        }
    }
}

#[test]
fn nothing_is_taken_out_of_a_file_that_holds_nothing_of_ours() {
    for base in BASES {
        let removed = Codex.remove(base, &Undo::default());
        assert_eq!(removed, Ok(Some((*base).to_owned())));
    }
}

#[test]
fn ours_is_known_by_its_content_where_nothing_is_known_of_the_past() {
    for setup in setups() {
        for base in BASES {
            let applied = apply(&setup, Some(base));
            let removed = Codex.remove(&applied, &Undo::default()).expect(base);
            let removed = removed.unwrap_or_default();
            toml::check(&removed).expect(&removed);
            for ours in [GATEWAY, KEY, PLACEHOLDER, "x-anyray", "anyray-connect"] {
                assert!(!removed.contains(ours), "{removed}");
            }
            for word in [
                "# mine",
                "[tui]",
                "\"m\"",
                "max_retries",
                "A = \"b\"",
                "# old",
            ] {
                assert_eq!(removed.contains(word), base.contains(word), "{removed}");
            }
        }
    }
}

#[test]
fn what_a_file_points_at_is_read_back() {
    for setup in setups() {
        for base in BASES {
            let pointing = Codex.pointing(&apply(&setup, Some(base))).expect(base);
            let is_subscription = setup.billing == Billing::Subscription;
            let credential = match is_subscription {
                true => setup.credential.key(),
                false => Some(setup.credential.as_str()),
            };
            let expected = Pointing {
                base_url: Some(format!("{GATEWAY}/v1")),
                credential: credential.map(str::to_owned),
                is_subscription,
            };
            assert_eq!(pointing, expected);
        }
    }
    assert_eq!(Codex.pointing("model = 'm'"), Ok(Pointing::default()));
}

#[test]
fn a_change_of_mode_leaves_nothing_behind() {
    for one in setups() {
        for two in setups() {
            for base in BASES {
                let first = apply(&one, Some(base));
                let removed = remove(&first, Some(base));
                assert_eq!(apply(&two, removed.as_deref()), apply(&two, Some(base)));
            }
        }
    }
}

#[test]
fn an_address_of_ours_that_was_replaced_since_stays_without_our_key() {
    let setup = setup(Billing::Organisation, Credential::Placeholder, Some("ada"));
    let applied = apply(&setup, None);
    let edited = applied.replace(GATEWAY, "https://other.example.com");
    let removed = remove(&edited, None).expect("left");
    assert!(removed.contains("other.example.com"), "{removed}");
    assert!(
        !removed.contains(PLACEHOLDER) && !removed.contains("x-anyray"),
        "{removed}"
    );
}

#[test]
fn another_credential_of_the_provider_is_a_fault() {
    let base = "[model_providers.anyray.auth]\ncommand = \"x\"\n";
    let setup = setup(Billing::Organisation, Credential::Placeholder, None);
    let fault = Codex
        .apply(&setup, Path::new(""), Some(base))
        .expect_err("a fault");
    let expected = "`model_providers.anyray.auth` gives another credential: remove it";
    assert_eq!(fault.to_string(), expected);
}

#[test]
fn the_file_is_where_codex_looks() {
    let path = |folder: &str| {
        let variables = BTreeMap::from([("CODEX_HOME".to_owned(), folder.to_owned())]);
        let environment = Environment::new(System::Linux, PathBuf::from("/home/ada"), variables);
        Codex.path(&environment)
    };
    assert_eq!(
        path(""),
        Ok(PathBuf::from("/home/ada/.codex/anyray.config.toml"))
    );
    assert_eq!(
        path("/etc/c"),
        Ok(PathBuf::from("/etc/c/anyray.config.toml"))
    );
    assert!(path("relative").is_err());
}

#[test]
fn what_breaks_the_profile_in_the_base_configuration_is_named() {
    for (text, expected) in [
        ("", 0),
        ("model = \"gpt-5\"\n[profiles.mine]\nmodel = \"o3\"\n", 0),
        ("no TOML", 0),
        ("profile = \"mine\"\n", 1),
        ("[profiles.anyray]\nmodel = \"o3\"\n", 1),
        ("[model_providers.anyray]\nenv_key = \"OLD\"\n", 1),
        (
            "profile = \"anyray\"\n[model_providers.anyray]\nname = \"A\"\n",
            2,
        ),
    ] {
        assert_eq!(of_base_configuration(text).len(), expected, "{text}");
    }
}
