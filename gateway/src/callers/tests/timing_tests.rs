//! That the time of a refusal tells nobody how much of a key was right.

use std::hint::black_box;

use futures::FutureExt as _;
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

use super::*;
use crate::{auth, timing};

/// Row S7 of the security catalogue.
#[tokio::test]
async fn s07_a_refusal_takes_the_same_time_however_much_of_a_key_is_right() {
    let folder = folder();
    let callers = callers(folder.path());
    callers.access.put_key(&key(1, json!({})));
    let kinds = timing::guesses(&[1; SECRET_BYTES], |secret| write_client_key(id(1), secret));
    let headers = |guess: &str| {
        let value = HeaderValue::try_from(format!("Bearer {guess}"));
        HeaderMap::from_iter([(AUTHORIZATION, value.expect("a header"))])
    };
    let ask = |headers: &HeaderMap| {
        let mut presented = auth::read(headers)?;
        // The key's id is known, so that nothing is asked of the store.
        let answer = callers.authenticate(&mut presented).now_or_never();
        answer.expect("an answer at once")
    };
    for guess in kinds.iter().flatten() {
        let refused = ask(&headers(guess)).err();
        assert_eq!(refused, Some(GatewayError::KeyUnknown));
    }
    let shown = timing::find_difference(&kinds, headers, |headers| {
        let _ = black_box(ask(headers));
    });
    assert_eq!(shown, None, "standard deviations");
}
