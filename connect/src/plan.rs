//! What a run would change: files as they are, and as they would be.

use std::path::PathBuf;

use crate::{
    edit::EditFault,
    failure::Failure,
    file::{Contents, PLAIN_MODE, SECRET_MODE},
    setup::Setup,
    state::{FileRecord, digest},
    tool::{Settings, Tool, Undo},
};

/// Permission bits that anyone but the owner has.
const OTHERS: u32 = 0o077;

/// A tool's file as it was found, and what is remembered of it.
#[derive(Clone)]
pub struct Target {
    /// The tool.
    pub tool: &'static Tool,
    /// Its way of changing the file.
    pub settings: &'static dyn Settings,
    /// The file as its tool names it.
    pub path: PathBuf,
    /// The file, through links.
    pub place: PathBuf,
    /// What it holds; none if it is not there.
    pub found: Option<Contents>,
    /// What is remembered of it.
    pub record: Option<FileRecord>,
}

/// What would become of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Id of the tool.
    pub tool: &'static str,
    /// The file as its tool names it.
    pub path: PathBuf,
    /// The file, through links.
    pub place: PathBuf,
    /// What it holds now; none if it is not there.
    pub before: Option<Contents>,
    /// What it would hold; none if it would go.
    pub after: Option<Contents>,
    /// What reverting leads to.
    pub original: Option<Contents>,
}

impl Change {
    /// Whether there is anything to do.
    pub fn is_needed(&self) -> bool {
        self.before != self.after
    }
}

/// The changes that set tools up.
///
/// # Errors
/// [`Failure::Edit`] for the first file that cannot be changed.
pub fn set_up(targets: &[Target], setup: &Setup) -> Result<Vec<Change>, Failure> {
    targets
        .iter()
        .map(|target| {
            target.change(target.original(), |base| {
                let text = base.as_ref().map(|base| base.text.as_str());
                let text = match &target.found {
                    Some(found) => {
                        let current = &found.text;
                        target
                            .settings
                            .reapply(setup, &target.path, current, text)?
                    }
                    None => target.settings.apply(setup, &target.path, text)?,
                };
                let mode = mode_of_change(setup, base.as_ref());
                Ok(Some(Contents { text, mode }))
            })
        })
        .collect()
}

/// The changes that undo earlier runs.
///
/// # Errors
/// [`Failure::Edit`] for the first file that cannot be changed.
pub fn revert(targets: &[Target]) -> Result<Vec<Change>, Failure> {
    let undo = |target: &Target| target.change(target.base(), |base| Ok(base.clone()));
    targets.iter().map(undo).collect()
}

/// A file with a key in it is its owner's alone; others keep their mode.
fn mode_of_change(setup: &Setup, base: Option<&Contents>) -> u32 {
    match (setup.credential.key(), base) {
        (Some(_), Some(base)) => base.mode & !OTHERS,
        (Some(_), None) => SECRET_MODE,
        (None, Some(base)) => base.mode,
        (None, None) => PLAIN_MODE,
    }
}

impl Target {
    fn change(
        &self,
        original: Result<Option<Contents>, EditFault>,
        after: impl FnOnce(&Option<Contents>) -> Result<Option<Contents>, EditFault>,
    ) -> Result<Change, Failure> {
        let planned = original.and_then(|original| Ok((after(&self.base()?)?, original)));
        let (after, original) = planned.map_err(|fault| Failure::Edit {
            tool: self.tool.id,
            path: self.path.clone(),
            fault,
        })?;
        Ok(Change {
            tool: self.tool.id,
            path: self.path.clone(),
            place: self.place.clone(),
            before: self.found.clone(),
            after,
            original,
        })
    }

    /// What reverting is to lead to: before the first run that is what is there, even if it looks
    /// like ours, because its user may have written it by hand.
    fn original(&self) -> Result<Option<Contents>, EditFault> {
        match self.record {
            None => Ok(self.found.clone()),
            Some(_) => self.base(),
        }
    }

    /// The file without anything of ours: as it was before the first run, unless somebody else has
    /// changed it since.
    fn base(&self) -> Result<Option<Contents>, EditFault> {
        let Some(found) = &self.found else {
            return Ok(None);
        };
        let original = self.record.as_ref().map(|record| &record.original);
        if self.is_as_written(found) {
            return Ok(original.cloned().flatten().map(Contents::from));
        }
        let original = original.and_then(Option::as_ref);
        let undo = Undo {
            original: original.map(|original| original.text.as_str()),
            gateway: self.record.as_ref().map(|record| record.gateway.as_str()),
        };
        let text = self.settings.remove(&found.text, &undo)?;
        // Unless its user has changed the mode, too.
        let is_ours = self.record.as_ref().is_some_and(|it| it.mode == found.mode);
        let mode = original.filter(|_| is_ours).map(|original| original.mode);
        let mode = mode.unwrap_or(found.mode);
        Ok(text.map(|text| Contents { text, mode }))
    }

    fn is_as_written(&self, found: &Contents) -> bool {
        let digest = digest(&found.text);
        let mut written = self.record.iter().flat_map(|record| &record.written);
        written.any(|it| *it == digest)
    }
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target")
            .field("tool", &self.tool)
            .field("path", &self.path)
            .field("found", &self.found)
            .finish_non_exhaustive()
    }
}
