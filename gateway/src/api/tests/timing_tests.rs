//! That the time of a refusal tells nobody how much of an admin token was right.

use std::hint::black_box;

use anyray_wire::anyray::credential::{SECRET_BYTES, write_admin_token};
use http::{HeaderValue, header::AUTHORIZATION};

use super::*;
use crate::timing;

/// Row S7 of the security catalogue.
#[tokio::test]
async fn s07_a_refusal_takes_the_same_time_however_much_of_an_admin_token_is_right() {
    let right = [1; SECRET_BYTES];
    let gateway = Gateway::new();
    let snapshot = load(gateway.folder.path(), ADMIN, &write_admin_token(&right));
    gateway.app.accept_config(snapshot, Timestamp::UNIX_EPOCH);
    let kinds = timing::guesses(&right, write_admin_token);
    let headers = |guess: &str| {
        let value = HeaderValue::try_from(format!("Bearer {guess}"));
        HeaderMap::from_iter([
            (header::HOST, HeaderValue::from_static("localhost:8787")),
            (AUTHORIZATION, value.expect("a header")),
        ])
    };
    let authorize = |headers: &HeaderMap| admin::authorize(&gateway.worker, headers);
    for guess in kinds.iter().flatten() {
        assert!(authorize(&headers(guess)).is_err());
    }
    let shown = timing::find_difference(&kinds, headers, |headers| {
        let _ = black_box(authorize(headers));
    });
    assert_eq!(shown, None, "standard deviations");
    assert!(authorize(&headers(&write_admin_token(&right))).is_ok());
}
