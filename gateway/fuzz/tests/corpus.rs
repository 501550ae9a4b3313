//! Every fuzz target holds for its committed inputs, whole and changed.
//!
//! The changes are drawn from a fixed seed, so that a run finds what the run before it found;
//! `make soak` looks further, with libFuzzer.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by a panic"
)]

use std::{fs, path::Path};

use anyray_gateway_fuzz::{TARGETS, Target};
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
    test_runner::{Config, TestRunner},
};

/// Changed inputs per target: some seconds for all of them without optimisation.
const CASES: u32 = 4_000;

/// Most changes of one input.
const MAX_CHANGES: usize = 6;

/// Bytes that mean something to one of the readers.
const TOKENS: &[&[u8]] = &[
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
    b"data: ",
    b"event: ",
    b"\"model\":",
    b"\"usage\":",
    b"null",
    b"\\u0000",
    b"\\ud83d",
    b"\xff",
    b"\x00",
    b"\xef\xbb\xbf",
    b"\xf0\x9f\x98\x80",
    b"-1e999",
];

/// A change of an input, at a place that is a share of its length.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Insert(Index, &'static [u8]),
    Remove(Index, Index),
    Repeat(Index, Index),
    Splice(Index, Vec<u8>),
    Truncate(Index),
}

impl Change {
    fn apply(&self, input: &mut Vec<u8>) {
        let at = |index: &Index| index.index(input.len() + 1);
        match self {
            Self::Set(index, byte) => {
                let at = index.index(input.len().max(1));
                if let Some(set) = input.get_mut(at) {
                    *set = *byte;
                }
            }
            Self::Insert(index, token) => {
                let at = at(index);
                input.splice(at..at, token.iter().copied());
            }
            Self::Remove(one, other) => {
                let (one, other) = (at(one), at(other));
                input.drain(one.min(other)..one.max(other));
            }
            Self::Repeat(one, other) => {
                let (one, other) = (at(one), at(other));
                let part = input[one.min(other)..one.max(other)].to_vec();
                input.splice(other..other, part);
            }
            Self::Splice(index, tail) => {
                let at = at(index);
                input.truncate(at);
                input.extend(tail);
            }
            Self::Truncate(index) => {
                let at = at(index);
                input.truncate(at);
            }
        }
    }
}

fn change(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Change> {
    let index = any::<Index>;
    prop_oneof![
        3 => (index(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        3 => (index(), select(TOKENS)).prop_map(|(at, token)| Change::Insert(at, token)),
        1 => (index(), index()).prop_map(|(one, other)| Change::Remove(one, other)),
        1 => (index(), index()).prop_map(|(one, other)| Change::Repeat(one, other)),
        1 => (index(), select(seeds)).prop_map(|(at, seed)| Change::Splice(at, seed)),
        1 => index().prop_map(Change::Truncate),
    ]
}

/// An input with some changes.
fn changed(seeds: &[Vec<u8>]) -> impl Strategy<Value = Vec<u8>> + use<> {
    let changes = vec(change(seeds.to_vec()), 0..=MAX_CHANGES);
    (select(seeds.to_vec()), changes).prop_map(|(mut input, changes)| {
        changes.iter().for_each(|change| change.apply(&mut input));
        input
    })
}

fn seeds(target: &Target) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    let files = fs::read_dir(folder.join(target.name)).expect("a folder of seeds");
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    let seeds = paths.iter().map(|path| fs::read(path).expect("a seed"));
    seeds.collect()
}

fn replay(target: &Target) {
    let seeds = seeds(target);
    assert!(!seeds.is_empty(), "{} has no seed", target.name);
    seeds.iter().for_each(|seed| (target.check)(seed));
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, fixed_rng());
    let held = runner.run(&changed(&seeds), |input| {
        (target.check)(&input);
        Ok(())
    });
    if let Err(error) = held {
        panic!("{}: {error}", target.name);
    }
}

fn fixed_rng() -> proptest::test_runner::TestRng {
    proptest::test_runner::TestRng::deterministic_rng(Config::default().rng_algorithm)
}

fn find(name: &str) -> &'static Target {
    let found = TARGETS.iter().find(|target| target.name == name);
    found.expect("a target of this name")
}

#[test]
fn frames_of_aws_read_the_same_however_they_are_cut() {
    replay(find("aws_event_stream"));
}

#[test]
fn bodies_for_claude_keep_what_is_not_to_change() {
    replay(find("claude_bodies"));
}

#[test]
fn a_refused_configuration_quotes_no_key() {
    replay(find("config"));
}

#[test]
fn keys_are_found_however_a_text_is_cut() {
    replay(find("key_scan"));
}

#[test]
fn events_read_the_same_however_a_stream_is_cut() {
    replay(find("sse"));
}

#[test]
fn every_target_is_a_program_of_libfuzzer_and_has_seeds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = |subfolder: &str, extension: &str| {
        let files = fs::read_dir(folder.join(subfolder)).expect("a folder");
        let names = files.map(|file| {
            let name = file.expect("a file").file_name();
            let name = name.to_str().expect("a name in UTF-8");
            name.trim_end_matches(extension).to_owned()
        });
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    };
    let targets: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names("fuzz_targets", ".rs"), targets);
    assert_eq!(names("seeds", ""), targets);
}
