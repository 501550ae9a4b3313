//! Text from elsewhere, without what a terminal would obey or not show.

/// The text with escapes in place of control characters, and of those that turn the direction of
/// writing or cannot be seen. Tabs stay.
///
/// Source: Unicode Standard Annex 9, section 2, and Trojan Source, CVE-2021-42574.
pub fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\t' => shown.push(character),
            '\r' => shown.push_str("\\r"),
            '\n' => shown.push_str("\\n"),
            _ if is_obeyed(character) => shown.extend(character.escape_unicode()),
            _ => shown.push(character),
        }
    }
    shown
}

fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_that_a_terminal_obeys() {
        let shown = plain("a\u{1b}]0;x\u{7}\r\nok\u{9b}\u{202e}b\tü");
        assert_eq!(shown, "a\\u{1b}]0;x\\u{7}\\r\\nok\\u{9b}\\u{202e}b\tü");
    }
}
