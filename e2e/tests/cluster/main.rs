//! Tests on a real Kubernetes: one of ours, or the one that `KUBECONFIG` names.
//!
//! One cluster serves all tests; what a test is and how it runs is in `harness`.

#![expect(
    clippy::indexing_slicing,
    reason = "a field that a JSON value does not have reads as null"
)]

mod access;
mod definitions;
mod faults;
mod harness;
mod http;
mod length;
mod life;
mod node;
mod operator;
mod quickstart;
mod refusals;
mod rotation;
mod security;
mod statuses;

use std::{
    io::{self, Write},
    process::ExitCode,
    thread,
};

use anyhow::Result;
use anyray_e2e::cluster::{Cluster, Unavailable, take_down_all_of_this_process};
use libtest_mimic::{Arguments, Trial};
use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
};

use self::harness::{Entry, Stage};

/// One more test at a time than the smallest machine has cores: most of a test is waiting.
const TESTS_AT_A_TIME: usize = 3;

const RUNTIME_THREADS: usize = 2;

/// What a shell says of a program that was ended by SIGINT.
const INTERRUPTED: i32 = 130;

/// Set to `none` where these tests run in another process beside the others.
const CLUSTER_VARIABLE: &str = "ANYRAY_E2E_CLUSTER";

fn main() -> ExitCode {
    if std::env::var_os(CLUSTER_VARIABLE).is_some_and(|value| value == "none") {
        tell(&format!("no test is run: {CLUSTER_VARIABLE} is none"));
        return ExitCode::SUCCESS;
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(TESTS_AT_A_TIME);
    let tests = without_stage(all());
    let is_asked = |test: &Trial| !arguments.is_filtered_out(test);
    if arguments.list || !tests.iter().any(is_asked) {
        return libtest_mimic::run(&arguments, tests).exit_code();
    }
    match run(&arguments) {
        Ok(code) => code,
        Err(error) if error.is::<Unavailable>() => {
            let names: Vec<_> = tests
                .iter()
                .filter(|it| is_asked(it))
                .map(Trial::name)
                .collect();
            tell(&format!("{error}: these are not run: {}", names.join(", ")));
            let ignored = tests.into_iter().map(|test| test.with_ignored_flag(true));
            let conclusion = libtest_mimic::run(&arguments, ignored.collect());
            // There, a cluster is expected.
            let is_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
            if is_ci {
                ExitCode::FAILURE
            } else {
                conclusion.exit_code()
            }
        }
        Err(error) => {
            tell(&format!("no test was run: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Every test, those of the cluster itself first, and those that run alone last: so none waits for
/// its turn while others could run.
fn all() -> Vec<Entry> {
    let mut all: Vec<_> = [
        node::tests(),
        quickstart::tests(),
        life::tests(),
        rotation::tests(),
        access::tests(),
        refusals::tests(),
        security::tests(),
        faults::tests(),
        definitions::tests(),
    ]
    .into_iter()
    .flatten()
    .collect();
    all.sort_by_key(Entry::is_exclusive);
    all
}

fn run(arguments: &Arguments) -> Result<ExitCode> {
    thread::spawn(end_on_signal);
    let cluster = Cluster::from_environment()?;
    // All threads from here on are inside: those of the runtime and those of the tests.
    cluster.enter()?;
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(RUNTIME_THREADS)
        .enable_all()
        .build()?;
    let stage = Stage::new(cluster, runtime.handle().clone());
    let tests = all().into_iter().map(|entry| entry.on(&stage));
    let conclusion = libtest_mimic::run(arguments, tests.collect());
    if conclusion.has_failed()
        && let Some(logs) = stage.cluster().keep_logs()?
    {
        tell(&format!(
            "logs of the cluster and its pods: {}",
            logs.display()
        ));
    }
    runtime.shutdown_background();
    stage.cluster().stop()?;
    Ok(conclusion.exit_code())
}

/// For what needs only their names.
fn without_stage(entries: Vec<Entry>) -> Vec<Trial> {
    let no_cluster = || Err("there is no cluster".into());
    let tests = entries
        .into_iter()
        .map(|entry| Trial::test(entry.name(), no_cluster));
    tests.collect()
}

/// Whoever ends the tests early finds nothing left of the cluster either.
#[expect(
    clippy::exit,
    reason = "the main thread waits for tests and cannot be woken"
)]
fn end_on_signal() -> Result<()> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        if let Err(error) = take_down_all_of_this_process() {
            tell(&format!(
                "not all of the cluster could be removed: {error:#}"
            ));
        }
        std::process::exit(INTERRUPTED)
    })
}

/// What cannot be written, because the reader is gone, is nobody's loss.
fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
