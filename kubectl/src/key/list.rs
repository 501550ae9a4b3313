//! `key list`: who may call, and until when.

use std::collections::HashMap;

use anyray_crds::{
    access,
    v1alpha1::{ClientKey, Invite, client_key::ClientKeyState},
};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;

use super::id;
use crate::{
    cli::KeyList,
    failure::Failure,
    output::{self, List},
    screen::Screen,
    session::Session,
};

const COLUMNS: &[&str] = &[
    "NAME", "ID", "USER", "TEAM", "GATEWAY", "STATE", "EXPIRES", "AGE",
];

/// Lists client keys.
///
/// # Errors
/// [`Failure`].
pub async fn list(
    session: &Session,
    options: &KeyList,
    now: Timestamp,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let gateway = ("spec.gatewayRef.name", options.gateway.as_deref());
    let user = ("spec.user", options.user.as_deref());
    let keys = session.list::<ClientKey>(&[gateway, user]).await?;
    let invites = if keys.iter().any(|key| key.spec.invite.is_some()) {
        session.list::<Invite>(&[gateway]).await?
    } else {
        Vec::new()
    };
    let invites: HashMap<_, _> = invites.iter().map(|it| (it.name_any(), it)).collect();
    let (mut rows, mut objects) = (Vec::new(), Vec::new());
    for key in keys {
        let origin = key.spec.invite.as_ref();
        let invite = origin.and_then(|origin| invites.get(&origin.name).copied());
        let state = access::client_key_state(&key, invite, now);
        if options.state.is_none_or(|wanted| wanted == state) {
            rows.push(row(&key, state, now));
            objects.push(key);
        }
    }
    let list = List {
        columns: COLUMNS,
        rows,
        objects: &objects,
    };
    list.print(options.output, session.namespace(), screen)
}

fn row(key: &ClientKey, state: ClientKeyState, now: Timestamp) -> Vec<String> {
    let spec = &key.spec;
    let end = spec.expires_at.as_ref().map(|end| output::time(end.0));
    vec![
        key.name_any(),
        id(key).unwrap_or_default().to_owned(),
        spec.user.clone(),
        spec.team.clone().unwrap_or_default(),
        spec.gateway_ref.name.clone(),
        state.as_str().to_owned(),
        end.unwrap_or_default(),
        output::age(key.creation_timestamp(), now),
    ]
}
