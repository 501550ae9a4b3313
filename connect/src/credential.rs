//! Which credential a run sets tools up with.

use anyray_wire::anyray::{
    credential::{CredentialFault, INVITE_CODE_PREFIX, check_invite_code, read_client_key},
    secret::Secret,
};

use crate::{
    environment::Environment,
    failure::Failure,
    gateway_url::GatewayUrl,
    setup::Credential,
    state::{SavedKey, State},
};

/// Names a client key that the user has already.
pub const KEY_VARIABLE: &str = "ANYRAY_CLIENT_KEY";

/// Where a run has its credential from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// From an invite that is still to be exchanged for a key.
    Invite(Secret),
    /// From the environment or an earlier run.
    Known(SavedKey),
    /// There is none.
    Placeholder,
}

impl Source {
    /// The source that wins: the invite, `ANYRAY_CLIENT_KEY`, an earlier run.
    ///
    /// An invite that was redeemed here is not redeemed again.
    ///
    /// # Errors
    /// [`Failure::Credential`] if a code or a key is none, or not whole.
    pub fn choose(
        invite: Option<&str>,
        gateway: &GatewayUrl,
        state: &State,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        if let Some(code) = invite {
            let code = code.trim();
            check_code(code)?;
            return Ok(match state.key_of_invite(gateway, code) {
                Some(saved) => Self::Known(saved.clone()),
                None => Self::Invite(Secret(code.to_owned())),
            });
        }
        if let Some(key) = environment.variable(KEY_VARIABLE) {
            let key = key.trim();
            check_key(key)?;
            let saved = state.key(gateway).filter(|saved| saved.key.0 == key);
            let given = || SavedKey {
                key: Secret(key.to_owned()),
                invite: None,
                user: None,
                team: None,
            };
            return Ok(Self::Known(saved.cloned().unwrap_or_else(given)));
        }
        let saved = state.key(gateway).cloned();
        Ok(saved.map_or(Self::Placeholder, Self::Known))
    }

    /// The credential, where it is known without asking the gateway.
    pub fn credential(&self) -> Option<Credential> {
        match self {
            Self::Invite(_) => None,
            Self::Known(saved) => Some(Credential::Key(saved.key.clone())),
            Self::Placeholder => Some(Credential::Placeholder),
        }
    }
}

fn check_code(code: &str) -> Result<(), Failure> {
    check_invite_code(code).map_err(|fault| Failure::Credential {
        place: "--invite",
        fault,
        advice: match fault {
            _ if read_client_key(code).is_ok() => {
                "it is a client key: put it into the variable ANYRAY_CLIENT_KEY instead"
            }
            _ => "copy the whole command that you were sent",
        },
    })
}

fn check_key(key: &str) -> Result<(), Failure> {
    read_client_key(key)
        .map(drop)
        .map_err(|fault: CredentialFault| Failure::Credential {
            place: KEY_VARIABLE,
            fault,
            advice: if key.starts_with(INVITE_CODE_PREFIX) {
                "it is the code of an invite: give it by --invite instead"
            } else {
                "copy the key again, or unset the variable"
            },
        })
}
