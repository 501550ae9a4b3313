//! Our images, and the scripts that make them and the binaries of a cluster.
//!
//! The scripts ask package registries, so they run before anything enters a cluster's network.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};

/// Our images, as `images/build.sh` knows them; each is named `anyray-` and this.
pub const IMAGES: [&str; 3] = ["operator", "gateway", "fakes"];

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Installs a part of `e2e/cluster/install.sh`, or all, and returns the folder of the binaries.
pub(crate) fn install(parts: &[&str]) -> Result<PathBuf> {
    let output = script("e2e/cluster/install.sh")
        .args(parts)
        .output()
        .context("run e2e/cluster/install.sh")?;
    ensure!(
        output.status.success(),
        "e2e/cluster/install.sh failed: it says why above"
    );
    let output = String::from_utf8(output.stdout)?;
    let folder = output
        .lines()
        .last()
        .context("install.sh named no folder")?;
    Ok(PathBuf::from(folder))
}

/// Builds our images and writes an archive of each into a folder.
pub(crate) fn build(folder: &Path) -> Result<Vec<PathBuf>> {
    let built = script("images/build.sh")
        .args(IMAGES)
        .env("IMAGE_TOOL", "buildah")
        .env_remove("IMAGE_REGISTRY")
        .env_remove("IMAGE_TAG")
        .env_remove("IMAGE_TARGET")
        .stdout(Stdio::from(std::io::stderr()))
        .status()
        .context("run images/build.sh")?;
    ensure!(built.success(), "images/build.sh failed: it says why above");
    IMAGES
        .into_iter()
        .map(|image| export(image, folder))
        .collect()
}

fn export(image: &str, folder: &Path) -> Result<PathBuf> {
    let name = format!("anyray-{image}:dev");
    let archive = folder.join(format!("anyray-{image}.tar"));
    let output = Command::new("buildah")
        .args(["push", "--quiet", &name])
        .arg(format!("docker-archive:{}:{name}", archive.display()))
        .env("STORAGE_DRIVER", "vfs")
        .output()
        .context("run buildah")?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        bail!("export {name}: {}", message.trim());
    }
    Ok(archive)
}

/// What it says goes to stderr, besides what the caller asks for.
fn script(path: &str) -> Command {
    let mut script = Command::new(Path::new(REPOSITORY).join(path));
    script
        .current_dir(REPOSITORY)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    script
}
