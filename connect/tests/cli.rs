//! The program in a home of its own: what it writes, what it says, and that it can be undone.

#![cfg(test)]
#![cfg(unix)]

#[path = "cli/faults.rs"]
mod faults;
#[path = "cli/home.rs"]
mod home;
#[path = "cli/keys.rs"]
mod keys;
#[path = "cli/runs.rs"]
mod runs;
#[path = "cli/terminal.rs"]
mod terminal;
