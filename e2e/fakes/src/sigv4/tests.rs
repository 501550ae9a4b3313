//! Claims about `sigv4`, most of them AWS's own test vectors.
//!
//! Source: the suite `aws-signing-test-suite/v4` of
//! <https://github.com/awslabs/aws-c-auth>, signed with its example keys.

use http::{Method, Request};

use super::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const SENT_AT: &str = "20150830T123600Z";
const HOST: (&str, &str) = ("host", "example.amazonaws.com");
const DATE: (&str, &str) = ("x-amz-date", SENT_AT);

/// The token of `post-sts-header-before`.
const TOKEN: &str = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGB\
                     uFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1Nt\
                     BmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNV\
                     XAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9F\
                     X9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";

fn parts(method: &Method, target: &str, headers: &[(&str, &str)]) -> Parts {
    let request = Request::builder().method(method).uri(target);
    let request = headers.iter().fold(request, |request, (name, value)| {
        request.header(*name, *value)
    });
    request.body(()).expect("a request").into_parts().0
}

fn authorization<'a>(signed_headers: &[&'a str]) -> Authorization<'a> {
    Authorization {
        access_key_id: "AKIDEXAMPLE",
        date: "20150830",
        region: "us-east-1",
        service: "service",
        terminator: TERMINATOR,
        signed_headers: signed_headers.to_vec(),
        signature: "",
    }
}

/// The signature of a request that signs all its headers.
fn sign(method: &Method, target: &str, more_headers: &[(&str, &str)], body: &str) -> String {
    let headers = [&[HOST, DATE], more_headers].concat();
    let mut names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    names.dedup();
    let parts = parts(method, target, &headers);
    let canonical = canonical_request(&parts, body.as_bytes(), &names);
    let authorization = authorization(&names);
    authorization.sign(SECRET, &string_to_sign(&authorization, SENT_AT, &canonical))
}

#[test]
fn requests_without_a_body_are_signed_as_in_the_suite() {
    let get = Method::GET;
    for (name, target, headers, signature) in [
        (
            "get-vanilla",
            "/",
            &[][..],
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            "get-utf8",
            "/ሴ",
            &[],
            "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
        ),
        (
            "get-vanilla-utf8-query",
            "/?ሴ=bar",
            &[],
            "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
        ),
        (
            "get-vanilla-query-order-encoded",
            "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
            &[],
            "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
        ),
        (
            "get-header-key-duplicate",
            "/",
            &[
                ("my-header1", "value2"),
                ("my-header1", "value2"),
                ("my-header1", "value1"),
            ],
            "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
        ),
        (
            "get-header-value-trim",
            "/",
            &[("my-header1", " value1"), ("my-header2", " \"a   b   c\"")],
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ),
        (
            "get-slash-dot-slash-normalized",
            "/./",
            &[],
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            "get-relative-relative-normalized",
            "/example1/example2/../..",
            &[],
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
    ] {
        assert_eq!(sign(&get, target, headers, ""), signature, "{name}");
    }
}

#[test]
fn posts_are_signed_as_in_the_suite() {
    let post = Method::POST;
    let form = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("content-length", "13"),
        (
            "x-amz-content-sha256",
            "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e",
        ),
    ];
    for (name, headers, body, signature) in [
        (
            "post-header-key-case",
            &[][..],
            "",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            "post-sts-header-before",
            &[("x-amz-security-token", TOKEN)],
            "",
            "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
        ),
        (
            "post-x-www-form-urlencoded",
            &form,
            "Param1=value1",
            "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
        ),
    ] {
        assert_eq!(sign(&post, "/", headers, body), signature, "{name}");
    }
}

#[test]
fn an_encoded_path_is_encoded_once_more() {
    for (path, canonical) in [
        (
            "/test/@connections/JBDvjfGEIAMCERw%3D",
            "/test/%40connections/JBDvjfGEIAMCERw%253D",
        ),
        (
            "/model/anthropic.claude-v1:0/invoke",
            "/model/anthropic.claude-v1%3A0/invoke",
        ),
        ("/model/a%2Fb/converse", "/model/a%252Fb/converse"),
    ] {
        assert_eq!(canonical_path(path), canonical, "{path}");
    }
}

#[test]
fn an_authorization_is_read_with_and_without_blanks() {
    let expected = Authorization {
        signature: "0f",
        ..authorization(&["host", "x-amz-date"])
    };
    for separator in [", ", ","] {
        let value = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request\
             {separator}SignedHeaders=host;x-amz-date{separator}Signature=0f"
        );
        assert_eq!(Authorization::parse(&value), Ok(expected.clone()));
    }
}

#[test]
fn what_is_missing_in_an_authorization_is_named() {
    use ParseAuthorizationError as Error;
    for (value, error) in [
        ("Bearer k", Error::FindAlgorithm),
        (
            "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, Bearer k",
            Error::SplitPair("Bearer k".to_owned()),
        ),
        (
            "AWS4-HMAC-SHA256 Signature=0f",
            Error::FindParameter("Credential"),
        ),
        (
            "AWS4-HMAC-SHA256 Credential=a/b/c/d/e",
            Error::FindParameter("SignedHeaders"),
        ),
        (
            "AWS4-HMAC-SHA256 Credential=a/b",
            Error::SplitCredential("a/b".to_owned()),
        ),
    ] {
        assert_eq!(Authorization::parse(value), Err(error), "{value}");
    }
}
