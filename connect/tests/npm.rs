//! The npm package, packed with the program under test and installed by the real npm from a file.
//!
//! `.ci/run` packs the static program and tries it where nothing else is. `.ci/test` installs Node
//! and npm.

#![cfg(test)]
#![cfg(target_os = "linux")]

use std::{
    env,
    ffi::OsStr,
    fs::{self, File},
    io::Read as _,
    net::TcpListener,
    os::unix::{fs::symlink, process::ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Output, Stdio},
    sync::OnceLock,
    time::Duration,
};

use tempfile::TempDir;

const NPM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/npm");

/// Longest until a program is gone that got a signal; left alone, it waits 45 s for its gateway.
const LIMIT: Duration = Duration::from_secs(20);

/// The packed package, and a folder in which it is installed as for all users of a machine.
struct Package {
    folder: PathBuf,
    tarball: PathBuf,
    /// Held until this process ends, so that another one does not lay the folder again.
    _lock: File,
}

impl Package {
    /// The one of all tests here.
    fn shared() -> &'static Self {
        static PACKAGE: OnceLock<Package> = OnceLock::new();
        PACKAGE.get_or_init(Self::make)
    }

    fn make() -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let lock = File::create(root.join("connect-npm.lock")).expect("a file");
        lock.lock().expect("the lock");
        let folder = root.join("connect-npm");
        let _ = fs::remove_dir_all(&folder);
        let given = folder.join("given").join(platform());
        for folder in [&given, &folder.join("home")] {
            fs::create_dir_all(folder).expect("folders");
        }
        let program = env!("CARGO_BIN_EXE_anyray-connect");
        symlink(program, given.join("anyray-connect")).expect("a link");
        let mut pack = Command::new(format!("{NPM}/pack.sh"));
        pack.arg(folder.join("given"));
        pack.env("CONNECT_OUT", folder.join("out"));
        pack.env(
            "IMAGE_TARGET",
            format!("{}-unknown-linux-gnu", env::consts::ARCH),
        );
        let printed = stdout(&finish(&mut pack));
        let tarball = PathBuf::from(printed.lines().last().expect("a line"));
        let package = Self {
            folder,
            tarball,
            _lock: lock,
        };
        let mut install = package.command("npm");
        install.args(["install", "--global"]).arg(&package.tarball);
        install.arg("--prefix").arg(package.folder.join("prefix"));
        finish(&mut install);
        package
    }

    /// The launcher as npm puts it on the `PATH`.
    fn launcher(&self) -> Command {
        self.command(self.folder.join("prefix/bin/anyray-connect"))
    }

    /// A program with the home of the package, and without a network for npm.
    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let home = self.folder.join("home");
        let mut command = Command::new(program);
        command.current_dir(&home).stdin(Stdio::null());
        command.env_clear().env("HOME", &home);
        command.env("PATH", env::var_os("PATH").expect("PATH"));
        command.env("npm_config_offline", "true");
        command.env("npm_config_update_notifier", "false");
        command
    }
}

/// This machine as Node names it.
fn platform() -> &'static str {
    match env::consts::ARCH {
        "aarch64" => "linux-arm64",
        _ => "linux-x64",
    }
}

fn run(command: &mut Command) -> Output {
    let output = command.output();
    output.unwrap_or_else(|error| panic!("{command:?}: {error}; .ci/test installs Node and npm"))
}

fn finish(command: &mut Command) -> Output {
    let output = run(command);
    assert!(output.status.success(), "{command:?}: {output:?}");
    output
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

#[test]
fn npx_runs_it_from_a_file_and_without_a_registry() {
    let package = Package::shared();
    let folder = TempDir::new().expect("a folder");
    let name = package.tarball.file_name().expect("a name");
    fs::copy(&package.tarball, folder.path().join(name)).expect("a copy");
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(name, format!("anyray-connect-{version}.tgz").as_str());
    let name = Path::new(".").join(name);
    let npx = || {
        let mut npx = package.command("npx");
        npx.current_dir(folder.path()).env("HOME", folder.path());
        npx.arg("--yes").arg(&name);
        npx
    };
    let said = stdout(&finish(npx().arg("--version")));
    assert_eq!(said.trim(), format!("anyray-connect {version}"));
    let said = stdout(&finish(npx().arg("status")));
    assert!(said.contains("Claude Code"), "{said}");
    assert!(
        !folder.path().join(".anyray").exists(),
        "it has changed something"
    );
}

#[test]
fn the_package_holds_these_files_alone() {
    let list = finish(
        Command::new("tar")
            .arg("-tzf")
            .arg(&Package::shared().tarball),
    );
    let list = stdout(&list);
    let mut files: Vec<_> = list.lines().collect();
    files.sort_unstable();
    let program = format!("package/vendor/{}/anyray-connect", platform());
    let expected = [
        "package/LICENSE",
        "package/README.md",
        "package/launch.js",
        "package/package.json",
        &program,
    ];
    assert_eq!(files, expected);
}

#[test]
fn the_exit_status_is_the_programs() {
    let package = Package::shared();
    for (arguments, expected) in [
        (&["status", "--json"][..], 0),
        // Nobody can be asked.
        (&["--tools", "claude-code"], 1),
        (&["--no-such-flag"], 2),
    ] {
        let output = run(package.launcher().args(arguments));
        assert_eq!(
            output.status.code(),
            Some(expected),
            "{arguments:?}: {output:?}"
        );
    }
    let output = run(package.launcher().args(["--tools", "claude-code"]));
    assert!(stderr(&output).contains("--yes"), "{output:?}");
}

#[test]
fn input_reaches_the_program_and_output_comes_back_as_it_is() {
    let package = Package::shared();
    let direct = run(package
        .command(env!("CARGO_BIN_EXE_anyray-connect"))
        .arg("--help"));
    let launched = run(package.launcher().arg("--help"));
    assert_eq!(stdout(&launched), stdout(&direct));
}

/// What became of a launcher that got a signal while its program waited for a gateway.
fn end_by(signal: &str) -> ExitStatus {
    let gateway = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", gateway.local_addr().expect("an address"));
    let mut launcher = Package::shared().launcher();
    launcher.args(["doctor", "--gateway", &address]);
    launcher.stdout(Stdio::null()).stderr(Stdio::null());
    let mut launcher = launcher.spawn().expect("it starts");
    let (mut call, _) = gateway.accept().expect("a call");
    call.set_read_timeout(Some(LIMIT)).expect("a limit");
    let mut start = [0; 4];
    call.read_exact(&mut start).expect("a request");
    assert_eq!(&start, b"GET ");
    // The program is there, and waits for an answer that never comes.
    finish(Command::new("kill").args(["-s", signal, &launcher.id().to_string()]));
    let status = launcher.wait().expect("it ends");
    call.read_to_end(&mut Vec::new())
        .expect("the program ends, too");
    status
}

#[test]
fn a_signal_ends_both_and_the_launcher_ends_by_it() {
    for (signal, number) in [("INT", 2), ("TERM", 15), ("HUP", 1)] {
        assert_eq!(end_by(signal).signal(), Some(number), "{signal}");
    }
}

/// The package as it is on a machine for which it has no program, or a broken one.
fn without_program(break_it: impl FnOnce(&Path)) -> Output {
    let folder = TempDir::new().expect("a folder");
    for file in ["launch.js", "package.json"] {
        fs::copy(Path::new(NPM).join(file), folder.path().join(file)).expect("a copy");
    }
    break_it(&folder.path().join("vendor"));
    let mut node = Package::shared().command("node");
    run(node.arg(folder.path().join("launch.js")).arg("--version"))
}

#[test]
fn a_platform_without_a_program_is_told_what_to_do() {
    let output = without_program(|vendor| {
        fs::create_dir_all(vendor.join("plan9-mips")).expect("folders");
    });
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = stderr(&output);
    let expected = format!("no program for {}, only for plan9-mips.", platform());
    assert!(said.contains(&expected), "{said}");
    assert!(said.contains("cargo install --git https://"), "{said}");
}

#[test]
fn a_program_that_does_not_start_is_named() {
    let output = without_program(|vendor| {
        let folder = vendor.join(platform());
        fs::create_dir_all(&folder).expect("folders");
        fs::write(folder.join("anyray-connect"), "").expect("write");
    });
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = stderr(&output);
    assert!(said.contains("does not start (EACCES)"), "{said}");
}
