//! Texts in, the same texts with one change out.

use proptest::{collection::vec, prelude::*};

use super::*;

fn check(json: &str, paths: &[&str], expected: &Left) {
    let cut = Cut::new(paths.iter().copied());
    assert_eq!(&cut.apply(json), expected, "{paths:?} of {json}");
}

fn changed(json: &str) -> Left {
    Left::Changed(json.to_owned())
}

#[test]
fn paths_lead_through_members_and_elements() {
    let member = |name: &str| Step::Member(name.to_owned());
    assert_eq!(read_path("a"), [member("a")]);
    let expected = [member("a"), Step::Each, member("b"), Step::Each];
    assert_eq!(read_path("a[].b[]"), expected);
    assert_eq!(read_path("[].b"), [Step::Each, member("b")]);
    let condition = |name: &str, value: &str| Step::Where(name.to_owned(), value.to_owned());
    let expected = [member("a"), Step::Each, condition("type", "b")];
    assert_eq!(read_path("a[type=b]"), expected);
    let expected = [member("a"), Step::Each, condition("b", "[]")];
    assert_eq!(read_path("a[b=[]]"), expected);
}

#[test]
fn a_member_goes_and_the_others_keep_their_bytes() {
    let json = r#"{"a": 1.0, "b":"\u00e4\/", "a":2,"c" : [ 1 ]}"#;
    check(json, &["a"], &changed(r#"{"b":"\u00e4\/","c":[ 1 ]}"#));
    check(r#"{"a":1}"#, &["a"], &changed("{}"));
}

#[test]
fn members_go_from_each_element_that_has_them() {
    let json = r#"[{"x":{"s":1,"t": 2}}, "text", {"x" : {"t":2}}, {"x":{"s":3}}]"#;
    let expected = r#"[{"x":{"t":2}},"text",{"x" : {"t":2}},{"x":{}}]"#;
    check(json, &["[].x.s"], &changed(expected));
}

#[test]
fn many_paths_are_followed_at_once() {
    let json = r#"{"a":[{"b":1,"c":2,"d":{"e":3}}],"f":4,"g": 5}"#;
    let paths = ["a[].b", "f", "a[].d.e", "a[].b.x"];
    check(json, &paths, &changed(r#"{"a":[{"c":2,"d":{}}],"g":5}"#));
}

#[test]
fn elements_of_a_type_go_and_what_they_leave_empty_goes_with_them() {
    let paths = ["[].c[type=x]", "[].c[type=y]"];
    let json = r#"[{"c":[{"type":"x"},{"type": "z"}]},{"c":[{"a":1,"type":"\u0079"},{"type":"x"}]},{"c":[]}]"#;
    let expected = r#"[{"c":[{"type": "z"}]},{"c":[]}]"#;
    check(json, &paths, &changed(expected));
    check(r#"[{"c":[{"type":"x"}]}]"#, &paths, &Left::Nothing);
    check(
        r#"[{"c":["x",{"type":["x"]},{"t":"x"}]}]"#,
        &paths,
        &Left::All,
    );
}

#[test]
fn what_the_path_does_not_lead_to_stays() {
    for json in [
        r#"{"b":1}"#,
        r#"{"b":{"a":1}}"#,
        "[]",
        r#""a""#,
        "null",
        "{",
    ] {
        check(json, &["a"], &Left::All);
        check(json, &["a.c", "b[].a"], &Left::All);
        check(json, &["b[type=a]"], &Left::All);
    }
}

#[test]
fn only_the_top_levels_model_is_replaced() {
    let body = br#" {"x":{"model":"inner"}, "mod\u0065l" :  "old" , "n":1.50} "#;
    let expected: &[u8] = br#" {"x":{"model":"inner"}, "mod\u0065l" :  "new\"" , "n":1.50} "#;
    assert_eq!(with_model(body, "new\"").as_deref(), Some(expected));
}

#[test]
fn a_model_that_is_not_named_once_is_not_replaced() {
    for body in [
        "{}",
        r#"{"x":{"model":"a"}}"#,
        r#"{"model":"a","model":"b"}"#,
        r#"{"model":"a","mod\u0065l":"b"}"#,
        r#"[{"model":"a"}]"#,
        r#"{"model":"a"} {}"#,
        r#"{"model":"a""#,
    ] {
        assert_eq!(with_model(body.as_bytes(), "x"), None, "{body}");
    }
}

/// JSON texts as nobody's serialiser writes them.
pub(crate) fn any_value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("1.50e+02".to_owned()),
        Just(r#""\u00e4\/\ud83d\ude00""#.to_owned()),
        Just("-0".to_owned()),
        Just("123456789012345678901234567890".to_owned()),
        "[a-z ]{0,9}".prop_map(|text| format!("\"{text}\"")),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|all| format!("[ {} ]", all.join(" , "))),
            vec(inner, 0..4).prop_map(|all| {
                let members = all.iter().enumerate();
                let members = members.map(|(index, value)| format!("\"k{index}\" :\t{value}"));
                format!("{{{}\n}}", members.collect::<Vec<_>>().join(","))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_new_model_changes_nothing_but_the_old_one(
        before in vec(any_value(), 0..4),
        old in any_value(),
        after in vec(any_value(), 0..4),
        space in "[ \n\r\t]{0,3}",
        model in any::<String>(),
    ) {
        let member = |(index, value): (usize, &String)| format!("{space}\"k{index}\"{space}:{value}");
        let before: String = before.iter().enumerate().map(member).map(|one| one + ",").collect();
        let after: String = after.iter().enumerate().map(member).map(|one| format!(",{one}")).collect();
        let write = |model: &str| {
            format!("{space}{{{before}{space}\"model\"{space}:{space}{model}{space}{after}}}{space}")
        };
        let changed = with_model(write(&old).as_bytes(), &model).expect("one model");
        let expected = write(&write_string(&model));
        prop_assert_eq!(&changed[..], expected.as_bytes());
        let read: serde_json::Value = serde_json::from_slice(&changed).expect("JSON");
        prop_assert_eq!(read["model"].as_str(), Some(model.as_str()));
    }

    #[test]
    fn what_is_left_keeps_its_bytes(values in vec(any_value(), 1..6), gone in any::<proptest::sample::Index>()) {
        let members: Vec<_> = values.iter().enumerate().map(|(index, value)| (format!("k{index}"), value)).collect();
        let gone = gone.index(members.len());
        let write = |members: &[(String, &String)]| write_object(members.iter().map(|(key, value)| (key, value)));
        let left = [&members[..gone], &members[gone + 1..]].concat();
        let name = &members[gone].0;
        let cut = Cut::new([&*format!("[].{name}")].into_iter());
        let expected = changed(&format!("[1,{},{{}}]", write(&left)));
        prop_assert_eq!(cut.apply(&format!("[1, {} , {{}}]", write(&members))), expected);
        prop_assert_eq!(Cut::new([&**name].into_iter()).apply(&write(&left)), Left::All);
    }

    #[test]
    fn bytes_of_any_kind_do_no_harm(bytes in vec(any::<u8>(), 0..64), text in any::<String>()) {
        for bytes in [&bytes[..], text.as_bytes()] {
            with_model(bytes, "x");
        }
        prop_assert_eq!(Cut::new(["a[].b", "a[type=b]"].into_iter()).apply(&text), Left::All);
    }
}
