//! Row R16: provider keys and endpoints rotate under load, and no request notices.
//!
//! Callers do not retry. Odd generations of the configuration send to one provider, even ones to
//! another, with keys of the same generation: a request of a mixed configuration is seen there.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use anyray_e2e::{
    call::Dialect, config::Config, gateway::Gateway, mount::Mount, raw::Connection, wait,
};
use anyray_fakes::{FakeProvider, Outcome, Recorded};
use tempfile::TempDir;
use tokio::task::JoinSet;

/// How long a rotation may take to come into force.
const LIMIT: Duration = Duration::from_secs(5);

/// Gateways that rotate side by side, and how often each does: 20 rotations in all.
const GATEWAYS: usize = 5;
const ROTATIONS: usize = 4;

/// Callers of each gateway, and requests that a caller sends on one connection.
const CALLERS: usize = 3;
const REQUESTS_PER_CONNECTION: usize = 7;

/// Tells the provider which generation was in force when the request began.
const FLOOR: &str = "x-test-floor";

/// What callers and the rotation share.
#[derive(Default)]
struct Shared {
    /// The generation that is known to be in force.
    generation: AtomicUsize,
    is_over: AtomicBool,
}

fn write_generation(directory: &Path, fakes: &[FakeProvider; 2], generation: usize) -> Result<()> {
    let fake = fakes.get(generation % 2).context("two fakes")?;
    Config::for_provider(&fake.url()).write(directory)?;
    for provider in ["openai", "anthropic"] {
        let path = directory.join("keys").join(provider);
        fs::write(path, format!("sk-generation-{generation}"))?;
    }
    Ok(())
}

/// Sends until it is over; every answer must be a good one.
async fn call(address: std::net::SocketAddr, shared: Arc<Shared>) -> Result<usize> {
    let mut count = 0;
    loop {
        let mut connection = Connection::open(address).await?;
        for _ in 0..REQUESTS_PER_CONNECTION {
            if shared.is_over.load(Ordering::SeqCst) {
                return Ok(count);
            }
            let dialect = Dialect::ALL
                .into_iter()
                .cycle()
                .nth(count % 3)
                .unwrap_or(Dialect::Chat);
            let floor = shared.generation.load(Ordering::SeqCst).to_string();
            let request = if count % 2 == 0 {
                dialect.request("m")
            } else {
                dialect.stream("m")
            };
            connection
                .send(request.header(FLOOR, &floor).to_bytes())
                .await?;
            let answer = connection.read_answer().await?;
            ensure!(
                answer.status() == 200 && answer.is_whole,
                "{}",
                answer.text()
            );
            count += 1;
        }
    }
}

/// The generation of a request's key, which its provider and its beginning must agree with.
fn check_request(request: &Recorded, provider: usize) -> Result<usize> {
    let key = request
        .header("authorization")
        .or(request.header("x-api-key"))
        .context("no key")?;
    let generation = key.rsplit('-').next().context("no generation")?.parse()?;
    let floor: usize = request.header(FLOOR).context("no floor")?.parse()?;
    ensure!(
        generation % 2 == provider,
        "key {generation} went to the provider of another"
    );
    ensure!(
        generation >= floor,
        "key {generation} was used after {floor} was in force"
    );
    Ok(generation)
}

/// The latest generation that reached a provider since the last look.
fn latest_generation(fakes: &[FakeProvider; 2]) -> Result<usize> {
    let mut latest = 0;
    for (provider, fake) in fakes.iter().enumerate() {
        for request in fake.take_requests() {
            latest = latest.max(check_request(&request, provider)?);
        }
    }
    Ok(latest)
}

/// Rotates one gateway under load; returns how long each rotation took and how many were served.
async fn rotate() -> Result<(Vec<Duration>, usize)> {
    let fakes = [FakeProvider::start().await?, FakeProvider::start().await?];
    let directory = TempDir::new()?;
    let mut mount = Mount::at(directory.path());
    mount.swap(|dir| write_generation(dir, &fakes, 0))?;
    let gateway = Gateway::start_in(directory, &[]).await?;
    let pid = gateway.pid();
    let shared = Arc::new(Shared::default());
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        callers.spawn(call(gateway.address(), Arc::clone(&shared)));
    }
    let mut times = Vec::new();
    for generation in 1..=ROTATIONS {
        let started = Instant::now();
        mount.swap(|dir| write_generation(dir, &fakes, generation))?;
        let is_used = async || match latest_generation(&fakes) {
            Ok(latest) => (latest == generation).then_some(Ok(())),
            Err(error) => Some(Err(error)),
        };
        wait::until("the new key to be used", LIMIT, is_used).await??;
        times.push(started.elapsed());
        shared.generation.store(generation, Ordering::SeqCst);
    }
    shared.is_over.store(true, Ordering::SeqCst);
    let served = callers
        .join_all()
        .await
        .into_iter()
        .sum::<Result<usize>>()?;
    latest_generation(&fakes)?;
    ensure!(gateway.pid() == pid, "the gateway has ended");
    let refused = gateway
        .ops()
        .metric("config_reloads_total{result=\"rejected\"}")
        .await?;
    ensure!(refused == 0, "{refused} rotations were refused");
    Ok((times, served))
}

#[tokio::test]
async fn r16_rotations_under_load_fail_no_request_and_leave_no_old_key() -> Result<()> {
    let (mut times, mut served) = (Vec::new(), 0);
    for (more, count) in wait::for_all((0..GATEWAYS).map(|_| rotate())).await? {
        times.extend(more);
        served += count;
    }
    times.sort();
    let p95 = times
        .get(times.len() * 95 / 100 - 1)
        .copied()
        .unwrap_or_default();
    let max = times.last().copied().unwrap_or_default();
    println!(
        "{} rotations, {served} requests: p95 {p95:?}, max {max:?}",
        times.len()
    );
    ensure!(
        times.len() == GATEWAYS * ROTATIONS && p95 <= LIMIT,
        "p95 is {p95:?}"
    );
    ensure!(
        served > 1_000,
        "only {served} requests were served meanwhile"
    );
    Ok(())
}

#[tokio::test]
async fn r16_a_stream_goes_on_across_a_rotation() -> Result<()> {
    let fakes = [FakeProvider::start().await?, FakeProvider::start().await?];
    let directory = TempDir::new()?;
    let mut mount = Mount::at(directory.path());
    mount.swap(|dir| write_generation(dir, &fakes, 0))?;
    let gateway = Gateway::start_in(directory, &[]).await?;
    let mut streams = Vec::new();
    for dialect in Dialect::ALL {
        let mut caller = Connection::open(gateway.address()).await?;
        caller
            .send(dialect.stream("fake-silent-2500").to_bytes())
            .await?;
        assert_eq!(caller.read_head().await?.status, 200);
        streams.push(caller);
    }
    mount.swap(|dir| write_generation(dir, &fakes, 1))?;
    gateway
        .ops()
        .wait_for_metric("config_reloads_total{result=\"accepted\"}", 1)
        .await?;
    for (mut caller, provider) in streams.into_iter().zip(0..) {
        let (body, is_whole) = caller.read_rest().await?;
        let [fake, _] = &fakes;
        let request = fake
            .wait_for_outcome(provider, Outcome::Completed, LIMIT)
            .await?;
        ensure!(
            is_whole && body == request.sent,
            "a stream was cut by a rotation"
        );
    }
    Ok(())
}
