//! `invite list`: who was invited, and what became of it.

use anyray_crds::{access, v1alpha1::Invite};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;

use crate::{
    cli::InviteList,
    failure::Failure,
    output::{self, List},
    screen::Screen,
    session::Session,
};

const COLUMNS: &[&str] = &[
    "NAME", "USER", "TEAM", "GATEWAY", "STATE", "EXPIRES", "KEY", "AGE",
];

/// Lists invites.
///
/// # Errors
/// [`Failure`].
pub async fn list(
    session: &Session,
    options: &InviteList,
    now: Timestamp,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let field = ("spec.gatewayRef.name", options.gateway.as_deref());
    let mut invites = session.list::<Invite>(&[field]).await?;
    // By the clock: the operator may be behind, and the gateways ask the clock, too.
    invites.retain(|invite| {
        let state = access::invite_state(invite, now);
        options.state.is_none_or(|wanted| wanted == state)
    });
    let list = List {
        columns: COLUMNS,
        rows: invites.iter().map(|invite| row(invite, now)).collect(),
        objects: &invites,
    };
    list.print(options.output, session.namespace(), screen)
}

fn row(invite: &Invite, now: Timestamp) -> Vec<String> {
    let spec = &invite.spec;
    let redemption = invite.status.as_ref().and_then(|it| it.redemption.as_ref());
    vec![
        invite.name_any(),
        spec.user.clone(),
        spec.team.clone().unwrap_or_default(),
        spec.gateway_ref.name.clone(),
        access::invite_state(invite, now).as_str().to_owned(),
        access::code_expiry(invite)
            .map(output::time)
            .unwrap_or_default(),
        redemption.map(|it| it.key_id.clone()).unwrap_or_default(),
        output::age(invite.creation_timestamp(), now),
    ]
}
