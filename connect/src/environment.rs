//! What the machine says of itself: variables, the home folder, which programs there are.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
};

/// Kind of the operating system, as far as tools keep their files in other places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// Linux and other Unix systems.
    Linux,
    /// macOS.
    MacOs,
    /// Windows.
    Windows,
}

/// Variables, home and system, taken once when the program starts.
///
/// Tests make their own; nothing else in this crate reads the process's variables.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The operating system.
    pub system: System,
    /// The user's home folder.
    pub home: PathBuf,
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// That of this process; none if the user has no home folder.
    ///
    /// Variables that are not UTF-8 are left out.
    pub fn of_process() -> Option<Self> {
        let variables = env::vars_os();
        let variables = variables
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let system = match env::consts::OS {
            "macos" => System::MacOs,
            "windows" => System::Windows,
            _ => System::Linux,
        };
        let home = env::home_dir().filter(|home| home.is_absolute())?;
        Some(Self::new(system, home, variables))
    }

    /// One of these parts.
    pub fn new(system: System, home: PathBuf, variables: BTreeMap<String, String>) -> Self {
        Self {
            system,
            home,
            variables,
        }
    }

    /// A variable, unless it is unset or empty.
    pub fn variable(&self, name: &str) -> Option<&str> {
        let value = self.variables.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }

    /// The folder that a variable names, or else one below the home folder.
    pub fn folder(&self, variable: &str, below_home: impl AsRef<Path>) -> PathBuf {
        let named = self.variable(variable).map(PathBuf::from);
        named.unwrap_or_else(|| self.home.join(below_home))
    }

    /// Whether a program of that name is in a folder of `PATH`.
    pub fn has_program(&self, name: &str) -> bool {
        let folders = self.variable("PATH").unwrap_or_default();
        let endings: &[&str] = match self.system {
            System::Windows => &[".exe", ".cmd", ".bat"],
            System::Linux | System::MacOs => &[""],
        };
        env::split_paths(folders).any(|folder| {
            let mut files = endings
                .iter()
                .map(|end| folder.join(format!("{name}{end}")));
            files.any(|file| file.is_file())
        })
    }

    /// Whether an application of that name has a folder of settings, or on macOS is installed.
    pub fn has_application(&self, name: &str) -> bool {
        let settings = match self.system {
            System::Linux => self.folder("XDG_CONFIG_HOME", ".config"),
            System::MacOs => self.home.join("Library/Application Support"),
            System::Windows => self.folder("APPDATA", "AppData/Roaming"),
        };
        let bundle = format!("{name}.app");
        let bundles = [
            PathBuf::from("/Applications"),
            self.home.join("Applications"),
        ];
        let is_installed = || bundles.iter().any(|folder| folder.join(&bundle).is_dir());
        settings.join(name).is_dir() || (self.system == System::MacOs && is_installed())
    }

    /// A path as people write it: `~` for the home folder.
    pub fn shorten(&self, path: &Path) -> String {
        match path.strip_prefix(&self.home) {
            Ok(below) if self.system == System::Windows => format!("~\\{}", below.display()),
            Ok(below) => format!("~/{}", below.display()),
            Err(_) => path.display().to_string(),
        }
    }
}
