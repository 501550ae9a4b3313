//! A managed block in the profile of a shell, and assignments as shells read them.
//!
//! The block stands between two lines that nobody else writes. What of the file goes with it is
//! noted in it, so that the file without it is byte for byte what it was, even if nothing else is
//! known of its past. The block ends its lines with a line feed whatever the file does: shells take
//! a carriage return for a part of the value.

use super::EditFault;

/// First line of the block.
pub const BEGIN: &str = "# >>> anyray-connect >>>";

/// Last line of the block.
pub const END: &str = "# <<< anyray-connect <<<";

const HINT: &str = "# Written by anyray-connect; `anyray-connect --revert` takes this block out.";
const NO_FILE: &str = "# Without this block there is no file.";
const NO_LINE_BREAK: &str = "# Without this block the file has no line break at its end.";

/// A text, divided at its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block<'t> {
    /// What stands before it.
    pub before: &'t str,
    /// What stands between its first and its last line.
    pub inside: &'t str,
    /// What stands after it.
    pub after: &'t str,
}

/// How a shell writes words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// bash, zsh and other shells of the POSIX family.
    Posix,
    /// fish.
    Fish,
}

/// A variable that a line sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment<'t> {
    /// The variable.
    pub name: &'t str,
    /// Its value; none if only the shell can tell it.
    pub value: Option<String>,
}

/// The block of a text, none if it has none.
///
/// # Errors
/// [`EditFault`] with the line if the first and last lines of blocks do not make one block.
pub fn find(text: &str) -> Result<Option<Block<'_>>, EditFault> {
    let (mut begin, mut end) = (None, None);
    let mut next = 0;
    for line in text.split_inclusive('\n') {
        let start = next;
        next += line.len();
        let fault = |message: &str| Err(EditFault::at(text, start, message));
        match (line.trim(), &begin, &end) {
            (BEGIN, None, _) => begin = Some(start..next),
            (BEGIN, Some(_), None) => return fault(BEGUN_TWICE),
            (BEGIN, Some(_), Some(_)) => return fault(TWO_BLOCKS),
            (END, Some(_), None) => end = Some(start..next),
            (END, _, _) => return fault(END_ALONE),
            _ => {}
        }
    }
    match (begin, end) {
        (Some(begin), Some(end)) => Ok(Some(Block {
            before: text.get(..begin.start).unwrap_or_default(),
            inside: text.get(begin.end..end.start).unwrap_or_default(),
            after: text.get(end.end..).unwrap_or_default(),
        })),
        (Some(begin), None) => Err(EditFault::at(text, begin.start, NO_END)),
        (None, _) => Ok(None),
    }
}

const BEGUN_TWICE: &str = "a block of anyray-connect begins here, but one that began above has no end: add `# <<< anyray-connect <<<` below its last line, or delete its first line";
const TWO_BLOCKS: &str = "a second block of anyray-connect begins here: delete one of the two, with its first and last line";
const END_ALONE: &str = "a block of anyray-connect ends here, but none has begun: delete this line and what is left of the block";
const NO_END: &str = "a block of anyray-connect begins here and has no end: add `# <<< anyray-connect <<<` below its last line, or delete what is left of it";

/// The text with these lines in its block: in place of those that are there, or else in a new block
/// at the end. No text stands for no file.
///
/// # Errors
/// As [`find`], and if the line above the block goes on in the next one: fish would read the block's
/// first variable as a part of it.
pub fn put(text: Option<&str>, lines: &[String]) -> Result<String, EditFault> {
    let whole = text.unwrap_or_default();
    let (before, notes, after) = match find(whole)? {
        Some(block) => (block.before, block.notes(), block.after),
        None if text.is_none() => ("", vec![NO_FILE], ""),
        None if whole.is_empty() || whole.ends_with('\n') => (whole, Vec::new(), ""),
        None => (whole, vec![NO_LINE_BREAK], ""),
    };
    if goes_on(before) {
        let last = before.trim_end_matches('\n').len().saturating_sub(1);
        return Err(EditFault::at(whole, last, GOES_ON));
    }
    let mut out = before.to_owned();
    if !before.is_empty() && !before.ends_with('\n') {
        out.push('\n');
    }
    let lines = lines.iter().map(String::as_str);
    let around = [BEGIN, HINT].into_iter().chain(notes);
    for line in around.chain(lines).chain([END]) {
        out.push_str(line);
        out.push('\n');
    }
    out.push_str(after);
    Ok(out)
}

const GOES_ON: &str = "this line ends with a backslash, so what is added below would be a part of its command: complete it or delete the backslash";

/// Whether the last line is a command that ends with a backslash.
fn goes_on(text: &str) -> bool {
    let last = text.lines().next_back().unwrap_or_default();
    let backslashes = last.len() - last.trim_end_matches('\\').len();
    backslashes % 2 == 1 && !last.trim_start().starts_with('#')
}

/// The text without its block; none if nothing is left and there was no file.
///
/// # Errors
/// As [`find`].
pub fn remove(text: &str) -> Result<Option<String>, EditFault> {
    let Some(block) = find(text)? else {
        return Ok(Some(text.to_owned()));
    };
    let notes = block.notes();
    let mut before = block.before;
    // What somebody has added below needs the line break.
    if block.after.is_empty() && notes.contains(&NO_LINE_BREAK) {
        before = before.strip_suffix('\n').unwrap_or(before);
    }
    let rest = format!("{before}{}", block.after);
    Ok((!rest.is_empty() || !notes.contains(&NO_FILE)).then_some(rest))
}

impl Block<'_> {
    /// What of the file goes with the block.
    fn notes(&self) -> Vec<&'static str> {
        let is_there = |note: &&str| self.inside.lines().any(|line| line.trim() == *note);
        let notes = [NO_FILE, NO_LINE_BREAK].into_iter();
        notes.filter(is_there).collect()
    }
}

impl Dialect {
    /// The line that sets a variable and hands it on to programs.
    ///
    /// # Errors
    /// [`EditFault`] if the value holds a control character: no line break may get into the block.
    pub fn assign(self, name: &str, value: &str) -> Result<String, EditFault> {
        if value.chars().any(char::is_control) {
            let message = format!("the value of {name} holds a control character");
            return Err(EditFault::new(message));
        }
        let word = self.quote(value);
        Ok(match self {
            Self::Posix => format!("export {name}={word}"),
            Self::Fish => format!("set -gx {name} {word}"),
        })
    }

    /// A text as one word that means nothing but itself.
    pub fn quote(self, text: &str) -> String {
        let text = match self {
            // A backslash means itself between single quotes, so a quote must stand outside.
            Self::Posix => text.replace('\'', r"'\''"),
            Self::Fish => text.replace('\\', r"\\").replace('\'', r"\'"),
        };
        format!("'{text}'")
    }

    /// What the first word of a text means; none if that depends on variables or commands.
    fn read_word(self, text: &str) -> Option<String> {
        let mut word = String::new();
        let mut quote = None;
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            match (quote, character) {
                (Some(open), _) if open == character => quote = None,
                (None, '\'' | '"') => quote = Some(character),
                (None, ';' | '&' | '|') => return Some(word),
                (None, _) if character.is_whitespace() => return Some(word),
                (None, '(' | '<' | '>') | (None | Some('"'), '$' | '`') => return None,
                (_, '\\') => {
                    let escaped = characters.next_if(|next| self.is_escaped(quote, *next));
                    word.push(escaped.unwrap_or('\\'));
                }
                _ => word.push(character),
            }
        }
        quote.is_none().then_some(word)
    }

    /// Whether a backslash before this character goes.
    fn is_escaped(self, quote: Option<char>, character: char) -> bool {
        match (self, quote) {
            (_, None) => true,
            (Self::Posix, Some('\'')) => false,
            (Self::Posix, Some(_)) => "$`\"\\".contains(character),
            (Self::Fish, Some('\'')) => "'\\".contains(character),
            (Self::Fish, Some(_)) => "$\"\\".contains(character),
        }
    }
}

/// The variable that a line sets, in either dialect; none if it sets none, or is not that simple.
pub fn read_assignment(line: &str) -> Option<Assignment<'_>> {
    let line = line.trim();
    if let Some(rest) = line.strip_prefix("set ") {
        let (flags, rest) = split_flags(rest);
        let (name, word) = rest.split_once(char::is_whitespace)?;
        // Erasing and asking set nothing.
        let is_set = !flags
            .iter()
            .any(|flag| is_flag(flag, 'e', "--erase") || is_flag(flag, 'q', "--query"));
        let value = Dialect::Fish.read_word(word.trim_start());
        return (is_set && is_name(name)).then_some(Assignment { name, value });
    }
    let mut rest = line;
    for command in ["export ", "declare ", "typeset "] {
        rest = line
            .strip_prefix(command)
            .map_or(rest, |rest| split_flags(rest).1);
    }
    let (name, word) = rest.split_once('=')?;
    let value = Dialect::Posix.read_word(word);
    is_name(name).then_some(Assignment { name, value })
}

fn split_flags(mut text: &str) -> (Vec<&str>, &str) {
    let mut flags = Vec::new();
    loop {
        text = text.trim_start();
        match text.split_once(char::is_whitespace) {
            Some((flag, rest)) if flag.starts_with('-') => {
                flags.push(flag);
                text = rest;
            }
            _ => return (flags, text),
        }
    }
}

fn is_flag(flag: &str, short: char, long: &str) -> bool {
    flag == long || (!flag.starts_with("--") && flag.contains(short))
}

fn is_name(text: &str) -> bool {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    text.chars().all(is_part) && text.starts_with(|first: char| !first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|&line| line.to_owned()).collect()
    }

    fn block(inside: &str) -> String {
        format!("{BEGIN}\n{HINT}\n{inside}{END}\n")
    }

    #[test]
    fn the_block_goes_to_the_end_and_out_again() {
        for base in [
            None,
            Some(""),
            Some("\n"),
            Some("a"),
            Some("a\n"),
            Some("a\n\n"),
            Some("a\r\nb\r\n"),
            Some("a\r\nb"),
            Some("a\r"),
            Some("# ä \\"),
        ] {
            let once = put(base, &lines(&["x", "y"])).expect("a block");
            assert!(once.ends_with(&format!("x\ny\n{END}\n")), "{once}");
            assert!(once.starts_with(base.unwrap_or_default()), "{once}");
            assert_eq!(remove(&once).expect("a block").as_deref(), base);
            assert_eq!(
                put(Some(&once), &lines(&["x", "y"])).expect("a block"),
                once
            );
        }
    }

    #[test]
    fn a_block_that_was_moved_stays_where_it_is() {
        let moved = format!("a\r\n{}b", block("old\n"));
        let again = put(Some(&moved), &lines(&["new"])).expect("a block");
        assert_eq!(again, format!("a\r\n{}b", block("new\n")));
        assert_eq!(remove(&again).expect("a block").expect("a text"), "a\r\nb");
    }

    #[test]
    fn what_was_added_below_keeps_its_own_line() {
        let written = put(Some("a"), &lines(&["x"])).expect("a block");
        let left = remove(&format!("{written}b\n")).expect("a block");
        assert_eq!(left.expect("a text"), "a\nb\n");
    }

    #[test]
    fn what_was_added_to_a_file_of_ours_stays() {
        let written = put(None, &lines(&["x"])).expect("a block");
        let left = remove(&format!("{written}b\n")).expect("a block");
        assert_eq!(left.expect("a text"), "b\n");
    }

    #[test]
    fn a_block_is_found_by_an_editor_that_changed_its_line_breaks() {
        let converted = format!("a\r\n{BEGIN}\r\nx\r\n{END}\r\nb\r\n");
        assert_eq!(
            remove(&converted).expect("a block").expect("a text"),
            "a\r\nb\r\n"
        );
    }

    #[test]
    fn lines_that_make_no_block_change_nothing() {
        for (text, line, message) in [
            (format!("a\n{BEGIN}\nx\n"), 2, NO_END),
            (format!("a\n{END}\n"), 2, END_ALONE),
            (format!("{END}\n{BEGIN}\n"), 1, END_ALONE),
            (format!("{BEGIN}\n{END}\n{END}\n"), 3, END_ALONE),
            (format!("{BEGIN}\n{BEGIN}\n{END}\n"), 2, BEGUN_TWICE),
            (format!("{0}{0}", block("x\n")), 5, TWO_BLOCKS),
        ] {
            let fault = find(&text).expect_err("no block");
            assert_eq!(
                (fault.place.map(|at| at.line), fault.message.as_str()),
                (Some(line), message)
            );
            assert_eq!(put(Some(&text), &[]), Err(fault.clone()));
            assert_eq!(remove(&text), Err(fault));
        }
    }

    #[test]
    fn a_command_that_goes_on_takes_nothing_in() {
        for text in ["a\nb \\", "a\nb \\\n", "a\nb \\\\\\\n"] {
            let fault = put(Some(text), &[]).expect_err("an open command");
            assert_eq!(fault.place.map(|at| at.line), Some(2), "{text}");
        }
        for text in ["b \\\\", "# b \\", "b \\\n\n"] {
            assert!(put(Some(text), &[]).is_ok(), "{text}");
        }
    }

    #[test]
    fn an_assignment_is_read_back() {
        for value in [
            "",
            "https://a.example/v1",
            "a'b\"c\\d$e`f !g#h",
            r"\'",
            "'",
            "ä",
        ] {
            for dialect in [Dialect::Posix, Dialect::Fish] {
                let line = dialect.assign("NAME", value).expect("a line");
                let read = read_assignment(&line).expect(&line);
                assert_eq!(
                    (read.name, read.value.as_deref()),
                    ("NAME", Some(value)),
                    "{line}"
                );
            }
        }
        assert!(Dialect::Posix.assign("NAME", "a\nb").is_err());
    }

    #[test]
    fn assignments_by_hand_are_read_as_far_as_they_are_plain() {
        for (line, expected) in [
            ("  NAME=a # why", Some(Some("a"))),
            (
                "export NAME=\"a \\\"b\\\" \\c\"; x",
                Some(Some("a \"b\" \\c")),
            ),
            ("declare -x -r NAME=a\\ b\r", Some(Some("a b"))),
            ("export NAME=\"$OTHER\"", Some(None)),
            ("export NAME=$(cat key)", Some(None)),
            ("set -g -x NAME a", Some(Some("a"))),
            ("set -gx NAME (cat key)", Some(None)),
            ("set -gx NAME \"a$b\"", Some(None)),
            ("set -e NAME now", None),
            ("set --query NAME now", None),
            ("# export NAME=a", None),
            ("echo NAME", None),
            ("[ $NAME = a ]", None),
        ] {
            let read = read_assignment(line).map(|read| (read.name, read.value));
            let expected = expected.map(|value| ("NAME", value.map(str::to_owned)));
            assert_eq!(read, expected, "{line}");
        }
    }
}
