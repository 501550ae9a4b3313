//! Differences as they are shown.

use super::*;

/// A difference with the usual signs.
fn shown(before: &str, after: &str) -> String {
    let mut text = String::new();
    for line in lines(before, after) {
        let sign = match line.kind {
            LineKind::Context => " ",
            LineKind::Added => "+",
            LineKind::Removed => "-",
            LineKind::Hunk => "",
        };
        text.push_str(&format!("{sign}{}\n", line.text));
    }
    text
}

#[test]
fn two_lines_stand_around_a_change() {
    let before = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n";
    let after = before
        .replace("4\n", "four\n")
        .replace("11\n", "11\neleven\n");
    assert_eq!(
        shown(before, &after),
        "@@ -2,5 +2,5 @@\n 2\n 3\n-4\n+four\n 5\n 6\n@@ -10,3 +10,4 @@\n 10\n 11\n+eleven\n 12\n"
    );
}

#[test]
fn a_new_file_and_a_removed_one_are_all_added_or_removed() {
    assert_eq!(shown("", "a\nb\n"), "@@ -0,0 +1,2 @@\n+a\n+b\n");
    assert_eq!(shown("a\n", ""), "@@ -1 +0,0 @@\n-a\n");
    assert_eq!(shown("a\n", "a\n"), "");
    assert_eq!(shown("", ""), "");
}

#[test]
fn a_missing_line_break_is_said() {
    assert_eq!(
        shown("a", "a\nb\n"),
        "@@ -1 +1,2 @@\n-a\n\\ No newline at end of file\n+a\n+b\n"
    );
}

#[test]
fn secrets_are_hidden_and_their_change_is_not() {
    assert_eq!(
        shown("x\nTOKEN=abc\n", "x\nTOKEN=def\n"),
        "@@ -1,2 +1,2 @@\n x\n-TOKEN=…\n+TOKEN=… (another value)\n"
    );
}

#[test]
fn lines_around_are_masked_too() {
    let text = shown("TOKEN=abc\n", "TOKEN=abc\nb\n");
    assert_eq!(text, "@@ -1 +1,2 @@\n TOKEN=…\n+b\n");
}

#[test]
fn nothing_reaches_the_terminal_that_it_would_obey() {
    let text = shown("\u{1b}[2J\ta\u{7}\r\n\u{9b}31m\u{202e}b\u{200b}\n", "");
    assert_eq!(
        text,
        "@@ -1,2 +0,0 @@\n-\\u{1b}[2J\ta\\u{7}\\r\n-\\u{9b}31m\\u{202e}b\\u{200b}\n"
    );
}
