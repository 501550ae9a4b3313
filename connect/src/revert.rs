//! Undoes earlier runs.

use crate::{
    apply,
    cli::SetUp,
    environment::Environment,
    failure::Failure,
    mask,
    plan::{self, Change},
    screen::Screen,
    select,
    state::{State, Store},
};

/// Undoes earlier runs, for the tools that are named or all.
///
/// # Errors
/// [`Failure`].
pub fn revert(
    options: &SetUp,
    environment: &Environment,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let store = Store::of(environment)?;
    let state = store.load()?;
    let shown = changes(options, environment, &state)?;
    let is_anything = show(options, environment, &state, &shown, screen)?;
    if options.dry_run {
        return screen.line("Nothing was changed: this is a dry run.");
    }
    if !is_anything && !store.is_used() {
        return screen.line("There is nothing to undo.");
    }
    if is_anything && !options.yes {
        screen.confirm("Undo these changes?")?;
    }
    store.locked(|state| {
        let changes = changes(options, environment, state)?;
        if changes != shown {
            return Err(Failure::Changed);
        }
        apply::remove_leftovers(&changes, &store);
        let written =
            apply::check_writable(&changes).and_then(|()| apply::revert(&changes, &store, state));
        written.map_err(|fault| Failure::Unfinished {
            why: Box::new(fault.into()),
            kept: "what comes after it is not undone: fix it and say --revert again".to_owned(),
        })?;
        if options.tools.is_empty() {
            state.forget_keys();
            store.save(state)?;
        }
        screen.line(if is_anything {
            "Undone."
        } else {
            "There was nothing to undo."
        })
    })
}

fn changes(
    options: &SetUp,
    environment: &Environment,
    state: &State,
) -> Result<Vec<Change>, Failure> {
    let targets = select::targets_to_revert(&options.tools, state, environment)?;
    plan::revert(&targets)
}

/// Answers whether there is anything to undo.
fn show(
    options: &SetUp,
    environment: &Environment,
    state: &State,
    changes: &[Change],
    screen: &mut Screen,
) -> Result<bool, Failure> {
    let needed = changes.iter().filter(|change| change.is_needed());
    let mut is_anything = false;
    for change in needed {
        is_anything = true;
        screen.change(change, environment)?;
    }
    let keys = state.keys.iter().filter(|_| options.tools.is_empty());
    for (gateway, saved) in keys {
        is_anything = true;
        let key = mask::mask_secret(&saved.key.0);
        let invite = saved.invite.as_ref().map(|_| ", and its invite is used up");
        let text = format!(
            "forget the key {key} for {gateway}; it stays good until somebody revokes it{}",
            invite.unwrap_or_default()
        );
        screen.text(&text, "  ")?;
    }
    Ok(is_anything)
}
