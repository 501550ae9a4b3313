//! What each tool's file becomes: `fixtures/TOOL/CASE/before.EXT` and `setup.json` make `after.EXT`.
//!
//! `plan.txt` is what people are shown of it. Without `before.EXT` there was no file. `edited.EXT` is `after.EXT` as its user has changed it
//! since, and `reverted.EXT` what is left of that; none if the file goes. `broken.EXT` is refused
//! with `fault.txt`. `UPDATE=1` writes `after`, which must exist and may be empty, `plan`,
//! `reverted` and `fault`; review the difference.

#![cfg(test)]

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyray_connect::{
    diff::{self, LineKind},
    gateway_url::GatewayUrl,
    setup::{Billing, Credential, Setup},
    tool::{ALL, Settings, Undo, Way},
};
use anyray_wire::anyray::secret::Secret;
use serde::Deserialize;

/// The key of the fixtures; its checksum does not fit.
const KEY: &str = "ark_0123456789ab_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789ABCDEFG7SUMSU";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    gateway: String,
    key: Option<String>,
    user: Option<String>,
    team: Option<String>,
    #[serde(default)]
    subscription: bool,
}

/// A folder of fixtures and the tool that they are for.
struct Case {
    settings: &'static dyn Settings,
    folder: PathBuf,
    /// With the dot.
    ending: String,
    setup: Setup,
}

impl Case {
    fn read(settings: &'static dyn Settings, folder: PathBuf) -> Self {
        let ending = files(&folder).into_iter().find_map(|file| {
            let name = file.file_name()?.to_str()?;
            let stems = ["before.", "after.", "broken."];
            let stem = stems.iter().find(|stem| name.starts_with(*stem))?;
            Some(name.split_at(stem.len() - 1).1.to_owned())
        });
        let ending = ending.unwrap_or_else(|| panic!("{}: no text", folder.display()));
        let setup = fs::read_to_string(folder.join("setup.json"));
        let setup = setup.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let asked: Asked = serde_json::from_str(&setup).expect("a setup");
        Self {
            settings,
            folder,
            ending,
            setup: asked.into_setup(),
        }
    }

    fn path(&self, stem: &str) -> PathBuf {
        self.folder.join(format!("{stem}{}", self.ending))
    }

    fn text(&self, stem: &str) -> Option<String> {
        let path = self.path(stem);
        let text = path.exists().then(|| fs::read_to_string(&path));
        text.map(|text| text.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }

    fn apply(&self, base: Option<&str>) -> Result<String, String> {
        let applied = self.settings.apply(&self.setup, &self.path("after"), base);
        applied.map_err(|fault| fault.to_string())
    }

    fn remove(&self, text: &str, before: Option<&str>) -> Option<String> {
        let undo = Undo {
            original: before,
            gateway: Some(self.setup.gateway.as_str()),
        };
        let removed = self.settings.remove(text, &undo);
        removed.unwrap_or_else(|fault| panic!("{}: {fault}", self.folder.display()))
    }

    fn check(&self) {
        match self.text("broken") {
            Some(broken) => self.check_refused(&broken),
            None => self.check_applied(),
        }
    }

    fn check_refused(&self, broken: &str) {
        let fault = self.apply(Some(broken)).expect_err("a fault");
        expect(&self.folder.join("fault.txt"), Some(&format!("{fault}\n")));
        let removed = self.settings.remove(broken, &Undo::default());
        let is_untouched = removed.is_ok_and(|text| text.as_deref() == Some(broken));
        let is_refused = self.settings.remove(broken, &Undo::default()).is_err();
        assert!(is_untouched || is_refused, "{}", self.folder.display());
    }

    fn check_applied(&self) {
        let name = self.folder.display();
        let before = self.text("before");
        let before = before.as_deref();
        let after = self
            .apply(before)
            .unwrap_or_else(|fault| panic!("{name}: {fault}"));
        expect(&self.path("after"), Some(&after));
        let plan = plan(before.unwrap_or_default(), &after);
        assert!(!plan.contains(KEY), "{name}: the plan shows the key");
        expect(&self.folder.join("plan.txt"), Some(&plan));

        let removed = self.remove(&after, before);
        assert_eq!(removed.as_deref(), before, "{name}: what was there");
        let file = self.path("after");
        let again = self.settings.reapply(&self.setup, &file, &after, before);
        assert_eq!(again.as_ref(), Ok(&after), "{name}: the second run");
        self.check_pointing(&after);
        self.check_without_past(before, &after);

        if let Some(edited) = self.text("edited") {
            let reverted = self.remove(&edited, before);
            expect(&self.path("reverted"), reverted.as_deref());
        }
    }

    fn check_pointing(&self, after: &str) {
        let name = self.folder.display();
        let pointing = self.settings.pointing(after).expect("a pointing");
        let url = pointing.base_url.unwrap_or_default();
        let gateway = &self.setup.gateway;
        assert!(
            url == gateway.as_str() || url == gateway.openai(),
            "{name}: {url}"
        );
        let has_subscription_header = after.contains("passthrough");
        assert_eq!(pointing.is_subscription, has_subscription_header, "{name}");
        let credential = match has_subscription_header {
            true => self.setup.credential.key(),
            false => Some(self.setup.credential.as_str()),
        };
        assert!(
            pointing.credential.as_deref() == credential,
            "{name}: credential"
        );
    }

    /// Ours goes, too, where the record of earlier runs was lost.
    fn check_without_past(&self, before: Option<&str>, after: &str) {
        let removed = self
            .settings
            .remove(after, &Undo::default())
            .expect("removed");
        let removed = removed.unwrap_or_default();
        for ours in [self.setup.gateway.as_str(), self.setup.credential.as_str()] {
            let is_foreign = before.is_some_and(|before| before.contains(ours));
            let name = self.folder.display();
            assert!(
                is_foreign || !removed.contains(ours),
                "{name}: {ours} is left"
            );
        }
    }
}

/// What people are shown of a change, without colours.
fn plan(before: &str, after: &str) -> String {
    let lines = diff::lines(before, after).into_iter();
    let lines = lines.map(|line| {
        let mark = match line.kind {
            LineKind::Added => "+",
            LineKind::Removed => "-",
            LineKind::Context => " ",
            LineKind::Hunk => "",
        };
        format!("{mark}{}\n", line.text)
    });
    lines.collect()
}

impl Asked {
    fn into_setup(self) -> Setup {
        let credential = match self.key {
            Some(key) => {
                assert_eq!(key, KEY, "one key for all, so that none can be a true one");
                Credential::Key(Secret(key))
            }
            None => Credential::Placeholder,
        };
        let billing = match self.subscription {
            true => Billing::Subscription,
            false => Billing::Organisation,
        };
        Setup {
            gateway: GatewayUrl::parse(&self.gateway).expect("an address"),
            credential,
            user: self.user,
            team: self.team,
            billing,
        }
    }
}

/// Compares a file with what it should be, or makes it so; none is no file.
fn expect(path: &Path, expected: Option<&str>) {
    if env::var_os("UPDATE").is_some() {
        match expected {
            Some(text) => fs::write(path, text).expect("write"),
            None if path.exists() => fs::remove_file(path).expect("remove"),
            None => {}
        }
    }
    let found = path
        .exists()
        .then(|| fs::read_to_string(path).expect("text"));
    assert_eq!(
        expected,
        found.as_deref(),
        "{}: run UPDATE=1 cargo test -p anyray-connect --test golden and review",
        path.display()
    );
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder);
    let entries = entries.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files
}

#[test]
fn files_become_what_was_reviewed_and_come_back() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    for tool in ALL {
        if let Way::File(settings) = &tool.way {
            let cases = files(&fixtures.join(tool.id));
            assert!(!cases.is_empty(), "there is no case of {}", tool.id);
            for folder in cases {
                Case::read(*settings, folder).check();
            }
        }
    }
}

/// A folder that no tool reads would look as if it were tested.
#[test]
fn every_fixture_is_of_a_tool_with_a_file() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    for folder in files(&fixtures) {
        let name = folder.file_name().and_then(|name| name.to_str());
        let mut tools = ALL.iter().filter(|tool| matches!(tool.way, Way::File(_)));
        assert!(
            tools.any(|tool| Some(tool.id) == name),
            "{}",
            folder.display()
        );
    }
}
