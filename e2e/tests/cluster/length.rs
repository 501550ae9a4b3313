//! How long tests run and how often they repeat: short at each merge, in full in `make soak`.

use std::time::Duration;

/// What a test does for a time or a number of times.
#[derive(Debug)]
pub(crate) struct Lengths {
    /// How long the API server is away.
    pub(crate) outage: Duration,
    /// How long the API server takes connections and says nothing.
    pub(crate) silence: Duration,
    /// How long the data plane is alone.
    pub(crate) alone: Duration,
    /// Rotations of a provider key under load.
    pub(crate) rotations: usize,
    /// Client keys that are made and deleted.
    pub(crate) key_changes: usize,
    /// People who redeem an invite at once.
    pub(crate) crowd: usize,
}

/// An outage that outlasts a connection's time limit; so few changes that the slowest one decides.
const SHORT: Lengths = Lengths {
    outage: Duration::from_secs(6),
    silence: Duration::from_secs(15),
    alone: Duration::from_secs(5),
    rotations: 5,
    key_changes: 5,
    crowd: 100,
};

/// An outage and a silence that outlast every pause between attempts; as many changes as a 95th
/// percentile needs.
const FULL: Lengths = Lengths {
    outage: Duration::from_secs(30),
    silence: Duration::from_secs(100),
    alone: Duration::from_secs(20),
    rotations: 20,
    key_changes: 20,
    crowd: 500,
};

/// Full lengths where `ANYRAY_SOAK` is 1, else short ones.
pub(crate) fn lengths() -> &'static Lengths {
    if is_soak() { &FULL } else { &SHORT }
}

/// Whether `ANYRAY_SOAK` asks for everything in full.
pub(crate) fn is_soak() -> bool {
    std::env::var_os("ANYRAY_SOAK").is_some_and(|value| value == "1")
}

/// The time that 95 of 100 of some times do not exceed, and the longest; none of no times.
pub(crate) fn p95(mut times: Vec<Duration>) -> Option<(Duration, Duration)> {
    times.sort();
    let rank = (times.len() * 95).div_ceil(100);
    let p95 = times.get(rank.checked_sub(1)?)?;
    Some((*p95, *times.last()?))
}
