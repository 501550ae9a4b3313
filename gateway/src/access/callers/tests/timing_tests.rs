//! That the time of a refusal tells nobody how much of a key was right.

use std::hint::black_box;

use futures::FutureExt as _;
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

use super::*;
use crate::{access::timing, inbound::auth};

/// A gateway whose only key has this secret.
fn door(folder: &Path, secret: &[u8; SECRET_BYTES]) -> Callers {
    let callers = callers(folder);
    let mut key = key(1, json!({}));
    let known = key.spec.key.as_mut().expect("a known key");
    known.hash = CredentialDigest::of(&write_client_key(id(1), secret)).to_string();
    callers.access.put_key(&key);
    callers
}

/// Row S7 of the security catalogue.
#[tokio::test]
async fn s07_a_refusal_takes_the_same_time_however_much_of_a_key_is_right() {
    let folder = folder();
    let doors = timing::RIGHT.map(|secret| door(folder.path(), &secret));
    let guesses = timing::guesses(|secret| write_client_key(id(1), secret));
    let headers = |guess: &str| {
        let value = HeaderValue::try_from(format!("Bearer {guess}"));
        HeaderMap::from_iter([(AUTHORIZATION, value.expect("a header"))])
    };
    let ask = |door: usize, headers: &HeaderMap| {
        let mut presented = auth::read(headers)?;
        // The key's id is known, so that nothing is asked of the store.
        let answer = doors[door].authenticate(&mut presented).now_or_never();
        answer.expect("an answer at once")
    };
    for (door, guess) in guesses.iter().flatten().enumerate() {
        let refused = ask(door % 2, &headers(guess)).err();
        assert_eq!(refused, Some(GatewayError::KeyUnknown));
    }
    let shown = timing::find_difference(&guesses, headers, |door, headers| {
        let _ = black_box(ask(door, headers));
    });
    assert_eq!(shown, None, "standard deviations");
}
