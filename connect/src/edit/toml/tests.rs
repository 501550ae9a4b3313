//! Texts before and after a change.

use super::*;

/// What it should be after; the same must come back.
fn check_set(before: &str, path: &[&str], after: &str) {
    assert_eq!(set(before, path, "1").as_deref(), Ok(after), "{before}");
    assert_eq!(set(after, path, "1").as_deref(), Ok(after), "{before}");
    assert_eq!(find_literal(after, path), Ok(Some("1")), "{before}");
    let removed = remove(after, path).expect(after);
    let removed = match path.split_last() {
        Some((_, table)) if !before.contains('[') => remove_if_empty(&removed, table),
        _ => Ok(removed),
    };
    assert_eq!(removed.as_deref(), Ok(before), "{after}");
}

#[test]
fn a_value_is_added_where_its_table_is() {
    check_set("", &["k"], "k = 1\n");
    check_set("# head\n", &["k"], "# head\nk = 1\n");
    check_set(
        "a = 2 # two\n\n[t]\n",
        &["k"],
        "a = 2 # two\nk = 1\n\n[t]\n",
    );
    check_set("# head\n\n[t]\n", &["k"], "# head\nk = 1\n\n[t]\n");
    check_set("# of t\n[t]\n", &["k"], "k = 1\n# of t\n[t]\n");
    check_set("\u{feff}[t]\r\n", &["k"], "\u{feff}k = 1\r\n[t]\r\n");
    check_set("[t]\n\n[u]\n", &["t", "k"], "[t]\nk = 1\n\n[u]\n");
    check_set(
        "[t] # t\na = [\n  2,\n]\n",
        &["t", "k"],
        "[t] # t\na = [\n  2,\n]\nk = 1\n",
    );
    check_set("[t]\na.b = 2\n", &["t", "k"], "[t]\nk = 1\na.b = 2\n");
    check_set("[\"t\" . u]\n", &["t", "u", "k"], "[\"t\" . u]\nk = 1\n");
}

#[test]
fn a_missing_table_is_added_at_the_end() {
    check_set(
        "a = 2\n",
        &["v", "x.y", "k"],
        "a = 2\n\n[v.\"x.y\"]\nk = 1\n",
    );
    check_set("a = 2\r\n", &["v", "k"], "a = 2\r\n\r\n[v]\r\nk = 1\r\n");
    let text = set("a = 2\n\n", &["v", "k"], "1");
    assert_eq!(text.as_deref(), Ok("a = 2\n\n[v]\nk = 1\n"));
    check_set("", &["v", "k"], "[v]\nk = 1\n");
    let text = set("a = 2", &["v", "k"], "1");
    assert_eq!(text.as_deref(), Ok("a = 2\n\n[v]\nk = 1\n"));
    let text = set("[v.w]\na = 2\n", &["v", "k"], "1");
    assert_eq!(text.as_deref(), Ok("[v.w]\na = 2\n\n[v]\nk = 1\n"));
}

#[test]
fn an_inline_table_is_added_to() {
    check_set(
        "h = { \"a\" = 'b' } # h\n",
        &["h", "k"],
        "h = { \"a\" = 'b', k = 1 } # h\n",
    );
    check_set("[t]\nh = {  }\n", &["t", "h", "k"], "[t]\nh = { k = 1 }\n");
    let text = "h = { k = '1', a = 2 }\nb = 3\n";
    assert_eq!(find_string(text, &["h", "k"]), Ok(Some("1".to_owned())));
    assert_eq!(
        find_keys(text, &["h"]),
        Ok(vec!["k".to_owned(), "a".to_owned()])
    );
    let set = set(text, &["h", "k"], "4");
    assert_eq!(set.as_deref(), Ok("h = { k = 4, a = 2 }\nb = 3\n"));
    let removed = remove(text, &["h", "k"]);
    assert_eq!(removed.as_deref(), Ok("h = { a = 2 }\nb = 3\n"));
    let removed = remove_if_empty("h = { }\nb = 1\n", &["h"]);
    assert_eq!(removed.as_deref(), Ok("b = 1\n"));
}

#[test]
fn a_comment_behind_a_value_stays() {
    let text = "a = 1\n  k = '''\n''' # mine\nb = 2\n";
    assert_eq!(
        remove(text, &["k"]).as_deref(),
        Ok("a = 1\n# mine\nb = 2\n")
    );
    assert_eq!(remove(text, &["x", "y"]).as_deref(), Ok(text));
}

#[test]
fn a_fault_says_where_and_nothing_of_the_values() {
    for (text, expected) in [
        (
            "a = 1\nb = secret\n",
            "line 2, column 5: string values must be quoted, expected literal string",
        ),
        ("a = 1\na = 2\n", "line 2, column 1: duplicate key"),
        (
            "\u{feff}a = \"secret",
            "line 1, column 12: invalid basic string, expected `\"`",
        ),
        ("t = 'secret'\n", "line 1, column 5: `t` is no table"),
        (
            "t.u = 1\n",
            "nothing can be added to `t` as it is written: write it as a table, [t]",
        ),
        ("[[t]]\n", "line 1, column 1: `t` is no table"),
        ("[t.k]\n", "line 1, column 1: `t.k` is a table, not a value"),
    ] {
        let fault = set(text, &["t", "k"], "1").expect_err(text);
        assert_eq!(fault.to_string(), expected, "{text}");
    }
    let fault = find_string("k = 5\n", &["k"]).expect_err("no string");
    assert_eq!(fault.to_string(), "line 1, column 5: `k` is no string");
}
