//! Sets tools up: plan, show, ask, redeem, write.

use std::io::Write as _;

use anyray_wire::anyray::secret::Secret;

use crate::{
    apply,
    choose::choose_gateway,
    cli::SetUp,
    credential::Source,
    environment::Environment,
    failure::Failure,
    gateway::Gateway,
    gateway_url::GatewayUrl,
    identity, mask,
    plan::{self, Change, Target},
    screen::Screen,
    select,
    setup::{Billing, Credential, Setup},
    state::{SavedKey, State, Store, digest},
    tool::Tool,
};

/// Names an invite's code, for those who do not want it in their command line.
const INVITE_VARIABLE: &str = "ANYRAY_INVITE";

/// Stands in a plan for the key that the invite will be exchanged for.
const KEY_TO_COME: &str = "ark_…";

/// Stands in a plan for what only the invite knows.
const NAME_TO_COME: &str = "(of the invite)";

/// Sets tools up.
///
/// # Errors
/// [`Failure`]. Before the invite is redeemed nothing was changed; afterwards the key is kept.
pub fn set_up(
    options: &SetUp,
    environment: &Environment,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let store = Store::of(environment)?;
    let run = Run::begin(options, environment, &store.load()?)?;
    run.show(screen)?;
    if options.dry_run {
        return screen.line("Nothing was changed: this is a dry run.");
    }
    if !run.is_needed() {
        screen.line("Everything is set up already.")?;
        return run.advise(screen);
    }
    if !options.yes {
        screen.confirm(run.question())?;
    }
    store.locked(|state| {
        // Everything is read again: somebody may have changed it while the question stood there.
        let again = Run::begin(options, environment, state)?;
        if again.changes != run.changes {
            return Err(Failure::Changed);
        }
        again.go(&store, state, screen)
    })
}

/// One run, as far as it is known before anything happens.
struct Run<'a> {
    options: &'a SetUp,
    environment: &'a Environment,
    gateway: GatewayUrl,
    source: Source,
    tools: Vec<&'static Tool>,
    targets: Vec<Target>,
    setup: Setup,
    changes: Vec<Change>,
    /// Whether there is a key to be remembered.
    is_key_new: bool,
}

impl<'a> Run<'a> {
    fn begin(
        options: &'a SetUp,
        environment: &'a Environment,
        state: &State,
    ) -> Result<Self, Failure> {
        let gateway = choose_gateway(options.gateway.as_ref(), state, environment)?;
        let named = options.invite.as_deref();
        let invite = named.or_else(|| environment.variable(INVITE_VARIABLE));
        let source = Source::choose(invite, &gateway, state, environment)?;
        let tools = select::tools_to_set_up(&options.tools, environment)?;
        let targets = select::targets(&tools, state, environment)?;
        let setup = preview(options, environment, &gateway, &source);
        let changes = plan::set_up(&targets, &setup)?;
        let is_key_new = match &source {
            Source::Invite(_) => true,
            Source::Known(known) => state.key(&gateway) != Some(known),
            Source::Placeholder => false,
        };
        Ok(Self {
            is_key_new,
            options,
            environment,
            gateway,
            source,
            tools,
            targets,
            setup,
            changes,
        })
    }

    fn is_needed(&self) -> bool {
        self.is_key_new || self.changes.iter().any(Change::is_needed)
    }

    fn question(&self) -> &'static str {
        match self.source {
            Source::Invite(_) => "Redeem the invite and make these changes?",
            _ => "Make these changes?",
        }
    }

    fn go(mut self, store: &Store, state: &mut State, screen: &mut Screen) -> Result<(), Failure> {
        apply::remove_leftovers(&self.changes, store);
        let reserved = apply::reserve(&self.changes, self.gateway.as_str(), store, state)?;
        self.obtain_key(store, state)?;
        drop(reserved);
        let written = self.write(store, state);
        written.map_err(|failure| Failure::Unfinished {
            why: Box::new(failure),
            kept: format!(
                "what was written before is kept, and so is the key, in {}: fix it and run anyray-connect again, without --invite",
                self.environment.shorten(store.path())
            ),
        })?;
        let set_up: Vec<_> = self
            .targets
            .iter()
            .map(|target| target.tool.title)
            .collect();
        if !set_up.is_empty() {
            screen.text(&format!("Set up: {}.", set_up.join(", ")), "  ")?;
        }
        self.advise(screen)?;
        screen.line("To undo all of it: `anyray-connect --revert`")
    }

    /// Exchanges the invite for a key and keeps it. A key that is known is remembered with the rest.
    fn obtain_key(&mut self, store: &Store, state: &mut State) -> Result<(), Failure> {
        let code = match &self.source {
            Source::Invite(Secret(code)) => code,
            Source::Known(saved) => {
                state.keys.insert(self.gateway.to_string(), saved.clone());
                return Ok(());
            }
            Source::Placeholder => return Ok(()),
        };
        let answer = Gateway::new(&self.gateway).redeem(code)?;
        let saved = SavedKey {
            key: answer.key,
            invite: Some(digest(code)),
            user: Some(answer.user),
            team: answer.team,
        };
        state.keys.insert(self.gateway.to_string(), saved.clone());
        if let Err(fault) = store.save(state) {
            return Err(Failure::Unfinished {
                why: Box::new(fault.into()),
                kept: rescue(&saved.key),
            });
        }
        self.source = Source::Known(saved);
        Ok(())
    }

    /// Plans with the key and writes. The gateway may have taken its time, and somebody may have
    /// written meanwhile: the files are read once more.
    fn write(&mut self, store: &Store, state: &mut State) -> Result<(), Failure> {
        self.targets = select::targets(&self.tools, state, self.environment)?;
        self.setup = preview(self.options, self.environment, &self.gateway, &self.source);
        self.changes = plan::set_up(&self.targets, &self.setup)?;
        apply::set_up(&self.changes, self.gateway.as_str(), store, state)?;
        Ok(())
    }

    fn show(&self, screen: &mut Screen) -> Result<(), Failure> {
        screen.line(&format!("Gateway: {}", self.gateway))?;
        screen.text(&format!("Access:  {}", self.access()), "         ")?;
        if self.gateway.is_readable_on_the_way() {
            let warning = "Warning: this address is plain HTTP: keys and all that you send can be read on their way. Use https:// unless the network is yours.";
            screen.text(warning, "  ")?;
        }
        screen.line("")?;
        let needed = self.changes.iter().filter(|change| change.is_needed());
        for change in needed {
            screen.change(change, self.environment)?;
        }
        Ok(())
    }

    fn access(&self) -> String {
        let how = match &self.source {
            Source::Invite(_) => "a key for the invite, which is used up by that".to_owned(),
            Source::Known(saved) => {
                let user = saved.user.as_ref().map(|user| format!(" of {user}"));
                let team = saved.team.as_ref().map(|team| format!(", team {team}"));
                let key = mask::mask_secret(&saved.key.0);
                format!(
                    "{key}{}{}",
                    user.unwrap_or_default(),
                    team.unwrap_or_default()
                )
            }
            Source::Placeholder => {
                "no key; the gateway must serve everyone who reaches it".to_owned()
            }
        };
        match self.setup.billing {
            Billing::Organisation => how,
            Billing::Subscription => {
                format!("{how}; your own subscription pays for Claude Code and Codex")
            }
        }
    }

    /// What the user should know or do now.
    fn advise(&self, screen: &mut Screen) -> Result<(), Failure> {
        for (target, change) in self.targets.iter().zip(&self.changes) {
            let text = change.after.as_ref().map(|after| after.text.as_str());
            let (settings, text) = (target.settings, text.unwrap_or_default());
            let mut lines = select::warnings(settings, &self.setup, self.environment, text)?;
            for line in &mut lines {
                line.insert_str(0, "Warning: ");
            }
            lines.extend(settings.next_steps(&self.setup, self.environment));
            list(target.tool, &lines, screen)?;
        }
        for (tool, steps) in select::steps_by_hand(&self.tools, &self.setup) {
            list(tool, &steps, screen)?;
        }
        Ok(())
    }
}

fn list(tool: &Tool, lines: &[String], screen: &mut Screen) -> Result<(), Failure> {
    if lines.is_empty() {
        return Ok(());
    }
    screen.heading(&format!("{}:", tool.title))?;
    for line in lines {
        screen.text(&format!("  {line}"), "    ")?;
    }
    Ok(())
}

/// The setup as far as it is known; what only the invite knows is named so.
fn preview(
    options: &SetUp,
    environment: &Environment,
    gateway: &GatewayUrl,
    source: &Source,
) -> Setup {
    let (user, team) = match source {
        Source::Invite(_) => (Some(NAME_TO_COME.to_owned()), None),
        Source::Known(saved) => (saved.user.clone(), saved.team.clone()),
        Source::Placeholder => (None, None),
    };
    let guess = || identity::guess(environment);
    Setup {
        gateway: gateway.clone(),
        credential: source
            .credential()
            .unwrap_or_else(|| Credential::Key(Secret(KEY_TO_COME.to_owned()))),
        user: options.user.clone().or(user).or_else(guess),
        team: options.team.clone().or(team),
        billing: if options.subscription {
            Billing::Subscription
        } else {
            Billing::Organisation
        },
    }
}

/// Puts a key that cannot be kept where it belongs into a file of its own, because its invite is
/// used up. Says where.
fn rescue(Secret(key): &Secret) -> String {
    let file = tempfile::Builder::new().prefix("anyray-key-").tempfile();
    let kept = file.and_then(|mut file| {
        writeln!(file, "{key}")?;
        file.keep().map_err(|error| error.error)
    });
    match kept {
        Ok((_, path)) => format!(
            "the key of the invite is in {}: fix this, put it into the variable ANYRAY_CLIENT_KEY, run anyray-connect again without --invite, and remove that file",
            path.display()
        ),
        Err(_) => "the key of the invite is lost: ask for another invite".to_owned(),
    }
}
