//! The manual page: one for the program and its commands.

use std::io;

use clap::{Arg, Command};
use clap_mangen::{
    Man,
    roff::{Roff, bold, italic, roman},
};

/// Writes the page as troff's macros for manual pages have it.
///
/// # Errors
/// None that is known; those of the writer, which is memory.
pub fn page(mut program: Command) -> io::Result<Vec<u8>> {
    program.build();
    let man = Man::new(program.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    let mut rest = Roff::default();
    commands(&program, &mut rest);
    after_help(&program, &mut rest);
    exit_status(&mut rest);
    rest.to_writer(&mut page)?;
    Ok(page)
}

fn commands(program: &Command, roff: &mut Roff) {
    roff.control("SH", ["COMMANDS"]);
    for command in program.get_subcommands() {
        let usage = command.clone().render_usage().to_string();
        roff.control("SS", [usage.trim_start_matches("Usage: ")]);
        let about = command.get_long_about().or_else(|| command.get_about());
        for paragraph in about
            .map(ToString::to_string)
            .iter()
            .flat_map(|it| it.split("\n\n"))
        {
            roff.control("PP", []);
            roff.text([roman(paragraph)]);
        }
        for argument in command.get_arguments().filter(|it| it.get_id() != "help") {
            describe(argument, roff);
        }
    }
}

fn describe(argument: &Arg, roff: &mut Roff) {
    let mut head = Vec::new();
    if let Some(long) = argument.get_long() {
        head.extend([bold(format!("--{long}")), roman(" ")]);
    }
    if argument.get_action().takes_values() {
        let names = argument.get_value_names().unwrap_or_default();
        head.extend(names.iter().map(|name| italic(format!("<{name}>"))));
    }
    roff.control("TP", []);
    roff.text(head);
    let help = argument.get_help().map(ToString::to_string);
    let help = help.unwrap_or_default();
    let values = argument.get_possible_values();
    let values: Vec<_> = values.iter().map(|value| value.get_name()).collect();
    let is_listed = argument.get_action().takes_values() && !values.is_empty();
    let text = if is_listed {
        format!("{help}: {}", values.join(", "))
    } else {
        help
    };
    roff.text([roman(text)]);
}

/// The paragraphs under the options of the help, each a title and lines that stay as they are.
fn after_help(program: &Command, roff: &mut Roff) {
    let text = program.get_after_help().map(ToString::to_string);
    for paragraph in text.iter().flat_map(|text| text.split("\n\n")) {
        let (title, lines) = paragraph.split_once(":\n").unwrap_or_default();
        roff.control("SH", [title.to_uppercase().as_str()]);
        roff.control("nf", []);
        for line in lines.lines() {
            roff.text([roman(line.trim_start())]);
        }
        roff.control("fi", []);
    }
}

fn exit_status(roff: &mut Roff) {
    roff.control("SH", ["EXIT STATUS"]);
    for (status, meaning) in [
        ("0", "done, or nothing to do"),
        (
            "1",
            "refused, failed, or something is wrong; standard error says what to do",
        ),
        (
            "2",
            "arguments, or a code or key among them, that make no sense",
        ),
    ] {
        roff.control("TP", []);
        roff.text([bold(status)]);
        roff.text([roman(meaning)]);
    }
}
