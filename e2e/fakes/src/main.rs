//! The fake as a program: `anyray-fakes echo --listen 127.0.0.1:8786`.

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context;
use anyray_fakes::FakeProvider;
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

/// Providers that speak the real wire formats without a model behind them.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answers each request with its last text, in the dialects of OpenAI, Anthropic
    /// and the cloud providers; OpenAI and Anthropic take any key. A model such as
    /// `fake-status-529` or `fake-cut-3` misbehaves instead.
    Echo(Echo),
}

#[derive(Debug, clap::Args)]
struct Echo {
    /// Address and port to listen on.
    #[arg(long, default_value = "127.0.0.1:8786", env = "ANYRAY_FAKES_LISTEN")]
    listen: SocketAddr,
    /// Speak TLS, and write the certificate of the authority, made at start, to
    /// this file.
    #[arg(long, value_name = "FILE")]
    tls_ca_out: Option<PathBuf>,
    /// A further name in the certificate, besides localhost; may be repeated.
    #[arg(long, value_name = "NAME", requires = "tls_ca_out")]
    tls_name: Vec<String>,
    /// Write the JSON of the service account, which Vertex AI's paths ask for, to
    /// this file.
    #[arg(long, value_name = "FILE")]
    google_key_out: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Command::Echo(echo) = Arguments::parse().command;
    match run(echo).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&mut io::stderr(), &format!("anyray-fakes: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(echo: Echo) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("could not wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("could not wait for SIGINT")?;
    let fake = start(&echo).await?;
    fake.stop_recording();
    tell(&mut io::stdout(), &format!("listening on {}", fake.url()));
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

async fn start(echo: &Echo) -> anyhow::Result<FakeProvider> {
    let fake = match &echo.tls_ca_out {
        None => FakeProvider::bind(echo.listen).await?,
        Some(_) => FakeProvider::bind_tls(echo.listen, &echo.tls_name).await?,
    };
    if let Some(path) = &echo.tls_ca_out {
        let pem = fake.ca_pem().unwrap_or_default();
        std::fs::write(path, pem)
            .with_context(|| format!("could not write the authority to {}", path.display()))?;
    }
    if let Some(path) = &echo.google_key_out {
        std::fs::write(path, fake.google_service_account()).with_context(|| {
            format!("could not write the service account to {}", path.display())
        })?;
    }
    Ok(fake)
}

/// The one place that writes for people; a closed pipe is no reason to stop.
fn tell(out: &mut impl Write, line: &str) {
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
