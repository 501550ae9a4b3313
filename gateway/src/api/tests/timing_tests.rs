//! That the time of a refusal tells nobody how much of an admin token was right.

use std::hint::black_box;

use anyray_wire::anyray::credential::{SECRET_BYTES, write_admin_token};
use http::{HeaderValue, header::AUTHORIZATION};

use super::*;
use crate::access::timing;

/// A gateway with this admin token.
fn door(secret: &[u8; SECRET_BYTES]) -> Gateway {
    let gateway = Gateway::new();
    let snapshot = load(gateway.folder.path(), ADMIN, &write_admin_token(secret));
    gateway.app.accept_config(snapshot, Timestamp::UNIX_EPOCH);
    gateway
}

/// Row S7 of the security catalogue.
#[tokio::test]
async fn s07_a_refusal_takes_the_same_time_however_much_of_an_admin_token_is_right() {
    let doors = timing::RIGHT.map(|secret| door(&secret));
    let guesses = timing::guesses(write_admin_token);
    let headers = |guess: &str| {
        let value = HeaderValue::try_from(format!("Bearer {guess}"));
        HeaderMap::from_iter([
            (header::HOST, HeaderValue::from_static("localhost:8787")),
            (AUTHORIZATION, value.expect("a header")),
        ])
    };
    let authorize =
        |door: usize, headers: &HeaderMap| admin::authorize(&doors[door].worker, headers);
    for (door, secret) in timing::RIGHT.iter().enumerate() {
        assert!(authorize(door, &headers(&write_admin_token(secret))).is_ok());
    }
    for (door, guess) in guesses.iter().flatten().enumerate() {
        assert!(authorize(door % 2, &headers(guess)).is_err());
    }
    let shown = timing::find_difference(&guesses, headers, |door, headers| {
        let _ = black_box(authorize(door, headers));
    });
    assert_eq!(shown, None, "standard deviations");
}
