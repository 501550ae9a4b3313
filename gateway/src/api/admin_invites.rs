//! `/admin/invites`: make, list and delete invites.

use std::sync::Arc;

use anyray_crds::{
    access,
    v1alpha1::{
        Invite, InviteSpec,
        access::GatewayRef,
        invite::{InviteState, KeyTemplate},
    },
};
use anyray_wire::anyray::{
    admin::{CreateInvite, CreatedInvite, InviteSummary, List},
    credential::{CredentialDigest, KeyId, write_invite_code},
    secret::Secret,
};
use axum::{
    Json, Router,
    extract::{Path, Query, State},
    routing::{delete, post},
};
use http::StatusCode;
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kube::ResourceExt as _;
use serde::Deserialize;

use super::{
    admin_client_keys::{check_user, permissions_from, time_after},
    answer::{Refusal, Strict},
};
use crate::{access::random, pipeline::state::Worker};

/// Life of a code that is asked for without one, in seconds.
const DEFAULT_LIFE: u64 = 72 * 3600;

/// Longest and shortest life of a code, in seconds.
const LIFE: std::ops::RangeInclusive<u64> = 60..=30 * 24 * 3600;

/// Longest and shortest life of a key, in seconds.
const KEY_LIFE: std::ops::RangeInclusive<u64> = 60..=87_600 * 3600;

pub(super) fn router() -> Router<Arc<Worker>> {
    Router::new()
        .route("/admin/invites", post(create).get(list))
        .route("/admin/invites/{id}", delete(remove))
}

async fn create(
    State(worker): State<Arc<Worker>>,
    Strict(wish): Strict<CreateInvite>,
) -> Result<(StatusCode, Json<CreatedInvite>), Refusal> {
    let callers = worker.app.callers.as_ref().ok_or_else(Refusal::no_store)?;
    let now = Timestamp::now();
    let code = write_invite_code(&random::bytes());
    let hash = CredentialDigest::of(&code);
    let invite = build(wish, callers.gateway(), &hash, now)?;
    let created = callers.create_invite(invite).await?;
    tracing::info!(invite.name = created.name_any(), "made an invite");
    Ok((
        StatusCode::CREATED,
        Json(CreatedInvite {
            id: created.name_any(),
            token: Secret(code),
            expires_at: text(access::code_expiry(&created)),
            created_at: text(created.creation_timestamp().map(|at| at.0)),
            user: created.spec.user,
            team: created.spec.team,
        }),
    ))
}

fn build(
    wish: CreateInvite,
    gateway: &str,
    hash: &CredentialDigest,
    now: Timestamp,
) -> Result<Invite, Refusal> {
    check_user(&wish.user, wish.team.as_deref())?;
    let life = wish.expires_in_seconds.unwrap_or(DEFAULT_LIFE);
    if !LIFE.contains(&life) {
        return Err(Refusal::invalid(
            "field expiresInSeconds: must be between 60 and 2592000",
        ));
    }
    let key_life = wish.key_expires_in_seconds;
    if key_life.is_some_and(|life| !KEY_LIFE.contains(&life)) {
        return Err(Refusal::invalid(
            "field keyExpiresInSeconds: must be between 60 and 315360000",
        ));
    }
    let spec = InviteSpec {
        gateway_ref: GatewayRef {
            name: gateway.to_owned(),
        },
        user: wish.user,
        team: wish.team,
        ttl: None,
        expires_at: Some(Time(time_after(now, life)?)),
        code_hash: Some(hash.to_string()),
        secret_name: None,
        key: KeyTemplate {
            expires_after: key_life.map(|life| std::time::Duration::from_secs(life).into()),
            permissions: permissions_from(wish.permissions)?,
            ..KeyTemplate::default()
        },
        revoked: false,
    };
    // Named after nobody: names of objects are seen in logs.
    let name = format!("invite-{}", KeyId::from_random(random::bytes()));
    Ok(Invite::new(&name, spec))
}

fn text(time: Option<Timestamp>) -> String {
    time.map(|time| time.to_string()).unwrap_or_default()
}

#[derive(Debug, Deserialize)]
struct Filter {
    status: Option<String>,
}

async fn list(
    State(worker): State<Arc<Worker>>,
    Query(filter): Query<Filter>,
) -> Result<Json<List<InviteSummary>>, Refusal> {
    let callers = worker.app.callers.as_ref().ok_or_else(Refusal::no_store)?;
    let (mut invites, _) = callers.list().await?;
    invites.sort_by_key(kube::ResourceExt::name_any);
    let now = Timestamp::now();
    let mut data: Vec<_> = invites.iter().map(|invite| summary(invite, now)).collect();
    if let Some(status) = filter.status {
        data.retain(|invite| invite.status == status.to_lowercase());
    }
    Ok(Json(List { data }))
}

fn summary(invite: &Invite, now: Timestamp) -> InviteSummary {
    let redemption = invite.status.as_ref().and_then(|s| s.redemption.as_ref());
    let state = access::invite_state(invite, now);
    InviteSummary {
        id: invite.name_any(),
        user: invite.spec.user.clone(),
        team: invite.spec.team.clone(),
        status: state.as_str().to_lowercase(),
        created_at: text(invite.creation_timestamp().map(|at| at.0)),
        expires_at: text(access::code_expiry(invite)),
        redeemed_at: redemption.map(|redemption| redemption.at.0.to_string()),
        key_id: redemption.map(|redemption| redemption.key_id.clone()),
    }
}

async fn remove(
    State(worker): State<Arc<Worker>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    let callers = worker.app.callers.as_ref().ok_or_else(Refusal::no_store)?;
    let found = callers.get_invite(id.clone()).await?;
    let invite = found.ok_or_else(|| Refusal::not_found("invite"))?;
    if access::invite_state(&invite, Timestamp::now()) == InviteState::Redeemed {
        let message = "the invite has been redeemed: delete its client key instead";
        return Err(Refusal::new(
            StatusCode::CONFLICT,
            "invite_already_redeemed",
            message,
        ));
    }
    callers.delete_invite(id).await?;
    Ok(StatusCode::NO_CONTENT)
}
