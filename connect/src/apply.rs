//! Does what was planned, so that a run that is interrupted at any point can be gone on with or
//! reverted: what is about to be written is remembered before it is written.

use crate::{
    file::{self, FileFault, PLAIN_MODE, Reserved},
    plan::Change,
    state::{FileRecord, State, Store, digest},
};

/// Removes what interrupted runs have left beside the files of a plan and the state.
pub fn remove_leftovers(changes: &[Change], store: &Store) {
    let paths = changes.iter().map(|change| change.place.as_path());
    for path in paths.chain([store.path()]) {
        file::remove_leftovers(path);
    }
}

/// Whether every file that a plan changes can be written or removed.
///
/// # Errors
/// [`FileFault`] of the first that cannot.
pub fn check_writable(changes: &[Change]) -> Result<(), FileFault> {
    let needed = changes.iter().filter(|change| change.is_needed());
    for change in needed {
        file::reserve(&change.place, change.after.as_ref())?;
    }
    Ok(())
}

/// Takes the room on the disk that the files of a plan and the state will need, so that a key is
/// not asked for if it could not be kept. Dropping the answer gives the room back.
///
/// # Errors
/// [`FileFault`] of the first file that cannot be written.
pub fn reserve(
    changes: &[Change],
    gateway: &str,
    store: &Store,
    state: &State,
) -> Result<Vec<Reserved>, FileFault> {
    let mut state = state.clone();
    for change in changes {
        remember(change, gateway, &mut state);
    }
    let path = store.path();
    let contents =
        Store::contents(&state).map_err(|error| FileFault::Write(path.to_owned(), error.into()))?;
    let needed = changes.iter().filter(|change| change.is_needed());
    let files = needed.map(|change| (change.place.as_path(), change.after.as_ref()));
    files
        .chain([(path, Some(&contents))])
        .map(|(path, contents)| file::reserve(path, contents))
        .collect()
}

/// Writes files that set tools up for a gateway.
///
/// # Errors
/// [`FileFault`] of the first file that fails; those before it are written, and all of them are
/// remembered as they were.
pub fn set_up(
    changes: &[Change],
    gateway: &str,
    store: &Store,
    state: &mut State,
) -> Result<(), FileFault> {
    for change in changes {
        remember(change, gateway, state);
    }
    state.gateway = Some(gateway.to_owned());
    store.save(state)?;
    for change in changes {
        write(change)?;
    }
    for record in state.files.values_mut() {
        // Only the last text is there now.
        record
            .written
            .drain(..record.written.len().saturating_sub(1));
    }
    store.save(state)
}

/// Writes files that undo earlier runs, and forgets them.
///
/// # Errors
/// [`FileFault`] of the first file that fails; those before it are reverted and forgotten.
pub fn revert(changes: &[Change], store: &Store, state: &mut State) -> Result<(), FileFault> {
    for change in changes {
        write(change)?;
        if let Some(record) = state.files.remove(&change.place) {
            file::remove_empty_folders(&record.folders);
        }
        store.save(state)?;
    }
    Ok(())
}

fn remember(change: &Change, gateway: &str, state: &mut State) {
    let record = state.files.entry(change.place.clone());
    let record = record.or_insert_with(|| FileRecord {
        tool: change.tool.to_owned(),
        gateway: gateway.to_owned(),
        original: None,
        written: Vec::new(),
        mode: PLAIN_MODE,
        folders: Vec::new(),
    });
    let missing = file::missing_folders(&change.place);
    record.folders.retain(|folder| !missing.contains(folder));
    record.folders.extend(missing);
    gateway.clone_into(&mut record.gateway);
    record.original = change.original.clone().map(Into::into);
    record.written.retain(|it| {
        change
            .before
            .as_ref()
            .is_some_and(|before| *it == digest(&before.text))
    });
    if let Some(after) = &change.after {
        record.written.push(digest(&after.text));
        record.mode = after.mode;
    }
}

/// Writes what is planned, unless somebody has written the file since.
fn write(change: &Change) -> Result<(), FileFault> {
    if !change.is_needed() {
        return Ok(());
    }
    if file::read(&change.place)? != change.before {
        return Err(FileFault::Changed(change.path.clone()));
    }
    match &change.after {
        Some(after) => file::write(&change.place, after),
        None => file::remove(&change.place),
    }
}
