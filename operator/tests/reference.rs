//! What the operator's reference page says is what the program does.

#![cfg(test)]

use std::{fs, time::Duration};

use anyray_operator::{cli::Options, cluster::metrics::Metrics};
use clap::{Arg, Command, CommandFactory as _};

fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/operator.md");
    fs::read_to_string(path).expect("the page")
}

/// The text below a heading of the second level, up to the next one.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let begin = format!("\n## {heading}\n");
    let (_, rest) = page
        .split_once(&begin)
        .unwrap_or_else(|| panic!("operator.md has no section {heading}"));
    rest.split("\n## ").next().unwrap_or(rest)
}

/// How the row of a flag or argument begins: its name, and where there is one, variable and
/// default.
fn row(argument: &Arg) -> String {
    let name = argument.get_long().map_or_else(
        || argument.get_id().as_str().to_uppercase(),
        |long| format!("--{long}"),
    );
    let Some(variable) = argument.get_env() else {
        return format!("\n| `{name}` |");
    };
    let defaults = argument.get_default_values().iter();
    let defaults: String = defaults
        .map(|value| {
            let value = value.to_string_lossy();
            // Another release has another one.
            let value = value.replace(env!("CARGO_PKG_VERSION"), "VERSION");
            format!("`{value}`")
        })
        .collect();
    let variable = variable.to_string_lossy();
    format!("\n| `{name}` | `{variable}` | {defaults}")
}

/// The arguments that are the command's own; `--log` is everyone's.
fn arguments(command: &Command) -> impl Iterator<Item = &Arg> {
    let told_by_clap = ["help", "version"];
    command
        .get_arguments()
        .filter(move |argument| !told_by_clap.contains(&argument.get_id().as_str()))
        .filter(|argument| !argument.is_global_set())
}

fn rows(text: &str) -> usize {
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.count()
}

#[test]
fn every_flag_and_argument_has_its_row_and_no_other_has() {
    let page = page();
    for command in Options::command().get_subcommands() {
        let name = command.get_name();
        let text = section(&page, name);
        let mut documented = 0;
        for argument in arguments(command) {
            let row = row(argument);
            assert!(text.contains(&row), "{name} has no row that begins: {row}");
            documented += 1;
        }
        assert_eq!(rows(text), documented, "{name} has rows of no argument");
    }
}

#[test]
fn the_flag_of_all_commands_has_its_row() {
    let page = page();
    let command = Options::command();
    let mut globals = command
        .get_arguments()
        .filter(|argument| argument.is_global_set());
    let log = globals.next().expect("--log");
    assert!(globals.next().is_none(), "another global flag");
    assert!(page.contains(&row(log)), "operator.md: {}", row(log));
}

/// The exposition once each metric has counted something; before, a family shows nothing.
fn exposition() -> String {
    let metrics = Metrics::default();
    metrics.passed("AnyrayGateway", "done", Duration::from_millis(1));
    metrics.watch_failed("Pod");
    metrics.watch_is_stale("Pod");
    metrics.count_objects("AnyrayGateway", [("True", 1), ("False", 1), ("Unknown", 1)]);
    metrics.touched();
    metrics.exposition().expect("text")
}

/// Name and labels of one series, such as `watch_errors_total{kind="Pod"} 1`.
fn read_series(line: &str) -> (&str, Vec<&str>) {
    let (series, _) = line.rsplit_once(' ').expect("a value");
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    let mut ends = ["_bucket", "_sum", "_count"].iter();
    let name = ends.find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    let labels = labels.split(',').filter_map(|label| label.split_once('='));
    let labels = labels.map(|(label, _)| label);
    (name, labels.filter(|label| *label != "le").collect())
}

#[test]
fn every_metric_and_label_is_documented_and_none_is_made_up() {
    let page = page();
    let text = section(&page, "Metrics");
    let exposition = exposition();
    let mut known = Vec::new();
    for line in exposition.lines().filter(|line| !line.starts_with('#')) {
        let (name, labels) = read_series(line);
        let begin = format!("| `{name}` |");
        let row = text.lines().find(|line| line.starts_with(&begin));
        let row = row.unwrap_or_else(|| panic!("operator.md has no row that begins: {begin}"));
        for label in labels {
            let label = format!("`{label}`");
            assert!(row.contains(&label), "{label} is not in: {row}");
        }
        known.push(begin);
    }
    let rows = text
        .lines()
        .filter(|line| line.starts_with("| `anyray_operator_"));
    for row in rows {
        let is_known = known.iter().any(|begin| row.starts_with(begin));
        assert!(is_known, "no metric of the operator's: {row}");
    }
}
