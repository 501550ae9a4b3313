//! What is hidden, and what is not.

use super::*;

const KEY: &str = "ark_0123456789ab_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789abcdefgSUMSUM";
const CODE: &str = "ari_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789abcdefgSUMABC";

#[test]
fn our_credentials_keep_four_characters() {
    for (text, expected) in [
        (KEY.to_owned(), "ark_…MSUM"),
        (CODE.to_owned(), "ari_…MABC"),
        (format!("the key {KEY}, and"), "the key ark_…MSUM, and"),
        (format!("--invite {CODE}"), "--invite ari_…MABC"),
        (format!(r"a: b\n{KEY}\nc"), r"a: b\nark_…MSUM\nc"),
        ("ark_short".to_owned(), "ark_…"),
        (format!("//{KEY}"), "//ark_…MSUM"),
        (format!("X{CODE}"), "Xari_…MABC"),
        ("ar-adm-AbCdEfGhIjKlMnOpQrStUvWxYz01".to_owned(), "ar-adm-…"),
    ] {
        assert_eq!(mask(&text), expected);
    }
}

#[test]
fn credentials_of_others_are_known_by_how_they_begin() {
    for (text, expected) in [
        ("sk-ant-api03-AbCdEfGhIjKlMnOp", "sk-ant-…"),
        ("sk-proj-AbCdEfGhIjKl1234", "sk-proj-…"),
        ("(sk-AbCdEfGhIjKlMnOp12)", "(sk-…)"),
        ("x AIzaSyAbCdEfGhIjKlMnOpQrStUvWxYz012345 y", "x AIza… y"),
        ("ghp_AbCdEfGhIjKlMnOp0123", "ghp_…"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.AbC-_d", "eyJ…"),
    ] {
        assert_eq!(mask(text), expected);
    }
}

#[test]
fn values_are_known_by_their_names() {
    for (text, expected) in [
        // Shells.
        (
            "export OPENAI_API_KEY=abc # why",
            "export OPENAI_API_KEY=… # why",
        ),
        (
            "export OPENAI_API_KEY='a b' B=c",
            "export OPENAI_API_KEY='…' B=c",
        ),
        (r"TOKEN='a'\''b'; x", "TOKEN='…'; x"),
        (r#"TOKEN="a\"b c" x"#, r#"TOKEN="…" x"#),
        (r"set -gx TOKEN 'a\'b c'; x", "set -gx TOKEN '…'; x"),
        ("set -g -x my_token abc", "set -g -x my_token …"),
        ("TOKEN=a\"b c\"d e", "TOKEN=… e"),
        (
            "alias x=\"PASSWORD=abc claude\" # y",
            "alias x=\"PASSWORD=… claude\" # y",
        ),
        (": ${TOKEN:=abc}", ": ${TOKEN:=…"),
        (
            "tool --api-key abc --auth-token=def x",
            "tool --api-key … --auth-token=… x",
        ),
        (
            "curl -H 'x-api-key: abc' -H y",
            "curl -H 'x-api-key: …' -H y",
        ),
        ("PASSWORD=1234", "PASSWORD=…"),
        ("TOKEN='never closed", "TOKEN='…"),
        // JSON.
        (r#"  "apiKey": "abc","#, r#"  "apiKey": "…","#),
        (
            r#"{"clientSecret":"a\"b","c":"d"}"#,
            r#"{"clientSecret":"…","c":"d"}"#,
        ),
        (
            r#""ANTHROPIC_CUSTOM_HEADERS": "x-team: a\nx-api-key: abc\nAuthorization: Bearer def""#,
            r#""ANTHROPIC_CUSTOM_HEADERS": "x-team: a\nx-api-key: …\nAuthorization: Bearer …""#,
        ),
        (
            r#""a": "{\"token\": \"abc\", \"b\": 1}""#,
            r#""a": "{\"token\": \"…\", \"b\": 1}""#,
        ),
        // TOML.
        (
            "experimental_bearer_token = \"abc\" # why",
            "experimental_bearer_token = \"…\" # why",
        ),
        (
            "http_headers = { \"x-api-key\" = \"abc\", \"x-team\" = \"b\" }",
            "http_headers = { \"x-api-key\" = \"…\", \"x-team\" = \"b\" }",
        ),
        ("a.password = 'abc'", "a.password = '…'"),
        // Headers and addresses.
        ("Authorization: Bearer abc", "Authorization: Bearer …"),
        ("authorization: abc", "authorization: …"),
        (
            "https://ada:abc@example.com/x",
            "https://ada:…@example.com/x",
        ),
        (
            "https://example.com/?api_key=abc&b=c",
            "https://example.com/?api_key=…&b=c",
        ),
    ] {
        assert_eq!(mask(text), expected);
        assert_eq!(mask(expected), expected, "hidden twice");
    }
}

#[test]
fn what_is_no_secret_stays() {
    for text in [
        "",
        "https://llm.example.com/v1",
        "https://sk-1234567890abcdefghij.example.com/sk-learn",
        "https://my-token:8443/key:80/x@y",
        "export TOKEN_URL=https://example.com/a?b=c",
        "API_KEY=https://example.com",
        "export OPENAI_API_KEY='anyray-placeholder'",
        "set -gx OPENAI_API_KEY 'anyray-placeholder'",
        "\"ANTHROPIC_AUTH_TOKEN\": \"anyray-placeholder\",",
        "env_key = \"OPENAI_API_KEY\"",
        "\"apiKeyHelper\": \"~/bin/key\"",
        "export OPENAI_API_KEY=\"$OTHER_KEY\"",
        "export OPENAI_API_KEY=$(pass show key)",
        "export OPENAI_API_KEY=",
        "set -e OPENAI_API_KEY",
        "unset OPENAI_API_KEY",
        "\"max_tokens\": 4096, \"token\": 5, \"has_key\": true",
        "requires_openai_auth = true",
        "model_reasoning_effort = \"high\"",
        "x-anyray-auth-mode: passthrough",
        r#"x-anyray-metadata: {\"user\":\"ada@example.com\"}"#,
        "if [ \"$TOKEN\" == \"x\" ]; then",
        "[ \"$TOKEN\" != x ] && Secret::new",
        "the dark_mode_enabled one",
        "use sk-learn-and-other-long-words here",
        "risk-averse-1234567890123456",
        "# >>> anyray-connect >>>",
        "ark_…WXYZ and ari_…",
        "key",
        "ünïcödé = \"ä\"",
    ] {
        assert_eq!(mask(text), text);
    }
}

#[test]
fn lines_stay_lines() {
    let text = "a\r\nTOKEN=abc\r\n\nTOKEN='abc";
    assert_eq!(mask(text), "a\r\nTOKEN=…\r\n\nTOKEN='…");
}

#[test]
fn a_private_key_is_hidden_in_all_its_lines() {
    let text = "K='-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4\n\nAbC+/=\nAbC\n-----END RSA PRIVATE KEY-----'\nx=1\n";
    let expected =
        "K='-----BEGIN RSA PRIVATE KEY-----\n…\n\n…\n…\n-----END RSA PRIVATE KEY-----'\nx=1\n";
    assert_eq!(mask(text), expected);
    let harmless = "# -----BEGIN PRIVATE KEY-----\nnot = base64\nabc\n";
    assert_eq!(mask(harmless), harmless);
}

#[test]
fn a_secret_is_hidden_whatever_it_looks_like() {
    for (secret, expected) in [
        ("", ""),
        ("anyray-placeholder", "anyray-placeholder"),
        ("hunter2", "…"),
        ("ark_ääää", "ark_…"),
        (KEY, "ark_…MSUM"),
        ("Bearer sk-ant-a", "Bearer sk-ant-…"),
    ] {
        assert_eq!(mask_secret(secret), expected);
    }
}

#[test]
fn no_text_breaks_it_and_no_key_of_ours_gets_through() {
    let parts = [
        KEY,
        CODE,
        "TOKEN",
        "=",
        ":",
        " ",
        "\"",
        "'",
        "\\",
        "\n",
        "\r",
        "ä",
        "…",
        "//",
        "@",
        "{",
        "}",
        "set -gx ",
        "--",
        "$",
        "(",
        "key",
        "Bearer ",
        "eyJ",
        "sk-",
        ",",
        "#",
        "1",
        "-----BEGIN PRIVATE KEY-----",
    ];
    let mut random: u64 = 1;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..12 {
            // Knuth's linear congruential generator; its high bits are the random ones.
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let choice = usize::try_from(random >> 40).expect("24 bits") % parts.len();
            text.push_str(parts[choice]);
        }
        let masked = mask(&text);
        assert_eq!(
            masked.matches('\n').count(),
            text.matches('\n').count(),
            "{text:?}"
        );
        for key in [KEY, CODE] {
            assert!(!masked.contains(key), "{text:?} became {masked:?}");
        }
    }
}
