//! The program `anyray-operator render`, as a person or a script starts it.
//!
//! That a gateway takes what is rendered is for the end-to-end tests.

#![cfg(test)]

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

/// No text that the program writes may have it.
const CANARY: &str = "sk-canary-0123456789";

/// Longest wait for something that takes a second.
const LIMIT: Duration = Duration::from_secs(30);

const GATEWAY: &str = "\
apiVersion: anyray.ai/v1alpha1
kind: AnyrayGateway
metadata:
  name: main
spec:
  auth:
    clientKeys: Optional
";

const PROVIDER_KEY: &str = "\
apiVersion: anyray.ai/v1alpha1
kind: ProviderKey
metadata:
  name: openai
spec:
  provider: openai
  auth:
    apiKeySecretRef:
      name: keys
";

const INVITE: &str = "\
apiVersion: anyray.ai/v1alpha1
kind: Invite
metadata:
  name: ada
spec:
  gatewayRef:
    name: main
  user: ada@example.com
";

const CLIENT_KEY: &str = "\
apiVersion: anyray.ai/v1alpha1
kind: ClientKey
metadata:
  name: ci
spec:
  gatewayRef:
    name: main
  user: ci
  secretName: ci-key
";

fn secret(key: &str) -> String {
    format!("apiVersion: v1\nkind: Secret\nmetadata:\n  name: keys\nstringData:\n  apiKey: {key}\n")
}

/// A folder with manifests, and another for what is rendered.
struct Folders {
    root: TempDir,
}

impl Folders {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir(root.path().join("manifests")).expect("a folder");
        Self { root }
    }

    /// With a gateway, a key of [`CANARY`] and its Secret.
    fn complete() -> Self {
        let folders = Self::new();
        folders.put("gateway.yaml", GATEWAY);
        folders.put("provider-key.yaml", PROVIDER_KEY);
        folders.put("secret.yaml", &secret(CANARY));
        folders
    }

    fn manifests(&self) -> PathBuf {
        self.root.path().join("manifests")
    }

    fn out(&self) -> PathBuf {
        self.root.path().join("out")
    }

    /// Writes a manifest in one step, so that nobody sees half of it.
    fn put(&self, name: &str, text: &str) {
        let new = self.root.path().join("new");
        fs::write(&new, text).expect("a file");
        fs::rename(new, self.manifests().join(name)).expect("a file");
    }

    fn render(&self, arguments: &[&str]) -> Output {
        render(&self.manifests(), &self.out(), arguments)
    }

    fn rendered(&self, name: &str) -> String {
        fs::read_to_string(self.out().join(name)).expect("a file that was rendered")
    }

    /// The folder that is in force.
    fn data(&self) -> PathBuf {
        self.out()
            .join(fs::read_link(self.out().join("..data")).expect("a link"))
    }

    /// The folders with files, in force or not.
    fn data_folders(&self) -> usize {
        let entries = fs::read_dir(self.out()).expect("a folder");
        let folders = entries.filter(|entry| {
            let entry = entry.as_ref().expect("an entry");
            entry.file_type().expect("a type").is_dir()
        });
        folders.count()
    }
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_anyray-operator"));
    command.env_clear().arg("render");
    command
}

fn render(manifests: &Path, out: &Path, arguments: &[&str]) -> Output {
    let output = program()
        .arg(manifests)
        .arg("--out")
        .arg(out)
        .args(arguments)
        .output()
        .expect("the program starts");
    assert_no_canary(&output);
    output
}

fn assert_no_canary(output: &Output) {
    for text in [&output.stdout, &output.stderr] {
        let text = String::from_utf8_lossy(text);
        assert!(!text.contains(CANARY), "a key is in: {text}");
    }
}

fn assert_success(output: &Output) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
}

/// Refused with the status of wrong input, and with all of these words.
fn assert_refused(output: &Output, words: &[&str]) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{told}");
    for word in words {
        assert!(told.contains(word), "{word} is not in: {told}");
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("metadata").permissions().mode() & 0o777
}

#[test]
fn the_quickstart_is_rendered_for_its_owner_alone() {
    let folders = Folders::new();
    let quickstart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/quickstart");
    assert_success(&render(&quickstart, &folders.out(), &[]));

    let config: Value = serde_json::from_str(&folders.rendered("gateway.json")).expect("JSON");
    let keys = config["providerKeys"].as_array().expect("keys");
    let names: Vec<_> = keys.iter().filter_map(|key| key["name"].as_str()).collect();
    assert_eq!(names, ["anthropic", "openai"]);
    assert_eq!(folders.rendered("key.openai"), "echo-takes-any-key");
    for name in ["gateway.json", "index.json", "key.openai", "key.anthropic"] {
        assert_eq!(mode(&folders.data().join(name)), 0o600, "{name}");
    }
    assert_eq!(mode(&folders.out()), 0o700);
}

#[test]
fn a_second_render_swaps_the_files_as_one() {
    let folders = Folders::complete();
    assert_success(&folders.render(&[]));
    let first = folders.data();
    assert_eq!(folders.rendered("key.openai"), CANARY);

    folders.put("secret.yaml", &secret("another"));
    assert_success(&folders.render(&[]));
    assert_eq!(folders.rendered("key.openai"), "another");
    assert_ne!(folders.data(), first);
    assert!(!first.exists(), "the old key is still on the disk");
    assert_eq!(folders.data_folders(), 1);
}

#[test]
fn the_file_of_a_key_that_is_gone_is_gone() {
    let folders = Folders::complete();
    assert_success(&folders.render(&[]));
    fs::remove_file(folders.manifests().join("provider-key.yaml")).expect("a file");
    assert_success(&folders.render(&[]));
    let entries = fs::read_dir(folders.out()).expect("a folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let names: Vec<_> = names.filter(|name| name == "key.openai").collect();
    assert!(names.is_empty());
}

#[test]
fn a_key_without_its_secret_is_told_and_gets_no_credential() {
    let folders = Folders::complete();
    fs::remove_file(folders.manifests().join("secret.yaml")).expect("a file");
    let output = folders.render(&[]);
    assert_success(&output);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("SecretNotFound: ProviderKey openai: there is no Secret keys"));
    let config: Value = serde_json::from_str(&folders.rendered("gateway.json")).expect("JSON");
    assert_eq!(config["providerKeys"][0]["credential"], Value::Null);
}

/// A gateway without a cluster keeps them in its own store.
#[test]
fn invites_and_client_keys_are_checked_and_change_nothing() {
    let folders = Folders::complete();
    assert_success(&folders.render(&[]));
    let before = folders.rendered("index.json");
    folders.put("invite.yaml", INVITE);
    folders.put("client-key.yaml", CLIENT_KEY);
    assert_success(&folders.render(&[]));
    assert_eq!(folders.rendered("index.json"), before);
}

#[test]
fn the_admin_token_is_that_of_the_spec_or_there_is_none() {
    let folders = Folders::complete();
    let output = folders.render(&[]);
    assert_success(&output);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("/admin will not be served"), "{told}");
    let admin = |folders: &Folders| {
        let config = folders.rendered("gateway.json");
        let config: Value = serde_json::from_str(&config).expect("JSON");
        config["admin"].clone()
    };
    assert_eq!(admin(&folders), Value::Null);

    let named = format!("{GATEWAY}  admin: {{tokenSecretRef: {{name: keys, key: apiKey}}}}\n");
    folders.put("gateway.yaml", &named);
    let output = folders.render(&[]);
    assert_success(&output);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!told.contains("/admin will not be served"), "{told}");
    assert_eq!(admin(&folders)["credential"]["file"], "admin.token");
    assert_eq!(folders.rendered("admin.token"), CANARY);
    assert_eq!(mode(&folders.data().join("admin.token")), 0o600);

    folders.put("secret.yaml", &secret("too-short"));
    let output = folders.render(&[]);
    assert_success(&output);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("InvalidKey: admin: the entry apiKey of the Secret keys"));
    assert!(!told.contains("too-short"), "{told}");
    assert_eq!(admin(&folders), Value::Null);
}

#[test]
fn an_endpoint_can_be_replaced() {
    let folders = Folders::complete();
    assert_success(&folders.render(&["--endpoint", "openai=https://llm.example.com/v1"]));
    let config: Value = serde_json::from_str(&folders.rendered("gateway.json")).expect("JSON");
    let url = &config["providerKeys"][0]["endpoint"]["url"];
    assert_eq!(url, "https://llm.example.com/v1");
}

#[test]
fn an_endpoint_that_egress_does_not_allow_is_told() {
    let folders = Folders::complete();
    let output = folders.render(&["--endpoint", "openai=http://10.0.0.1/v1"]);
    assert_success(&output);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        told.contains("EndpointNotAllowed: ProviderKey openai"),
        "{told}"
    );
}

#[test]
fn one_of_several_gateways_can_be_chosen() {
    let folders = Folders::complete();
    folders.put("other.yaml", &GATEWAY.replace("name: main", "name: other"));
    let output = folders.render(&[]);
    assert_refused(&output, &["several gateways", "--gateway: main, other"]);
    assert_success(&folders.render(&["--gateway", "other"]));
    let output = folders.render(&["--gateway", "third"]);
    assert_refused(&output, &["--gateway third", "main, other"]);
}

/// Adds a manifest to a folder that is complete, and expects a refusal with these words that
/// leaves nothing behind.
fn check_refusal(manifest: &str, words: &[&str]) {
    let folders = Folders::complete();
    folders.put("wrong.yaml", manifest);
    let output = folders.render(&[]);
    let mut words = words.to_vec();
    words.push("wrong.yaml");
    assert_refused(&output, &words);
    assert!(!folders.out().exists(), "something was written");
}

#[test]
fn a_fault_of_an_object_is_told_with_its_file_and_field() {
    let unknown = format!("{GATEWAY}  replica: 2\n").replace("name: main", "name: other");
    check_refusal(&unknown, &["AnyrayGateway other", "spec: ", "'replica'"]);
    let wrong = format!("{GATEWAY}  replicas: -1\n").replace("name: main", "name: other");
    check_refusal(&wrong, &["AnyrayGateway other", "spec.replicas: "]);
    let rule = format!("{GATEWAY}  drain: {{drainSeconds: 300}}\n").replace("main", "other");
    check_refusal(
        &rule,
        &["spec.drain: terminationGracePeriodSeconds must be"],
    );
    let kind = "apiVersion: anyray.ai/v1alpha1\nkind: Budget\nmetadata: {name: a}\n";
    check_refusal(kind, &["Budget a", "no kind Budget"]);
    check_refusal(&INVITE.replace("user", "usr"), &["Invite ada", "usr"]);
    let key = CLIENT_KEY.replace("secretName: ci-key", "suspended: true");
    check_refusal(&key, &["ClientKey ci", "exactly one of key, secretName"]);
    let version = GATEWAY.replace("v1alpha1", "v9");
    check_refusal(&version, &["AnyrayGateway main", "anyray.ai/v9"]);
}

#[test]
fn a_name_is_one_that_kubernetes_takes() {
    for name in ["Main", "../../evil", "a_b", "\"\"", "null"] {
        let key = PROVIDER_KEY.replace("name: openai", &format!("name: {name}"));
        check_refusal(&key, &["ProviderKey", "metadata.name"]);
    }
}

#[test]
fn two_objects_of_one_name_are_refused() {
    let message = "the folder has two of this name";
    check_refusal(PROVIDER_KEY, &["ProviderKey openai", message]);
    check_refusal(&secret("another"), &["Secret keys", message]);
}

#[test]
fn no_error_quotes_a_secret() {
    let head = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: others\n";
    for (fault, words) in [
        ("data:\n  apiKey: CANARY\n", "data must be base64"),
        ("stringData: CANARY\n", "stringData text"),
        ("stringData:\n  apiKey: [CANARY]\n", "stringData text"),
        ("stringData:\n  apiKey: \"CANARY\n", "line 6"),
        ("stringData:\n  apiKey: CANARY\n  b: [\n", "line 7"),
        (
            "stringData:\n  apiKey: CANARY\n  apiKey: CANARY\n",
            "line 7",
        ),
        ("stringData:\n  apiKey: *CANARY\n", "line 6"),
        ("stringData:\n  apiKey: !!int CANARY\n", "line 6"),
    ] {
        let manifest = format!("{head}{}", fault.replace("CANARY", CANARY));
        check_refusal(&manifest, &[words]);
    }
    let misplaced = PROVIDER_KEY
        .replace("name: openai", "name: other")
        .replace("\n      name: keys", &format!(" {CANARY}"));
    check_refusal(&misplaced, &["spec.auth.apiKeySecretRef"]);
}

#[test]
fn yaml_that_is_none_is_told_with_its_line() {
    check_refusal("spec:\n  a: [1\n", &["line 2"]);
}

#[test]
fn arguments_that_lead_nowhere_are_refused() {
    let folders = Folders::complete();
    let output = folders.render(&["--endpoint", "anthropic=https://llm.example.com"]);
    assert_refused(&output, &["--endpoint anthropic", "no such ProviderKey"]);
    let output = folders.render(&["--endpoint", "openai"]);
    assert_refused(
        &output,
        &["--endpoint", "'=' and an http:// or https:// URL"],
    );
    let empty = Folders::new();
    assert_refused(&empty.render(&[]), &["the folder has no AnyrayGateway"]);
    let gone = render(&empty.root.path().join("gone"), &empty.out(), &[]);
    assert_refused(&gone, &["cannot read", "gone"]);
}

#[test]
fn a_folder_of_somebody_else_is_left_alone() {
    let folders = Folders::complete();
    fs::create_dir(folders.out()).expect("a folder");
    fs::write(folders.out().join("precious"), "text").expect("a file");
    let output = folders.render(&[]);
    assert_refused(&output, &["cannot write to", "name an empty folder"]);
    let entries = fs::read_dir(folders.out()).expect("a folder");
    assert_eq!(entries.count(), 1);
    assert_eq!(folders.rendered("precious"), "text");
}

/// A process that renders again and again. It ends with the test.
struct Watching {
    process: Child,
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < LIMIT, "waited {LIMIT:?} for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn watching_follows_changes_and_keeps_the_last_good_files() {
    let folders = Folders::complete();
    let told = folders.root.path().join("told");
    let process = program()
        .arg(folders.manifests())
        .arg("--out")
        .arg(folders.out())
        .arg("--watch")
        .stdout(Stdio::null())
        .stderr(fs::File::create(&told).expect("a file"))
        .spawn();
    let mut watching = Watching {
        process: process.expect("the program starts"),
    };
    let key = folders.out().join("key.openai");
    let is = |text: &str| fs::read_to_string(&key).is_ok_and(|key| key == text);
    let has_told = |text: &str| fs::read_to_string(&told).is_ok_and(|told| told.contains(text));
    until("the first files", || is(CANARY)).await;

    folders.put("secret.yaml", &secret("second"));
    until("the second key", || is("second")).await;

    folders.put("gateway.yaml", "spec: [");
    until("the refusal", || has_told("the last good files stay")).await;
    assert!(is("second"));

    folders.put("gateway.yaml", GATEWAY);
    folders.put("secret.yaml", &secret("third-one"));
    until("the third key", || is("third-one")).await;
    assert!(!has_told(CANARY));
    let ended = watching.process.try_wait().expect("a process");
    assert_eq!(ended, None, "it watches until a signal ends it");
}
