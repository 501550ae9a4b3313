//! What people see: results on standard output, the rest on standard error, and the one question.

use std::io::{self, BufRead as _, IsTerminal as _, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::{
    diff::{self, LineKind},
    environment::Environment,
    failure::Failure,
    plain::plain,
    plan::Change,
};

/// Narrowest and widest lines of text, in columns.
const WIDTHS: (usize, usize) = (20, 100);

const ADDED: Style = AnsiColor::Green.on_default();
const REMOVED: Style = AnsiColor::Red.on_default();
const FAINT: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();

/// A space at which no line is broken.
const NO_BREAK: &str = "\u{a0}";

/// Standard output, in colour where it is a terminal that has them.
///
/// Colours follow `NO_COLOR`, `CLICOLOR` and `TERM`.
#[derive(Debug)]
pub struct Screen {
    out: anstream::AutoStream<io::Stdout>,
    width: usize,
}

impl Screen {
    /// The screen of this process.
    pub fn of_process() -> Self {
        let (narrowest, widest) = WIDTHS;
        let is_terminal = io::stdout().is_terminal();
        let width = textwrap::termwidth().clamp(narrowest, widest);
        Self {
            out: anstream::AutoStream::auto(io::stdout()),
            width: if is_terminal { width } else { usize::MAX },
        }
    }

    /// A line; what of it a terminal would obey is shown instead.
    ///
    /// # Errors
    /// [`Failure::Terminal`].
    pub fn line(&mut self, text: &str) -> Result<(), Failure> {
        self.styled(Style::new(), text)
    }

    fn styled(&mut self, style: Style, text: &str) -> Result<(), Failure> {
        let text = plain(text);
        writeln!(self.out, "{style}{text}{style:#}").map_err(Failure::Terminal)
    }

    /// A line that stands out.
    ///
    /// # Errors
    /// [`Failure::Terminal`].
    pub fn heading(&mut self, text: &str) -> Result<(), Failure> {
        self.styled(BOLD, text)
    }

    /// A text, broken at words to the width of the window; further lines are indented by `indent`.
    ///
    /// What stands in backticks is not broken, because people copy it.
    ///
    /// # Errors
    /// [`Failure::Terminal`].
    pub fn text(&mut self, text: &str, indent: &str) -> Result<(), Failure> {
        let options = textwrap::Options::new(self.width)
            .subsequent_indent(indent)
            // Addresses, paths and commands are to be copied whole.
            .word_splitter(textwrap::WordSplitter::NoHyphenation)
            .break_words(false);
        for line in textwrap::wrap(&join_quoted(text), options) {
            self.line(&line.replace(NO_BREAK, " "))?;
        }
        Ok(())
    }

    /// A value as JSON, for programs.
    ///
    /// # Errors
    /// [`Failure::Terminal`].
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value);
        let text = text.map_err(|error| Failure::Terminal(error.into()))?;
        writeln!(self.out, "{text}").map_err(Failure::Terminal)
    }

    /// What would become of a file.
    ///
    /// # Errors
    /// [`Failure::Terminal`].
    pub fn change(&mut self, change: &Change, environment: &Environment) -> Result<(), Failure> {
        let path = environment.shorten(&change.path);
        let what = match (&change.before, &change.after) {
            (None, _) => "create",
            (_, None) => "remove",
            _ => "change",
        };
        self.heading(&format!("{what} {path}"))?;
        let text = |contents: &Option<crate::file::Contents>| {
            contents
                .as_ref()
                .map(|it| it.text.clone())
                .unwrap_or_default()
        };
        for line in diff::lines(&text(&change.before), &text(&change.after)) {
            let (mark, style) = match line.kind {
                LineKind::Added => ("+", ADDED),
                LineKind::Removed => ("-", REMOVED),
                LineKind::Context => (" ", Style::new()),
                LineKind::Hunk => ("", FAINT),
            };
            self.styled(style, &format!("  {mark}{}", line.text))?;
        }
        let modes = change.before.as_ref().zip(change.after.as_ref());
        if let Some((before, after)) = modes.filter(|(before, after)| before.mode != after.mode) {
            self.line(&format!(
                "  mode {:o} becomes {:o}",
                before.mode, after.mode
            ))?;
        }
        self.line("")
    }

    /// Asks whether to go on.
    ///
    /// # Errors
    /// [`Failure::NoTerminal`] where nobody can answer, [`Failure::Declined`] unless the answer is
    /// yes, [`Failure::Terminal`].
    pub fn confirm(&mut self, question: &str) -> Result<(), Failure> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return Err(Failure::NoTerminal);
        }
        write!(self.out, "{question} [y/N] ").map_err(Failure::Terminal)?;
        self.out.flush().map_err(Failure::Terminal)?;
        let mut answer = String::new();
        let read = io::stdin().lock().read_line(&mut answer);
        read.map_err(Failure::Terminal)?;
        match answer.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(Failure::Declined),
        }
    }
}

/// The text with spaces in backticks that cannot be broken at.
fn join_quoted(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let joined: Vec<_> = parts
        .map(|(index, part)| match index % 2 {
            0 => part.to_owned(),
            _ => part.replace(' ', NO_BREAK),
        })
        .collect();
    joined.join("`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_is_not_broken() {
        let joined = join_quoted("run `a --b c` or `d e`, or not");
        assert_eq!(joined, "run `a\u{a0}--b\u{a0}c` or `d\u{a0}e`, or not");
    }
}
