//! Lines of `Name: value` in one string, as `ANTHROPIC_CUSTOM_HEADERS` has them.
//!
//! Ours are told by their names and stand first, so that the others stay as they are, the end of
//! the last one included.

use crate::setup::is_our_header;

/// The lines of ours, without their ends.
pub fn ours(lines: &str) -> Vec<String> {
    let all = lines.lines().filter(|line| is_ours(line));
    all.map(str::to_owned).collect()
}

/// The text without the lines of ours.
pub fn foreign(lines: &str) -> String {
    let all = lines.split_inclusive('\n');
    all.filter(|line| !is_ours(line)).collect()
}

/// The text with these lines of ours and no others of ours.
pub fn merge(ours: &[String], lines: &str) -> String {
    let foreign = foreign(lines);
    let ours = ours.join("\n");
    match (ours.as_str(), foreign.as_str()) {
        ("", _) => foreign,
        (_, "") => ours,
        _ => format!("{ours}\n{foreign}"),
    }
}

/// One line.
pub fn line(name: &str, value: &str) -> String {
    format!("{name}: {value}")
}

/// The value of a header, whatever the case of its name.
pub fn find<'l>(lines: &'l str, name: &str) -> Option<&'l str> {
    let mut all = lines.lines().filter_map(|line| line.split_once(':'));
    let found = all.find(|(found, _)| found.trim().eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim())
}

fn is_ours(line: &str) -> bool {
    line.split_once(':')
        .is_some_and(|(name, _)| is_our_header(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_lines_stay_byte_for_byte() {
        let ours = [
            line("x-anyray-auth-mode", "1"),
            line("x-anyray-api-key", "2"),
        ];
        for foreign_lines in [
            "",
            "A: b",
            "A: b\n",
            "A: b\r\n B :c\n\n",
            "no header\nx-anyray without colon",
        ] {
            let merged = merge(&ours, foreign_lines);
            assert_eq!(foreign(&merged), foreign_lines);
            assert_eq!(super::ours(&merged), ours);
            assert_eq!(merge(&ours, &merged), merged);
            assert_eq!(merge(&[], &merged), foreign_lines);
        }
        assert_eq!(
            merge(&ours, "A: b"),
            "x-anyray-auth-mode: 1\nx-anyray-api-key: 2\nA: b"
        );
    }

    #[test]
    fn ours_are_told_by_their_names_wherever_they_stand() {
        let lines = "A: b\n X-Anyray-Metadata : {}\nC: d\nx-anyray-auth-mode:1";
        assert_eq!(foreign(lines), "A: b\nC: d\n");
        assert_eq!(find(lines, "x-anyray-metadata"), Some("{}"));
        assert_eq!(find(lines, "x-anyray-api-key"), None);
    }
}
