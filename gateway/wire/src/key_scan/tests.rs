//! What the scanner finds, compared with a parser's tree, and what it must not be fooled by.

use super::*;

const PATHS: &[Path] = &[
    &["model"],
    &["usage"],
    &["message", "usage"],
    &["choices", "finish_reason"],
];

fn scan(pieces: &[&[u8]]) -> Vec<(usize, String)> {
    let mut scanner = KeyScanner::new(PATHS);
    let mut found = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        while let Some(hit) = scanner.next(&mut rest) {
            found.push((hit.path, String::from_utf8_lossy(hit.value).into_owned()));
        }
    }
    found
}

fn check(text: &str, expected: &[(usize, &str)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(path, value)| (*path, (*value).to_owned()))
        .collect();
    assert_eq!(scan(&[text.as_bytes()]), expected, "{text}");
    for cut in 0..=text.len() {
        let (head, tail) = text.as_bytes().split_at(cut);
        assert_eq!(scan(&[head, tail]), expected, "{text} cut at {cut}");
    }
    let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
    assert_eq!(scan(&bytes), expected, "{text} byte by byte");
}

#[test]
fn values_of_every_kind_are_found_wherever_the_text_is_cut() {
    check(r#"{"model":"gpt-4o","x":1}"#, &[(0, r#""gpt-4o""#)]);
    check(
        r#"{ "a" : [1,{"b":2}] , "model" : "m\"x\\" }"#,
        &[(0, r#""m\"x\\""#)],
    );
    check(
        r#"{"usage":{"a":{"b":[1,2]},"c":"}"}}"#,
        &[(1, r#"{"a":{"b":[1,2]},"c":"}"}"#)],
    );
    check(r#"{"usage":null,"model":12}"#, &[(1, "null"), (0, "12")]);
    check("{\"model\":true}", &[(0, "true")]);
    check("{\"model\": 12 }", &[(0, "12")]);
}

#[test]
fn inner_paths_need_their_parent() {
    check(
        r#"{"message":{"id":"x","usage":{"n":1}},"usage":{"n":2}}"#,
        &[(2, r#"{"n":1}"#), (1, r#"{"n":2}"#)],
    );
    check(r#"{"other":{"usage":{"n":1}}}"#, &[]);
    check(
        r#"{"content":[{"input":{"usage":{"n":1},"model":"x"}}]}"#,
        &[],
    );
    check(r#"{"message":{"inner":{"usage":1}}}"#, &[]);
}

#[test]
fn arrays_on_the_way_count_for_nothing() {
    check(
        r#"{"choices":[{"delta":{"finish_reason":"no"},"finish_reason":null},{"finish_reason":"stop"}]}"#,
        &[(3, "null"), (3, r#""stop""#)],
    );
}

#[test]
fn text_that_looks_like_a_key_is_text() {
    check(
        r#"{"messages":[{"content":"\"model\":\"evil\""}],"model":"real"}"#,
        &[(0, r#""real""#)],
    );
    check(r#"{"a":["model","x"],"b":"model"}"#, &[]);
}

#[test]
fn escaped_keys_are_the_same_keys() {
    check(r#"{"mod\u0065l":"m"}"#, &[(0, r#""m""#)]);
}

#[test]
fn oversized_values_and_keys_are_passed_over() {
    let long = "x".repeat(MAX_VALUE_BYTES + 1);
    let text = format!(r#"{{"model":"{long}","{long}":1,"usage":{{}}}}"#);
    assert_eq!(scan(&[text.as_bytes()]), [(1, "{}".to_owned())]);
}

#[test]
fn ten_thousand_levels_do_no_harm() {
    let text = format!(
        "{{\"x\":{}{},\"model\":\"m\"}}",
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    assert_eq!(scan(&[text.as_bytes()]), [(0, "\"m\"".to_owned())]);
}

#[test]
fn broken_text_finds_nothing_and_does_not_panic() {
    for text in [
        "",
        "}",
        "]]]]",
        "{\"model\"",
        "{\"model\":",
        "{\"model\":\"",
        "\\\"{",
        "[DONE]",
        "{{{{\"model\":1}",
    ] {
        let _ = scan(&[text.as_bytes()]);
    }
}

const MODEL: &[Path] = &[&["model"]];

/// How often `model` is named, and whether the text is irregular, wherever it is cut.
fn check_model(text: &[u8], expected: (u32, bool)) {
    let scan = |pieces: &[&[u8]]| {
        let mut scanner = KeyScanner::new(MODEL).ignoring_case();
        for piece in pieces {
            let mut rest = *piece;
            while scanner.next(&mut rest).is_some() {}
        }
        (scanner.matched_keys(), scanner.is_irregular())
    };
    let shown = String::from_utf8_lossy(text);
    for cut in 0..=text.len() {
        let (head, tail) = text.split_at(cut);
        assert_eq!(scan(&[head, tail]), expected, "{shown} cut at {cut}");
    }
    let bytes: Vec<&[u8]> = text.chunks(1).collect();
    assert_eq!(scan(&bytes), expected, "{shown} byte by byte");
}

#[test]
fn every_watched_key_counts_and_no_inner_one() {
    for (text, expected) in [
        (r#"{"x":1}"#, 0),
        (r#"{"model":"a"}"#, 1),
        (r#"{"model":"a","model":"b"}"#, 2),
        (r#"{"model":"a","x":{"model":"c"},"model":"b"}"#, 2),
        (r#"{"model":"a","mod\u0065l":"b"}"#, 2),
        (r#"{"\u006D\u006f\u0064\u0065\u006C":"a","model":"b"}"#, 2),
        (r#"{"model":"a","Model":"b","MODEL":"c"}"#, 3),
        (r#"{"model":"a","\u004dodel":"b"}"#, 2),
        (r#"{"model":"a"}{"model":"b"}"#, 2),
        ("{\"model\":\"a\"}\n{\"model\":\"b\"}", 2),
        (r#"{"model":{"model":"b"},"x":1}"#, 1),
        (r#"{"model":["a",{"model":"b"}],"model":"c"}"#, 2),
        (r#"{"model":1,"model":null}"#, 2),
        (r#"{"model":"a","x":[{"model":"b"},["model","c"]]}"#, 1),
        (r#"{"model":"a","x":"\",\"model\":\"b\""}"#, 1),
        (r#"{"model":"a","x":"model","models":"b","mode":"l"}"#, 1),
        (r#"{"model":"a\\","model":"b"}"#, 2),
    ] {
        check_model(text.as_bytes(), (expected, false));
    }
}

#[test]
fn keys_count_even_where_their_values_are_too_long() {
    let long = "x".repeat(MAX_VALUE_BYTES + 1);
    let text = format!(r#"{{"model":"{long}","model":"b"}}"#);
    let mut scanner = KeyScanner::new(MODEL);
    let mut rest = text.as_bytes();
    let found = scanner.next(&mut rest).map(|found| found.value.to_vec());
    assert_eq!(found.as_deref(), Some(b"\"b\"".as_slice()));
    assert_eq!(scanner.matched_keys(), 2);
}

#[test]
fn what_readers_beyond_json_understand_is_irregular() {
    for text in [
        r#"{"model":"a",/*"*/"x":1/*"*/}"#,
        "{\"model\":\"a\",//\n\"x\":1}",
        "{\"model\":\"a\"#\n}",
        r#"{"model":"a",'x':1}"#,
        r#"{"model":"a",model:1}"#,
        r#"{x:1,"model":"a"}"#,
        "\u{feff}{\"model\":\"a\"}",
        "{\"model\":\"a\"}\0",
        "--boundary\r\n_{\"model\":\"a\"}",
    ] {
        check_model(text.as_bytes(), (1, true));
    }
    let utf_16: Vec<u8> = r#"{"model":"a"}"#.encode_utf16().flat_map(u16::to_le_bytes).collect();
    check_model(&utf_16, (0, true));
}

#[test]
fn scalars_of_all_kinds_are_regular() {
    let text = r#" { "model" : "a" , "x" : [ -1.5e+3, true , false,null,NaN,{ } ,[]] , "y" : 1 } "#;
    check_model(text.as_bytes(), (1, false));
}

#[test]
fn a_reset_forgets_what_was_counted() {
    let mut scanner = KeyScanner::new(MODEL);
    let mut rest: &[u8] = br#"{"model":"a",'"#;
    while scanner.next(&mut rest).is_some() {}
    assert_eq!((scanner.matched_keys(), scanner.is_irregular()), (1, true));
    scanner.reset();
    assert_eq!((scanner.matched_keys(), scanner.is_irregular()), (0, false));
}
