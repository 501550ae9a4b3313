//! Notices a changed configuration directory, takes it in whole or keeps the one before.
//!
//! The directory is read once a second: it is small, and reading works the same on every volume,
//! where notifications do not.

use std::{path::PathBuf, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    config::{self, ConfigError, Files, FilesDigest, Snapshot},
    pipeline::state::App,
};

/// Time between two looks.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// What the last look saw, so that each change is judged once.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// These bytes.
    Files(FilesDigest),
    /// The directory could not be read.
    Unreadable(String),
}

/// Follows the directory for as long as the process runs.
///
/// `loaded` is what is in force at the start.
pub async fn follow(app: Arc<App>, directory: PathBuf, loaded: FilesDigest) {
    let mut seen = Seen::Files(loaded);
    let mut ticks = interval(POLL_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let files = config::read(&directory);
        let now = match &files {
            Ok(files) => Seen::Files(files.digest()),
            Err(error) => Seen::Unreadable(error.to_string()),
        };
        if now != seen {
            seen = now;
            take_in(&app, files);
        }
    }
}

fn take_in(app: &App, files: Result<Files, ConfigError>) {
    let now = Timestamp::now();
    match files
        .and_then(|files| files.parse())
        .and_then(|config| keep_index(app, config))
        .and_then(|config| app.check_config(&config).map(|()| config))
    {
        Ok(config) => {
            tracing::info!(config.hash = %config.hash, "configuration loaded: {}", config.hash);
            app.accept_config(config, now);
        }
        Err(error) => {
            tracing::error!(reason = %error, "configuration rejected, the one in force stays: {error}");
            app.reject_config(error.to_string(), now);
        }
    }
}

/// Refuses a set without an index where the one in force had one: half of a new set must not be
/// taken in because the other half, with the index, is missing.
fn keep_index(app: &App, config: Snapshot) -> Result<Snapshot, ConfigError> {
    if app.config.load().is_indexed && !config.is_indexed {
        return Err(ConfigError::LoseIndex);
    }
    Ok(config)
}
