//! Where a command writes: what was asked for to standard output, all else to standard error.

use std::{fmt, io::Write};

use crate::failure::Failure;

/// Standard output and standard error, or what stands for them.
pub struct Screen<'w> {
    out: &'w mut dyn Write,
    notes: &'w mut dyn Write,
}

impl<'w> Screen<'w> {
    /// A screen over the two.
    pub fn new(out: &'w mut dyn Write, notes: &'w mut dyn Write) -> Self {
        Self { out, notes }
    }

    /// Writes lines that were asked for.
    ///
    /// # Errors
    /// [`Failure::Print`].
    pub fn print(&mut self, text: &str) -> Result<(), Failure> {
        writeln!(self.out, "{}", text.trim_end())
            .and_then(|()| self.out.flush())
            .map_err(Failure::Print)
    }

    /// Writes a line beside that, if anyone reads it.
    pub fn note(&mut self, text: &str) {
        let _ = writeln!(self.notes, "{text}");
    }
}

impl fmt::Debug for Screen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screen").finish_non_exhaustive()
    }
}
