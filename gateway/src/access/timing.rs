//! Whether the time of a refusal tells how much of a credential was right. For tests alone: row S7
//! of the security catalogue.
//!
//! Two credentials are guarded by two doors, and every guess, right but for its last characters, is
//! tried at both: at the one it is nearly right, at the other it is wrong from the beginning. Both
//! times are of the same text, because some texts take longer than others wherever they are tried.
//! All that counts is which of the two was the longer one, so that whatever else the machine does
//! makes the measure less sensitive, but does not tip it.

use std::{hint::black_box, time::Instant};

use anyray_wire::anyray::credential::SECRET_BYTES;

use crate::access::random;

/// Guesses at each credential: enough that none of them stands for all, and one for each byte.
const GUESSES: usize = 256;

/// Tries of a measurement, each at both doors.
const TRIES: usize = 40_000;

/// Measurements that all have to show the same difference before it counts as one.
const MEASUREMENTS: usize = 5;

/// Standard deviations of a fair coin from which on a measurement shows a difference: 60 of 100
/// tries that go the same way. A comparison that ends early shows nearly 200, which is all of them.
/// Chance stays below 8; a busy sibling of the core has been seen to make up to 16 of nothing, by
/// less than a nanosecond.
const SHOWN_AT: f64 = 40.0;

/// Two credentials, by what is random in them.
pub(crate) const RIGHT: [[u8; SECRET_BYTES]; 2] = [[0x5a; SECRET_BYTES], [0xc3; SECRET_BYTES]];

/// Guesses at each of the two, in this form.
pub(crate) fn guesses(write: impl Fn(&[u8; SECRET_BYTES]) -> String) -> [Vec<String>; 2] {
    RIGHT.map(|right| {
        let guess = |_| {
            let mut guess = right;
            // 32 of 256 bits are the last six of 43 characters.
            guess[SECRET_BYTES - 4..].copy_from_slice(&random::bytes::<4>());
            write(&guess)
        };
        (0..GUESSES).map(guess).collect()
    })
}

/// Whether `call` takes another time at the door of the credential at which a guess was meant than
/// at the other: by how many standard deviations in each measurement, positive if it takes longer.
///
/// Only `call` is timed; `prepare` makes of a guess what it needs.
pub(crate) fn find_difference<T>(
    guesses: &[Vec<String>; 2],
    prepare: impl Fn(&str) -> T,
    call: impl Fn(usize, &mut T),
) -> Option<Vec<f64>> {
    let mut shown: Vec<f64> = Vec::new();
    for _ in 0..MEASUREMENTS {
        let excess = measure(guesses, &prepare, &call);
        let is_other_way = shown.first().is_some_and(|first| first * excess < 0.0);
        if excess.abs() < SHOWN_AT || is_other_way {
            return None;
        }
        shown.push(excess);
    }
    Some(shown)
}

fn measure<T>(
    guesses: &[Vec<String>; 2],
    prepare: impl Fn(&str) -> T,
    call: impl Fn(usize, &mut T),
) -> f64 {
    let time = |door: usize, guess: &str| {
        let mut guess = black_box(prepare(guess));
        let started = Instant::now();
        call(door, &mut guess);
        started.elapsed()
    };
    let (mut longer, mut shorter) = (0_u32, 0_u32);
    let chances = random::bytes::<{ 2 * TRIES }>();
    for [chance, number] in chances.as_chunks::<2>().0 {
        let meant = usize::from(chance & 1);
        let is_meant_first = chance & 2 == 0;
        let guess = &guesses[meant][usize::from(*number)];
        let (nearly_right, wrong) = if is_meant_first {
            let nearly_right = time(meant, guess);
            (nearly_right, time(1 - meant, guess))
        } else {
            let wrong = time(1 - meant, guess);
            (time(meant, guess), wrong)
        };
        longer += u32::from(nearly_right > wrong);
        shorter += u32::from(nearly_right < wrong);
    }
    let (longer, shorter) = (f64::from(longer), f64::from(shorter));
    (longer - shorter) / (longer + shorter).max(1.0).sqrt()
}

#[cfg(test)]
mod tests {
    use anyray_wire::anyray::credential::{CredentialDigest, write_admin_token};

    use super::*;

    /// What nobody may do: it ends at the first characters that are wrong, of so many at a time.
    fn is_same(guess: &str, right: &str, at_a_time: usize) -> bool {
        let (guess, right) = (guess.as_bytes(), right.as_bytes());
        let mut parts = guess.chunks(at_a_time).zip(right.chunks(at_a_time));
        guess.len() == right.len() && parts.all(|(a, b)| a == b)
    }

    #[test]
    fn a_comparison_that_ends_early_shows() {
        let right = RIGHT.map(|right| write_admin_token(&right));
        let guesses = guesses(write_admin_token);
        for at_a_time in [1, 8, 16] {
            let shown = find_difference(&guesses, str::to_owned, |door, guess| {
                black_box(is_same(guess, &right[door], at_a_time));
            });
            assert!(shown.is_some_and(|shown| shown[0] > 0.0), "{at_a_time}");
        }
    }

    #[test]
    fn one_door_that_is_slower_shows_nothing() {
        let guesses = guesses(write_admin_token);
        let shown = find_difference(&guesses, str::to_owned, |door, guess| {
            for _ in 0..=door * 9 {
                black_box(CredentialDigest::of(guess));
            }
        });
        assert_eq!(shown, None, "standard deviations");
    }

    /// Row S7 of the security catalogue.
    #[test]
    fn s07_digests_take_the_same_time_wherever_they_differ() {
        let right = ["one key", "another"].map(CredentialDigest::of);
        let guesses = right.map(|right| {
            let right = right.to_string();
            let (same, last) = right.split_at(right.len() - 2);
            let others = (0..=u8::MAX).map(|byte| format!("{byte:02x}"));
            // Once more for the place of the right one.
            let others = others.map(|byte| if byte == last { "00".to_owned() } else { byte });
            others.map(|byte| format!("{same}{byte}")).collect()
        });
        let read = |guess: &str| guess.parse::<CredentialDigest>().expect("a digest");
        let shown = find_difference(&guesses, read, |door, guess| {
            black_box(right[door].matches(guess));
        });
        assert_eq!(shown, None, "standard deviations");
    }
}
