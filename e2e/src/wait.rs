//! Waiting for a condition with a limit; nothing here or in the tests sleeps for a guess.

use std::{future::Future, time::Duration};

use anyhow::{Result, bail};
use tokio::{
    task::{JoinSet, LocalSet},
    time::{Instant, sleep, timeout},
};

/// Time between two looks at a condition that nobody announces.
const INTERVAL: Duration = Duration::from_millis(10);

/// Looks again and again until `look` finds something, and returns it.
///
/// # Errors
///
/// Nothing was found within the limit; the message says what was waited for.
pub async fn until<T>(
    what: &str,
    limit: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> Result<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look().await {
            return Ok(found);
        }
        if Instant::now() >= end {
            bail!("waited {limit:?} for {what}");
        }
        sleep(INTERVAL).await;
    }
}

/// Awaits something that announces itself.
///
/// # Errors
///
/// It did not come within the limit; the message says what was waited for.
pub async fn at_most<T>(what: &str, limit: Duration, future: impl Future<Output = T>) -> Result<T> {
    match timeout(limit, future).await {
        Ok(value) => Ok(value),
        Err(_) => bail!("waited {limit:?} for {what}"),
    }
}

/// Runs all at the same time on this thread, and returns what they found, in their order.
///
/// # Errors
///
/// The first error, once all have ended.
pub async fn for_all<T: 'static>(
    futures: impl IntoIterator<Item = impl Future<Output = Result<T>> + 'static>,
) -> Result<Vec<T>> {
    let local = LocalSet::new();
    let mut running = JoinSet::new();
    for (index, future) in futures.into_iter().enumerate() {
        running.spawn_local_on(async move { (index, future.await) }, &local);
    }
    let mut found = local.run_until(running.join_all()).await;
    found.sort_by_key(|(index, _)| *index);
    found.into_iter().map(|(_, found)| found).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_found_is_returned() {
        let mut looks = 0;
        let found = until("the third look", Duration::from_secs(5), async || {
            looks += 1;
            (looks == 3).then_some(looks)
        });
        assert_eq!(found.await.expect("found"), 3);
    }

    #[tokio::test]
    async fn what_never_comes_is_named() {
        let limit = Duration::from_millis(1);
        let error = until("godot", limit, async || None::<()>)
            .await
            .expect_err("never");
        assert_eq!(error.to_string(), "waited 1ms for godot");
        let error = at_most("godot", limit, std::future::pending::<()>())
            .await
            .expect_err("never");
        assert_eq!(error.to_string(), "waited 1ms for godot");
    }
}
