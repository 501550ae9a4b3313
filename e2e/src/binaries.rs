//! The programs to test: those of the folder that `ANYRAY_PROGRAMS` names, or as cargo builds them.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use tokio::{process::Command, sync::OnceCell};

static GATEWAY: OnceCell<PathBuf> = OnceCell::const_new();
static CONNECT: OnceCell<PathBuf> = OnceCell::const_new();
static KUBECTL_PLUGIN: OnceCell<PathBuf> = OnceCell::const_new();
static QUICKSTART: OnceCell<PathBuf> = OnceCell::const_new();

/// `anyray-gateway`, or what `ANYRAY_GATEWAY_BIN` names.
///
/// # Errors
///
/// It could not be built.
pub async fn gateway() -> Result<&'static Path> {
    find(&GATEWAY, "anyray-gateway", "ANYRAY_GATEWAY_BIN").await
}

/// `anyray-connect`, or what `ANYRAY_CONNECT_BIN` names.
///
/// # Errors
///
/// It could not be built.
pub async fn connect() -> Result<&'static Path> {
    find(&CONNECT, "anyray-connect", "ANYRAY_CONNECT_BIN").await
}

/// `kubectl-anyray`, or what `ANYRAY_KUBECTL_BIN` names.
///
/// # Errors
///
/// It could not be built.
pub async fn kubectl_plugin() -> Result<&'static Path> {
    find(&KUBECTL_PLUGIN, "kubectl-anyray", "ANYRAY_KUBECTL_BIN").await
}

/// The folder with the programs of the quick start: `anyray-operator`, `anyray-gateway` and
/// `anyray-fakes`.
///
/// # Errors
///
/// They could not be built.
pub async fn quickstart() -> Result<&'static Path> {
    let names = ["anyray-operator", "anyray-gateway", "anyray-fakes"];
    let folder = QUICKSTART.get_or_try_init(async || find_or_build(&names).await);
    Ok(folder.await?)
}

async fn find(
    cell: &'static OnceCell<PathBuf>,
    name: &str,
    variable: &str,
) -> Result<&'static Path> {
    let binary = cell.get_or_try_init(async || match env::var_os(variable) {
        Some(path) => Ok(PathBuf::from(path)),
        None => find_or_build(&[name]).await.map(|folder| folder.join(name)),
    });
    Ok(binary.await?)
}

/// The folder of built programs that is given, or else the one where they are built.
async fn find_or_build(names: &[&str]) -> Result<PathBuf> {
    match env::var_os("ANYRAY_PROGRAMS") {
        Some(folder) => Ok(PathBuf::from(folder)),
        None => build(names).await,
    }
}

/// Builds programs beside this test and returns their folder: `cargo test` gives a package the path
/// of its own binaries only. A build that is up to date takes well under a second.
async fn build(names: &[&str]) -> Result<PathBuf> {
    let test = env::current_exe().context("find the test executable")?;
    let profile_dir = test
        .ancestors()
        .nth(2)
        .context("the test is in no target directory")?;
    let target_dir = profile_dir
        .parent()
        .context("the test is in no target directory")?;
    let mut build = Command::new(env!("CARGO"));
    build.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    // Some build scripts run again when it changes, and all that depends on them.
    build.env_remove("CARGO_MANIFEST_DIR");
    // All members, so that shared crates get the features that `cargo test` built
    // them with and are not compiled a second time.
    build.args(["build", "--quiet", "--workspace", "--target-dir"]);
    build.arg(target_dir);
    build.args(names.iter().flat_map(|name| ["--bin", name]));
    if profile_dir.ends_with("release") {
        build.arg("--release");
    }
    let built = build.output().await.context("run cargo")?;
    if !built.status.success() {
        let errors = String::from_utf8_lossy(&built.stderr);
        bail!("cannot build {}:\n{errors}", names.join(", "));
    }
    Ok(profile_dir.to_owned())
}
