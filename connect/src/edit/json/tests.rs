//! Texts in many layouts, before and after a change.

use super::*;

const PATH: &[&str] = &["env", "A"];

fn set(text: &str) -> String {
    set_string(text, PATH, "1").expect(text)
}

/// What it should be after; the same must come back.
fn check_set(before: &str, after: &str) {
    assert_eq!(set(before), after, "{before}");
    let string = find_string(after, PATH).expect(after);
    assert_eq!(string.as_deref(), Some("1"), "{after}");
    assert_eq!(set(after), after);
    let mut removed = remove(after, PATH).expect(after);
    if is_empty_object(&removed, &["env"]).expect(after) && !before.contains("env") {
        removed = remove(&removed, &["env"]).expect(after);
    }
    assert_eq!(removed, before, "{after}");
}

#[test]
fn a_property_is_laid_out_as_its_neighbours() {
    check_set(
        "{\n  \"a\": 1\n}\n",
        "{\n  \"a\": 1,\n  \"env\": {\n    \"A\": \"1\"\n  }\n}\n",
    );
    check_set(
        "{\r\n\t\"a\": 1\r\n}",
        "{\r\n\t\"a\": 1,\r\n\t\"env\": {\r\n\t\t\"A\": \"1\"\r\n\t}\r\n}",
    );
    check_set(
        "{\n    \"env\": {\n        \"B\": \"2\",\n    },\n}",
        "{\n    \"env\": {\n        \"B\": \"2\",\n        \"A\": \"1\",\n    },\n}",
    );
    check_set("{\"a\":1}", "{\"a\":1,\"env\":{\"A\":\"1\"}}");
    check_set("{ \"a\": 1 }", "{ \"a\": 1, \"env\": { \"A\": \"1\" } }");
    check_set(
        "{\"a\":1, \"env\":{\"B\":\"2\"}}\n",
        "{\"a\":1, \"env\":{\"B\":\"2\",\"A\":\"1\"}}\n",
    );
    check_set(
        "{\"a\":1, \"env\":{}}\n",
        "{\"a\":1, \"env\":{\"A\":\"1\"}}\n",
    );
    check_set("{}", "{\n  \"env\": {\n    \"A\": \"1\"\n  }\n}");
    check_set(
        "\u{feff}{\n\"a\": 1\n}\n",
        "\u{feff}{\n\"a\": 1,\n\"env\": {\n\"A\": \"1\"\n}\n}\n",
    );
    check_set(
        "{\n  \"x\": [\n    1\n  ], \"env\": {}}",
        "{\n  \"x\": [\n    1\n  ], \"env\": {\n    \"A\": \"1\"\n  }}",
    );
}

#[test]
fn comments_stay_where_they_are() {
    check_set(
        "// top\n{\n  \"a\": 1 // one\n  // \"b\": 2\n}\n// end",
        "// top\n{\n  \"a\": 1, // one\n  \"env\": {\n    \"A\": \"1\"\n  }\n  // \"b\": 2\n}\n// end",
    );
    check_set(
        "{\n  \"a\": 1, /* x */ // one\n}\n",
        "{\n  \"a\": 1, /* x */ // one\n  \"env\": {\n    \"A\": \"1\"\n  },\n}\n",
    );
    check_set(
        "{\n  \"env\": {\n    // none yet\n  }\n}",
        "{\n  \"env\": {\n    // none yet\n    \"A\": \"1\"\n  }\n}",
    );
    check_set(
        "{\"a\":1 /* one */}",
        "{\"a\":1,\"env\":{\"A\":\"1\"} /* one */}",
    );
}

#[test]
fn a_text_without_a_value_counts_as_an_empty_object() {
    let made = "{\n  \"env\": {\n    \"A\": \"1\"\n  }\n}\n";
    for blank in ["", "\n", " \r\n"] {
        assert_eq!(set(blank), made);
    }
    assert_eq!(set("\u{feff}"), format!("\u{feff}{made}"));
    assert_eq!(set("// later\n"), format!("// later\n{made}"));
    assert_eq!(set("// later"), format!("// later\n{made}"));
    assert_eq!(remove("", PATH), Ok(String::new()));
    assert_eq!(find_string("", PATH), Ok(None));
    for (text, expected) in [
        ("", true),
        ("{ }\n", true),
        ("{/**/}", false),
        ("//", false),
    ] {
        assert_eq!(is_empty_object(text, &[]), Ok(expected), "{text}");
    }
}

#[test]
fn a_property_leaves_with_its_own_lines_and_comma() {
    for (before, after) in [
        ("{\n  \"k\": 1,\n  \"a\": 2\n}", "{\n  \"a\": 2\n}"),
        ("{\n  \"a\": 2,\n\n  \"k\": 1\n}", "{\n  \"a\": 2\n\n}"),
        ("{\"k\": 1, \"a\": 2}", "{\"a\": 2}"),
        ("{\"a\": 2, \"k\": 1}", "{\"a\": 2}"),
        ("{\"a\": 2, \"k\": 1, \"b\": 3}", "{\"a\": 2, \"b\": 3}"),
        ("{\"a\": 2, \"k\": 1,}", "{\"a\": 2, }"),
        ("{\n  \"k\": 1 // mine\n}", "{\n  // mine\n}"),
        (
            "{\n  \"a\": 2, // two\n  \"k\": 1}",
            "{\n  \"a\": 2 // two\n  }",
        ),
        ("{\n  \"a\": 2\n, \"k\": 1\n}", "{\n  \"a\": 2\n\n}"),
        ("{\n  \"k\": 1\n, \"a\": 2\n}", "{\n  \"a\": 2\n}"),
        (
            "{\r\n  \"k\": {\r\n  },\r\n  \"a\": 2\r\n}",
            "{\r\n  \"a\": 2\r\n}",
        ),
    ] {
        let removed = remove(before, &["k"]).expect(before);
        assert_eq!(removed, after, "{before}");
        check(&removed).expect(before);
    }
}

#[test]
fn keys_and_values_may_be_written_with_escapes() {
    let text = r#"{"\u0065nv": {"A": "\u0031"}}"#;
    assert_eq!(find_string(text, PATH), Ok(Some("1".to_owned())));
    let text = set_string(text, PATH, "é\n\"").expect("set");
    assert_eq!(text, r#"{"\u0065nv": {"A": "é\n\""}}"#);
}

#[test]
fn a_fault_says_where_and_nothing_of_the_values() {
    for (text, expected) in [
        ("{\n  \"a\": secret\n}", "line 2, column 8: unexpected word"),
        ("{\"a\": 1 \"b\": 2}", "line 1, column 8: expected comma"),
        ("{\n  \"a\": 1", "line 1, column 1: unterminated object"),
        (
            "\u{feff}{\"a\": \"secret",
            "line 1, column 7: unterminated string literal",
        ),
        ("[1]", "line 1, column 1: the settings are no JSON object"),
        (
            "{} {}",
            "line 1, column 4: text cannot contain more than one JSON value",
        ),
        (
            "{\"env\": \"secret\"}",
            "line 1, column 9: `env` is no object",
        ),
        (
            "{\"env\": {},\n\"env\": {}}",
            "line 2, column 1: `env` is there twice",
        ),
        (
            "{\"env\": {\"A\": 5}}",
            "line 1, column 15: `A` is no string",
        ),
        (
            "{\"a\": '1'}",
            "line 1, column 7: single-quoted strings are not allowed",
        ),
    ] {
        let fault = find_string(text, PATH).expect_err(text);
        assert_eq!(fault.to_string(), expected, "{text}");
        let change = set_string(text, PATH, "1");
        assert!(change.is_err() || expected.ends_with("no string"), "{text}");
    }
}

#[test]
fn what_json_has_not_is_found() {
    for (text, expected) in [
        ("", None),
        ("\u{feff}{\"a\": [1, {}]}\n", None),
        ("{\n  // secret\n}", Some("line 2, column 3: a comment")),
        ("{}\n/* */", Some("line 2, column 1: a comment")),
        (
            "{\"ä\": 1,\n}",
            Some("line 1, column 8: a comma that nothing follows"),
        ),
        (
            "{\"a\": [1, ]}",
            Some("line 1, column 9: a comma that nothing follows"),
        ),
        ("{\"a\": \"\t\"}", Some("line 1, column 7: that is no JSON")),
    ] {
        let fault = check_strict(text).err().map(|fault| fault.to_string());
        assert_eq!(fault.as_deref(), expected, "{text}");
    }
}

/// Numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % limit
    }

    fn one_of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        let index = self.below(all.len() as u64);
        all[usize::try_from(index).expect("small")]
    }

    fn gap(&mut self) -> &'static str {
        self.one_of(&[
            "", "", "", " ", "\n", "\n  ", "\r\n\t", "/*c*/", " //c\n", "\n//c\n ",
        ])
    }

    fn value(&mut self, depth: usize) -> String {
        match self.below(3) {
            0 if depth > 0 => self.object(&["A", "B", "ü"], depth - 1),
            1 => "[1,\n\"]}\"]".to_owned(),
            _ => "\"// 1\"".to_owned(),
        }
    }

    fn object(&mut self, keys: &[&str], depth: usize) -> String {
        let mut text = format!("{{{}", self.gap());
        let mut is_first = true;
        for key in keys {
            if self.below(2) == 0 {
                continue;
            }
            if !is_first {
                text += &format!(",{}", self.gap());
            }
            is_first = false;
            let value = match *key {
                "env" => self.object(&["B", "A", "C"], 0),
                _ => self.value(depth),
            };
            text += &format!("{key:?}{}:{}{value}{}", self.gap(), self.gap(), self.gap());
        }
        if !is_first && self.below(4) == 0 {
            text += &format!(",{}", self.gap());
        }
        text + "}"
    }
}

#[test]
fn whatever_the_layout_the_rest_stays() {
    let mut random = Random(1);
    for _ in 0..5_000 {
        let keys = ["a", "env", "b", "c"];
        let before = random.gap().to_owned() + &random.object(&keys, 2) + random.gap();
        let set = set(&before);
        assert_eq!(
            find_string(&set, PATH),
            Ok(Some("1".to_owned())),
            "{before}"
        );
        let removed = remove(&set, PATH).expect(&set);
        assert_eq!(find_literal(&removed, PATH), Ok(None), "{set}");
        // Comments between its key and its value leave with a property.
        let was_there = find_literal(&before, PATH) != Ok(None);
        for (after, loses_comments) in [(set, false), (removed, was_there)] {
            for path in [&["a"][..], &["b"], &["c"], &["env", "B"], &["env", "C"]] {
                let literal = find_literal(&before, path);
                assert_eq!(find_literal(&after, path), literal, "{before}");
            }
            let comments = |text: &str| text.matches("/c").count() + text.matches("*c").count();
            let is_kept = comments(&after) == comments(&before);
            assert!(loses_comments || is_kept, "{before}\n{after}");
        }
    }
}
