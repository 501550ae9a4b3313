//! Whether the time that something takes tells two kinds of texts apart. For tests alone: row S7
//! of the security catalogue.
//!
//! Times are compared in pairs, one text of each kind right after the other and either one first
//! by chance, and all that counts is which of the two took longer: what else the machine does then
//! makes the measure less sensitive, but does not tip it.

use std::{hint::black_box, time::Instant};

use anyray_wire::anyray::credential::SECRET_BYTES;

use crate::random;

/// Texts of each kind: enough that none of them stands for its kind.
const TEXTS: usize = 256;

/// Bytes of randomness for the order within pairs, 8 pairs each.
const ORDER_BYTES: usize = 5_000;

/// Measurements that all have to show the same difference before it counts as one.
const MEASUREMENTS: usize = 5;

/// Standard deviations of a fair coin at which a measurement shows a difference. Chance leads
/// there less than once in 10^14; with 40,000 pairs it takes 52 of 100 of them.
const SHOWN_AT: f64 = 8.0;

/// What takes longer for texts of one kind: by how many standard deviations in each measurement,
/// positive if the second kind does.
///
/// Only `call` is timed; `prepare` makes of a text what it needs.
pub(crate) fn find_difference<T>(
    kinds: &[Vec<String>; 2],
    prepare: impl Fn(&str) -> T,
    call: impl Fn(&mut T),
) -> Option<Vec<f64>> {
    let mut shown: Vec<f64> = Vec::new();
    for _ in 0..MEASUREMENTS {
        let excess = measure(kinds, &prepare, &call);
        let is_other_way = shown.first().is_some_and(|first| first * excess < 0.0);
        if excess.abs() < SHOWN_AT || is_other_way {
            return None;
        }
        shown.push(excess);
    }
    Some(shown)
}

fn measure<T>(
    [first, second]: &[Vec<String>; 2],
    prepare: impl Fn(&str) -> T,
    call: impl Fn(&mut T),
) -> f64 {
    let time = |text: &str| {
        let mut input = black_box(prepare(text));
        let started = Instant::now();
        call(&mut input);
        started.elapsed()
    };
    let order = random::bytes::<ORDER_BYTES>();
    let order = order
        .iter()
        .flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1));
    let (mut longer, mut shorter) = (0_u32, 0_u32);
    let pairs = first.iter().zip(second).cycle();
    for ((first, second), is_second_first) in pairs.zip(order) {
        let (first, second) = if is_second_first {
            let second = time(second);
            (time(first), second)
        } else {
            (time(first), time(second))
        };
        longer += u32::from(second > first);
        shorter += u32::from(second < first);
    }
    let (longer, shorter) = (f64::from(longer), f64::from(shorter));
    (longer - shorter) / (longer + shorter).max(1.0).sqrt()
}

/// Two kinds of guesses at a credential: wrong from the first character on, and right but for the
/// last few.
pub(crate) fn guesses(
    right: &[u8; SECRET_BYTES],
    write: impl Fn(&[u8; SECRET_BYTES]) -> String,
) -> [Vec<String>; 2] {
    let wrong = || {
        let mut guess = random::bytes::<SECRET_BYTES>();
        guess[0] = right[0] ^ 0x80;
        write(&guess)
    };
    let nearly_right = || {
        let mut guess = *right;
        // 32 of 256 bits are the last six of 43 characters.
        guess[SECRET_BYTES - 4..].copy_from_slice(&random::bytes::<4>());
        write(&guess)
    };
    [
        (0..TEXTS).map(|_| wrong()).collect(),
        (0..TEXTS).map(|_| nearly_right()).collect(),
    ]
}

#[cfg(test)]
mod tests {
    use anyray_wire::anyray::credential::{CredentialDigest, write_admin_token};

    use super::*;

    const RIGHT: [u8; SECRET_BYTES] = [0x5a; SECRET_BYTES];

    /// What nobody may do: it ends at the first character that is wrong.
    fn is_same(guess: &str, right: &str) -> bool {
        guess.len() == right.len() && guess.bytes().zip(right.bytes()).all(|(a, b)| a == b)
    }

    /// Digests that differ from this one in the first byte and in all others, and in the last one
    /// alone.
    fn digests(right: &str) -> [Vec<String>; 2] {
        let (head, tail) = ("sha256:".len(), right.len() - 2);
        let (first, last) = (&right[head..head + 2], &right[tail..]);
        let others = |known: &str| {
            let others = (0..=u8::MAX).map(|byte| format!("{byte:02x}"));
            others.filter(|other| other != known).collect::<Vec<_>>()
        };
        let wrong = others(first).into_iter().map(|byte| {
            let rest = CredentialDigest::of(&byte).to_string();
            format!("sha256:{byte}{}", &rest[head + 2..])
        });
        let nearly_right = others(last)
            .into_iter()
            .map(|byte| format!("{}{byte}", &right[..tail]));
        [wrong.collect(), nearly_right.collect()]
    }

    #[test]
    fn a_comparison_that_ends_early_shows() {
        let kinds = guesses(&RIGHT, write_admin_token);
        let right = write_admin_token(&RIGHT);
        let shown = find_difference(&kinds, str::to_owned, |guess| {
            black_box(is_same(guess, &right));
        });
        assert!(shown.is_some_and(|shown| shown[0] > 0.0));
    }

    #[test]
    fn what_does_not_look_at_the_text_shows_nothing() {
        let kinds = guesses(&RIGHT, write_admin_token);
        let shown = find_difference(&kinds, str::to_owned, |guess| {
            black_box(guess.len());
        });
        assert_eq!(shown, None);
    }

    /// Row S7 of the security catalogue.
    #[test]
    fn s07_digests_take_the_same_time_wherever_they_differ() {
        let right = CredentialDigest::of("a key");
        let kinds = digests(&right.to_string());
        let read = |text: &str| text.parse::<CredentialDigest>().expect("a digest");
        let shown = find_difference(&kinds, read, |digest| {
            black_box(right.matches(digest));
        });
        assert_eq!(shown, None, "standard deviations");
    }
}
