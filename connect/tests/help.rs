//! What the program says of itself: its help, its completions, its manual page, and the reference.
//!
//! `UPDATE=1` rewrites the help in `connect/tests/help/`. `.ci/test` installs the shells.

#![cfg(test)]

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyray_connect::{
    cli::Options,
    credential::KEY_VARIABLE,
    doctor::{Check, Outcome},
    status::{OwnCredential, Status, ToolState, ToolStatus},
    tool,
};
use clap::CommandFactory as _;
use serde_json::Value;
use tempfile::TempDir;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/help");
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/connect.md");

/// Standard output of a program that has to succeed, in an empty home.
fn output(program: &str, arguments: &[&str]) -> String {
    let home = TempDir::new().expect("a folder");
    let mut command = Command::new(program);
    command.args(arguments).current_dir(home.path());
    command.env_clear().env("HOME", home.path());
    command.env("PATH", env::var_os("PATH").expect("PATH"));
    let output = command.output();
    let output = output.unwrap_or_else(|error| {
        panic!("{program} does not start: {error}; .ci/test installs what is missing")
    });
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {complaint}"
    );
    assert_eq!(complaint, "", "{program} {arguments:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn connect(arguments: &[&str]) -> String {
    output(env!("CARGO_BIN_EXE_anyray-connect"), arguments)
}

/// The program with all that clap adds to it.
fn program() -> clap::Command {
    let mut program = Options::command();
    program.build();
    program
}

/// Long flags of the program and its commands.
fn flags() -> BTreeSet<String> {
    let program = program();
    let commands = program.get_subcommands().chain([&program]);
    let arguments = commands.flat_map(clap::Command::get_arguments);
    let names = arguments.filter_map(clap::Arg::get_long);
    names.map(|name| format!("--{name}")).collect()
}

#[test]
fn the_help_is_as_it_was_reviewed() {
    let program = program();
    let commands = program.get_subcommands().map(clap::Command::get_name);
    let commands: Vec<_> = commands.map(Some).chain([None]).collect();
    let mut expected = BTreeSet::new();
    for command in commands {
        for (flag, ending) in [("--help", "txt"), ("-h", "short.txt")] {
            let words: Vec<_> = command.into_iter().chain([flag]).collect();
            let file = format!("{}.{ending}", command.unwrap_or("anyray-connect"));
            compare(&Path::new(GOLDEN).join(&file), &connect(&words));
            expected.insert(file);
        }
    }
    let found = fs::read_dir(GOLDEN).expect("the folder");
    let found = found.map(|entry| entry.expect("an entry").file_name());
    let found: BTreeSet<_> = found
        .map(|name| name.into_string().expect("UTF-8"))
        .collect();
    assert_eq!(found, expected, "files of commands that are not there");
}

fn compare(file: &Path, help: &str) {
    let lines: Vec<_> = help.lines().map(str::trim_end).collect();
    let help = lines.join("\n") + "\n";
    if env::var_os("UPDATE").is_some() {
        fs::write(file, help).expect("write");
        return;
    }
    let found = fs::read_to_string(file).unwrap_or_default();
    assert_eq!(
        help,
        found,
        "{} is not current; UPDATE=1 cargo test -p anyray-connect --test help rewrites it",
        file.display()
    );
}

/// The completions of a shell in a file.
struct Completions {
    _folder: TempDir,
    file: PathBuf,
}

impl Completions {
    fn of(shell: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let file = folder.path().join(format!("anyray-connect.{shell}"));
        fs::write(&file, connect(&["completions", shell])).expect("write");
        Self {
            _folder: folder,
            file,
        }
    }

    /// What a shell prints that runs a script, in which `FILE` stands for the completions.
    fn run(&self, shell: &str, arguments: &[&str], script: &str) -> String {
        let script = script.replace("FILE", &self.path());
        let arguments: Vec<_> = arguments.iter().copied().chain([script.as_str()]).collect();
        output(shell, &arguments)
    }

    fn path(&self) -> String {
        self.file.display().to_string()
    }
}

#[test]
fn bash_completes() {
    let completions = Completions::of("bash");
    output("bash", &["-n", &completions.path()]);
    let script = r#"
        source FILE
        read -r -a words <<<"$(complete -p anyray-connect)"
        for ((i = 0; i < ${#words[@]}; i++)); do
            [ "${words[i]}" != -F ] || complete_with=${words[i + 1]}
        done
        COMP_WORDS=(anyray-connect "$@") COMP_CWORD=$#
        "$complete_with" anyray-connect "${!#}" anyray-connect
        echo "${COMPREPLY[@]}"
    "#;
    for (typed, expected) in [("--sub", "--subscription"), ("doc", "doctor")] {
        let script = format!("set -- {typed}\n{script}");
        let answer = completions.run("bash", &["--norc", "-c"], &script);
        assert_eq!(answer.trim(), expected);
    }
}

#[test]
fn zsh_loads_its_completions() {
    let completions = Completions::of("zsh");
    output("zsh", &["-f", "-n", &completions.path()]);
    let script = "autoload -U compinit && compinit -D -u && source FILE && print -r -- $_comps[anyray-connect]";
    let answer = completions.run("zsh", &["-f", "-c"], script);
    assert_eq!(answer.trim(), "_anyray-connect");
}

#[test]
fn fish_completes() {
    let completions = Completions::of("fish");
    output(
        "fish",
        &["--no-config", "--no-execute", &completions.path()],
    );
    for (typed, expected) in [("--sub", "--subscription"), ("doc", "doctor")] {
        let script = format!("source FILE; complete --do-complete 'anyray-connect {typed}'");
        let answer = completions.run("fish", &["--no-config", "--command"], &script);
        let words: Vec<_> = answer
            .lines()
            .filter_map(|line| line.split('\t').next())
            .collect();
        assert_eq!(words, [expected]);
    }
}

/// There is no PowerShell to try them.
#[test]
fn powershell_gets_completions_for_every_command() {
    let text = connect(&["completions", "powershell"]);
    assert!(text.contains("Register-ArgumentCompleter"), "{text}");
    for command in program().get_subcommands() {
        let name = format!("'anyray-connect;{}'", command.get_name());
        assert!(text.contains(&name), "{name}");
    }
}

#[test]
fn the_manual_page_names_every_command_and_flag() {
    let page = connect(&["man"]);
    assert!(page.contains(".TH anyray-connect 1"), "{page}");
    let text = page.replace(r"\-", "-");
    for flag in flags() {
        assert!(text.contains(&flag), "{flag}");
    }
    for command in program().get_subcommands() {
        let title = format!(r#".SS "anyray-connect {}"#, command.get_name());
        assert!(text.contains(&title), "{title}");
    }
}

#[test]
fn groff_renders_the_manual_page() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("anyray-connect.1");
    fs::write(&file, connect(&["man"])).expect("write");
    let plain = ["-man", "-Tascii", "-P-cbu"];
    let file = file.display().to_string();
    let text = output("groff", &[&plain[..], &[&file]].concat());
    for title in [
        "NAME",
        "OPTIONS",
        "COMMANDS",
        "ENVIRONMENT",
        "EXAMPLES",
        "EXIT STATUS",
    ] {
        assert!(text.contains(title), "{title}: {text}");
    }
}

#[test]
fn the_reference_names_every_flag_command_variable_and_tool() {
    let page = fs::read_to_string(PAGE).expect("the page");
    let program = program();
    let commands = program.get_subcommands().map(|it| it.get_name().to_owned());
    let help = program.get_after_help().expect("it").to_string();
    let environment = help
        .split("\n\n")
        .next()
        .expect("the first")
        .lines()
        .skip(1);
    let variables =
        environment.filter_map(|line| line.split_whitespace().next().map(str::to_owned));
    let tools = tool::ALL.iter().map(|tool| tool.id.to_owned());
    let mut names: BTreeSet<_> = flags()
        .into_iter()
        .chain(commands)
        .chain(variables)
        .collect();
    names.extend(tools.chain([KEY_VARIABLE.to_owned()]));
    assert!(names.contains("NO_COLOR"), "{names:?}");
    let missing: Vec<_> = names.iter().filter(|name| !is_code(&page, name)).collect();
    assert!(missing.is_empty(), "not in connect.md: {missing:?}");
}

#[test]
fn the_reference_names_all_that_is_in_the_json() {
    let page = fs::read_to_string(PAGE).expect("the page");
    let mut names = BTreeSet::new();
    for state in [
        ToolState::SetUp,
        ToolState::Subscription,
        ToolState::Elsewhere,
        ToolState::NotSetUp,
        ToolState::ByHand,
        ToolState::Unreadable,
    ] {
        let status = serde_json::to_value(full_status(state)).expect("JSON");
        collect_names(&status, &mut names);
    }
    for outcome in [Outcome::Ok, Outcome::Note, Outcome::Failed] {
        let check = Check {
            name: String::new(),
            outcome,
            message: String::new(),
        };
        collect_names(&serde_json::to_value(check).expect("JSON"), &mut names);
    }
    let missing: Vec<_> = names.iter().filter(|name| !is_code(&page, name)).collect();
    assert!(missing.is_empty(), "not in connect.md: {missing:?}");
}

/// Every field is there; texts that are no name of ours are empty.
fn full_status(state: ToolState) -> Status {
    Status {
        gateway: String::new(),
        key: Some(String::new()),
        user: Some(String::new()),
        team: Some(String::new()),
        tools: vec![ToolStatus {
            tool: "",
            is_present: true,
            state,
            file: Some(PathBuf::new()),
            base_url: Some(String::new()),
            credential: Some(String::new()),
            fault: Some(String::new()),
            own_credential: OwnCredential::default(),
        }],
    }
}

/// The keys of objects, and the texts that are values.
fn collect_names(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                names.insert(name.clone());
                collect_names(value, names);
            }
        }
        Value::Array(values) => values.iter().for_each(|it| collect_names(it, names)),
        Value::String(text) if !text.is_empty() => {
            names.insert(text.clone());
        }
        _ => {}
    }
}

/// Whether a name stands in the page as code, alone or at the beginning of it.
fn is_code(page: &str, name: &str) -> bool {
    [
        format!("`{name}`"),
        format!("`{name} "),
        format!(", {name}`"),
    ]
    .iter()
    .any(|code| page.contains(code.as_str()))
}
