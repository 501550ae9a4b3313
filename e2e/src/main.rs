//! A cluster for people: `anyray-e2e up`, `down` and `kubeconfig`.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use anyray_e2e::cluster::{self, Cluster, IMAGES, Options, find_host_kubeconfig, forward};
use clap::{Parser, Subcommand};

/// The cluster that this program keeps.
const NAME: &str = "dev";

/// A real Kubernetes of one node on this machine, in a network of its own, with the images of
/// this checkout. Needs root, and Go to build it the first time.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Environment: ANYRAY_CACHE  folder of its binaries and state (default: .cache/anyray in the home folder)"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Builds what is needed, and starts the cluster.
    Up,
    /// Builds the images again and gives them to the cluster, for pods that start from then on.
    Load,
    /// Takes the cluster down, in whatever state it is.
    Down,
    /// Prints the path of its kubeconfig.
    Kubeconfig,
    #[command(hide = true)]
    Forward { namespace: String },
}

fn main() -> ExitCode {
    match run(&Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&mut io::stderr(), &format!("anyray-e2e: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> Result<()> {
    let mut out = io::stdout();
    match command {
        Command::Up => tell(&mut out, &up()?),
        Command::Down if cluster::take_down(NAME)? => tell(&mut out, "The cluster is down."),
        Command::Load if cluster::load_images(NAME)? => tell(&mut out, "The images are loaded."),
        Command::Down | Command::Load => tell(&mut out, "No cluster is up."),
        Command::Kubeconfig => {
            let path = find_host_kubeconfig(NAME)?.filter(|path| path.exists());
            let path = path.context("no cluster is up: start one by up")?;
            tell(&mut out, &path.display().to_string());
        }
        Command::Forward { namespace } => {
            forward::run(namespace, |address| tell(&mut out, &address.to_string()))?;
        }
    }
    Ok(())
}

fn up() -> Result<String> {
    if find_host_kubeconfig(NAME)?.is_some() {
        bail!("a cluster is up already, or was: end it by down");
    }
    let program = std::env::current_exe()?;
    let cluster = Cluster::start(Options::of_people(NAME, program))?;
    let images = IMAGES.map(|name| cluster.image(name)).join(", ");
    let bin_dir = cluster.bin_dir().display().to_string();
    cluster.detach();
    let kubeconfig = find_host_kubeconfig(NAME)?.context("the cluster is gone")?;
    Ok(format!(
        "The cluster is up, with the images {images}.\n\n\
         export KUBECONFIG={}\nexport PATH={bin_dir}:$PATH\n",
        kubeconfig.display()
    ))
}

/// What cannot be written, because the reader is gone, is nobody's loss.
fn tell(to: &mut impl Write, text: &str) {
    let _ = writeln!(to, "{text}").and_then(|()| to.flush());
}
