//! The memory of the token servers: what they issued, and until when it is good.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::Mutex,
    time::Duration,
};

use crate::{
    director::Director,
    identity::long_id,
    recorder::{Recorder, lock},
    scenario::{ParseScenarioError, Scenario},
};

/// How long a token lives, unless a test says otherwise: as long as the real ones.
const LIFE: Duration = Duration::from_secs(3599);

/// Most tokens that are known at a time; beyond, all are forgotten.
const MAX_TOKENS: usize = 10_000;

/// A token, as its client gets it.
pub(crate) struct Issued {
    pub(crate) token: String,
    /// Seconds that it lives.
    pub(crate) life_s: u64,
}

/// What the token servers of one fake got and issued, and what they are told to do.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    pub(crate) director: Director,
    pub(crate) recorder: Recorder,
    book: Mutex<Book>,
}

#[derive(Debug)]
struct Book {
    /// By token.
    known: HashMap<String, Known>,
    issued: u64,
    life: Duration,
    /// Sets the tokens of two fakes apart.
    seed: u64,
}

#[derive(Debug)]
struct Known {
    audience: String,
    /// Unix time in seconds.
    expires_at: u64,
}

impl Default for Book {
    fn default() -> Self {
        Self {
            known: HashMap::new(),
            issued: 0,
            life: LIFE,
            seed: RandomState::new().hash_one(0_u64),
        }
    }
}

impl Tokens {
    /// What to do with the next request for a token.
    ///
    /// # Errors
    ///
    /// There is none: no model is named.
    pub(crate) fn choose(&self) -> Result<Scenario, ParseScenarioError> {
        self.director.choose("")
    }

    /// Issues a token for an audience; `prefix` is its issuer's, `now` Unix time in
    /// seconds.
    pub(crate) fn issue(&self, prefix: &str, audience: &str, now: u64) -> Issued {
        let mut book = lock(&self.book);
        book.issued += 1;
        let token = long_id(prefix, book.seed.wrapping_add(book.issued));
        if book.known.len() >= MAX_TOKENS {
            book.known.clear();
        }
        let life_s = book.life.as_secs();
        let known = Known {
            audience: audience.to_owned(),
            expires_at: now + life_s,
        };
        book.known.insert(token.clone(), known);
        Issued { token, life_s }
    }

    /// Whom a token that is still good may be shown to.
    pub(crate) fn find_audience(&self, token: &str, now: u64) -> Option<String> {
        let book = lock(&self.book);
        let known = book.known.get(token)?;
        (now < known.expires_at).then(|| known.audience.clone())
    }

    pub(crate) fn count_issued(&self) -> u64 {
        lock(&self.book).issued
    }

    pub(crate) fn set_life(&self, life: Duration) {
        lock(&self.book).life = life;
    }

    pub(crate) fn revoke_all(&self) {
        lock(&self.book).known.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_good_until_they_expire() {
        let tokens = Tokens::default();
        let issued = tokens.issue("ya29.", "a", 1_000);
        let expires_at = 1_000 + issued.life_s;
        let find = |now| tokens.find_audience(&issued.token, now);
        assert_eq!(find(expires_at - 1).as_deref(), Some("a"));
        assert_eq!(find(expires_at), None);
        assert_eq!(tokens.find_audience("ya29.other", 1_000), None);
    }

    #[test]
    fn a_new_life_is_for_new_tokens() {
        let tokens = Tokens::default();
        let first = tokens.issue("", "a", 0);
        tokens.set_life(Duration::from_secs(5));
        let second = tokens.issue("", "a", 0);
        assert_eq!(second.life_s, 5);
        assert!(tokens.find_audience(&first.token, 5).is_some());
        assert!(tokens.find_audience(&second.token, 5).is_none());
    }

    #[test]
    fn revoked_tokens_are_counted_all_the_same() {
        let tokens = Tokens::default();
        let issued = tokens.issue("", "a", 0);
        tokens.revoke_all();
        assert!(tokens.find_audience(&issued.token, 0).is_none());
        assert_eq!(tokens.count_issued(), 1);
    }

    #[test]
    fn no_two_fakes_issue_the_same_token() {
        let issue = || Tokens::default().issue("", "a", 0).token;
        assert_ne!(issue(), issue());
    }
}
