//! A managed block in the profile of a shell.
