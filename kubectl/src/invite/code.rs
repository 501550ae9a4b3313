//! `invite code`: prints the command of a code that the operator made.

use anyray_crds::{
    access,
    v1alpha1::{
        Invite,
        invite::{InviteState, Redemption},
    },
};
use anyray_wire::anyray::credential::CredentialDigest;
use k8s_openapi::{api::core::v1::Secret, jiff::Timestamp};

use crate::{failure::Failure, output, screen::Screen, session::Session};

/// Prints the command with the code of an invite.
///
/// # Errors
/// [`Failure`], above all [`Failure::NoCode`].
pub async fn code(
    session: &Session,
    name: &str,
    now: Timestamp,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let invite: Invite = session.get(name).await?;
    let no_code = |reason: String| Failure::NoCode {
        name: format!("{}/{name}", session.namespace()),
        reason,
    };
    let secret_name = find_secret(&invite, now).map_err(no_code)?;
    let secret = match session.get::<Secret>(secret_name).await {
        Err(Failure::NoObject(_)) => return Err(no_code(SECRET_IS_GONE.to_owned())),
        found => found?,
    };
    let command = read(&secret, &invite).ok_or_else(|| {
        no_code(format!(
            "Secret {secret_name} does not hold the code of this Invite: somebody has changed it; {ANOTHER}"
        ))
    })?;
    if let Some(end) = access::code_expiry(&invite) {
        let until = output::time(end);
        screen.note(&format!(
            "Send this command to {}; it works once, until {until}:",
            invite.spec.user
        ));
    }
    screen.print(command)
}

const ANOTHER: &str = "revoke or delete this Invite, and create another one";

const SECRET_IS_GONE: &str = "its Secret was deleted; whoever has the code can still redeem it: revoke or delete this Invite, and create another one";

/// Name of the Secret with the code, or why there is none.
fn find_secret(invite: &Invite, now: Timestamp) -> Result<&str, String> {
    let status = invite.status.as_ref();
    let redemption = status.and_then(|status| status.redemption.as_ref());
    match access::invite_state(invite, now) {
        InviteState::Revoked => {
            return Err("it was revoked; create another Invite".to_owned());
        }
        InviteState::Redeemed => return Err(redeemed(redemption)),
        InviteState::Expired => {
            return Err("its time is over; create another Invite".to_owned());
        }
        _ if invite.spec.code_hash.is_some() => {
            return Err(format!(
                "the code was made elsewhere, and only whoever created the Invite has seen it; if it is lost, {ANOTHER}"
            ));
        }
        InviteState::Pending => return Err(pending(invite)),
        InviteState::Issued => {}
    }
    let name = status.and_then(|status| status.code_secret_name.as_deref());
    name.ok_or_else(|| SECRET_IS_GONE.to_owned())
}

fn redeemed(redemption: Option<&Redemption>) -> String {
    let of = redemption.map_or_else(String::new, |it| {
        format!(
            " on {} for ClientKey {}",
            output::time(it.at.0),
            it.client_key_name
        )
    });
    format!("it was redeemed{of}; for another device, create another Invite")
}

fn pending(invite: &Invite) -> String {
    let conditions = invite.status.iter().flat_map(|it| &it.conditions);
    let mut issued = conditions.filter(|it| it.type_ == "Issued");
    issued.next().map_or_else(
        || "the operator has not made one yet; if that stays so, see whether it runs and watches this namespace".to_owned(),
        |issued| format!("there is none yet: {}", issued.message),
    )
}

/// The command in a Secret, if its code is the one of the Invite and nothing else stands in it.
fn read<'s>(secret: &'s Secret, invite: &Invite) -> Option<&'s str> {
    let entry = |name| {
        let data = secret.data.as_ref()?.get(name)?;
        std::str::from_utf8(&data.0).ok()
    };
    let (code, command): (&str, &str) = (entry("code")?, entry("command")?);
    let digest = CredentialDigest::of(code).to_string();
    let is_ours = access::code_hash(invite) == Some(digest.as_str());
    let is_plain = !command.chars().any(char::is_control);
    (is_ours && is_plain && command.ends_with(code)).then_some(command)
}
