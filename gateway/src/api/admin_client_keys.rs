//! `/admin/client-keys`: make, list and delete client keys.

use std::{collections::HashMap, sync::Arc};

use anyray_crds::{
    access,
    v1alpha1::{
        ClientKey, ClientKeySpec, Invite,
        access::{GatewayRef, Permissions},
        client_key::KnownKey,
    },
};
use anyray_wire::{
    anyray::{
        admin::{self, ClientKeySummary, CreateClientKey, CreatedClientKey, List},
        credential::{CredentialDigest, KeyId, write_client_key},
        secret::Secret,
    },
    gateway_config::check,
};
use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{delete, post},
};
use http::StatusCode;
use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::Time,
    jiff::{SignedDuration, Timestamp},
};
use kube::ResourceExt as _;

use super::answer::{Refusal, Strict};
use crate::{
    access::{
        random,
        store::{StoreError, redeem::key_name},
    },
    pipeline::state::Worker,
};

/// Longest and shortest life of a key, in seconds.
const LIFE: std::ops::RangeInclusive<u64> = 60..=87_600 * 3600;

pub(super) fn router() -> Router<Arc<Worker>> {
    Router::new()
        .route("/admin/client-keys", post(create).get(list))
        .route("/admin/client-keys/{id}", delete(remove))
}

/// Whether names fit the custom resources.
pub(super) fn check_user(user: &str, team: Option<&str>) -> Result<(), Refusal> {
    let is_fit = |text: &str, longest: usize| {
        (1..=longest).contains(&text.chars().count()) && !text.contains(char::is_control)
    };
    if !is_fit(user, 254) {
        return Err(Refusal::invalid(
            "field user: must have 1 to 254 characters and no control characters",
        ));
    }
    if team.is_some_and(|team| !is_fit(team, 63)) {
        return Err(Refusal::invalid(
            "field team: must have 1 to 63 characters and no control characters",
        ));
    }
    Ok(())
}

/// The permissions that were asked for, checked as the custom resources are.
pub(super) fn permissions_from(wish: admin::Permissions) -> Result<Permissions, Refusal> {
    if wish.models.len() > 128 || wish.providers.len() > 16 {
        return Err(Refusal::invalid(
            "field permissions: at most 128 models and 16 providers can be listed",
        ));
    }
    for (index, model) in wish.models.iter().enumerate() {
        check::model_pattern(model).map_err(|error| {
            let field = format!("permissions.models[{index}]");
            Refusal::invalid(format!("field {field}: {}", error.message))
        })?;
    }
    let unknown = wish
        .providers
        .iter()
        .position(|slug| anyray_providers::find(slug).is_none());
    if let Some(index) = unknown {
        let slugs = anyray_providers::slugs();
        return Err(Refusal::invalid(format!(
            "field permissions.providers[{index}]: must be one of {slugs}"
        )));
    }
    let limit = |name: &str, value: Option<u32>| match value {
        Some(value) if !(1..=1_000_000).contains(&value) => Err(Refusal::invalid(format!(
            "field permissions.{name}: must be between 1 and 1000000"
        ))),
        value => Ok(value.and_then(|value| i32::try_from(value).ok())),
    };
    Ok(Permissions {
        requests_per_minute: limit("requestsPerMinute", wish.requests_per_minute)?,
        concurrent_requests: limit("concurrentRequests", wish.concurrent_requests)?,
        models: wish.models,
        providers: wish.providers,
    })
}

/// The time so many seconds from now.
pub(super) fn time_after(now: Timestamp, seconds: u64) -> Result<Timestamp, Refusal> {
    let life = i64::try_from(seconds).ok().map(SignedDuration::from_secs);
    let end = life.and_then(|life| now.checked_add(life).ok());
    // Objects hold whole seconds.
    let end = end.and_then(|end| Timestamp::from_second(end.as_second()).ok());
    end.ok_or_else(|| Refusal::invalid("the time is beyond all calendars"))
}

async fn create(
    State(worker): State<Arc<Worker>>,
    Strict(wish): Strict<CreateClientKey>,
) -> Result<(StatusCode, Json<CreatedClientKey>), Refusal> {
    let callers = worker.app.callers.as_ref().ok_or_else(Refusal::no_store)?;
    let id = KeyId::from_random(random::bytes());
    let secret = write_client_key(id, &random::bytes());
    let key = build(wish, callers.gateway(), id, &CredentialDigest::of(&secret))?;
    let created = callers.create_key(key).await?;
    tracing::info!(client_key.id = %id, "made a client key");
    Ok((
        StatusCode::CREATED,
        Json(CreatedClientKey {
            id: id.to_string(),
            key: Secret(secret),
            created_at: created
                .creation_timestamp()
                .map(|at| at.0.to_string())
                .unwrap_or_default(),
            user: created.spec.user,
            team: created.spec.team,
            expires_at: created.spec.expires_at.map(|end| end.0.to_string()),
        }),
    ))
}

fn build(
    wish: CreateClientKey,
    gateway: &str,
    id: KeyId,
    hash: &CredentialDigest,
) -> Result<ClientKey, Refusal> {
    check_user(&wish.user, wish.team.as_deref())?;
    let life = wish.expires_in_seconds;
    if life.is_some_and(|life| !LIFE.contains(&life)) {
        return Err(Refusal::invalid(
            "field expiresInSeconds: must be between 60 and 315360000",
        ));
    }
    let name = wish.name;
    if name.as_ref().is_some_and(|name| name.chars().count() > 256) {
        return Err(Refusal::invalid(
            "field name: must have at most 256 characters",
        ));
    }
    let end = life.map(|life| time_after(Timestamp::now(), life));
    let spec = ClientKeySpec {
        gateway_ref: GatewayRef {
            name: gateway.to_owned(),
        },
        user: wish.user,
        team: wish.team,
        key: Some(KnownKey {
            id: id.to_string(),
            hash: hash.to_string(),
        }),
        secret_name: None,
        service_account: None,
        invite: None,
        description: name,
        expires_at: end.transpose()?.map(Time),
        permissions: permissions_from(wish.permissions)?,
        suspended: false,
        revoked: false,
    };
    Ok(ClientKey::new(&key_name(id), spec))
}

async fn list(State(worker): State<Arc<Worker>>) -> Result<Json<List<ClientKeySummary>>, Refusal> {
    let callers = worker.app.callers.as_ref().ok_or_else(Refusal::no_store)?;
    let (invites, mut keys) = callers.list().await?;
    keys.sort_by_key(kube::ResourceExt::name_any);
    let invites: HashMap<_, _> = invites.iter().map(|i| (i.name_any(), i)).collect();
    let now = Timestamp::now();
    let summaries = keys.iter().map(|key| {
        let last_used = callers.access.find_named(&key.name_any());
        let last_used = last_used.and_then(|grant| grant.last_used());
        summary(key, &invites, last_used, now)
    });
    Ok(Json(List {
        data: summaries.collect(),
    }))
}

fn summary(
    key: &ClientKey,
    invites: &HashMap<String, &Invite>,
    last_used: Option<i64>,
    now: Timestamp,
) -> ClientKeySummary {
    let origin = key.spec.invite.as_ref();
    let invite = origin.and_then(|origin| invites.get(&origin.name)).copied();
    let id = access::known_key(key).map(|known| known.id.clone());
    let last_used = last_used.and_then(|at| Timestamp::from_second(at).ok());
    ClientKeySummary {
        id: id.unwrap_or_else(|| key.name_any()),
        name: key.name_any(),
        user: key.spec.user.clone(),
        team: key.spec.team.clone(),
        status: access::client_key_state(key, invite, now)
            .as_str()
            .to_lowercase(),
        created_at: key
            .creation_timestamp()
            .map(|at| at.0.to_string())
            .unwrap_or_default(),
        expires_at: key.spec.expires_at.as_ref().map(|end| end.0.to_string()),
        last_used_at: last_used.map(|at| at.to_string()),
    }
}

/// By the key's id, or by the name of its object.
async fn remove(
    State(worker): State<Arc<Worker>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    let callers = worker.app.callers.as_ref().ok_or_else(Refusal::no_store)?;
    let known = id.parse().ok().and_then(|id| callers.access.find(id));
    let name = match (known, id.parse()) {
        (Some(grant), _) => grant.name.to_string(),
        (None, Ok(id)) => key_name(id),
        (None, Err(_)) => id.clone(),
    };
    let deleted = match callers.delete_key(name.clone()).await {
        // A name may look like an id.
        Err(StoreError::NotFound) if name != id => callers.delete_key(id).await,
        deleted => deleted,
    };
    match deleted {
        Err(StoreError::NotFound) => Err(Refusal::not_found("client key")),
        deleted => {
            deleted?;
            Ok(StatusCode::NO_CONTENT)
        }
    }
}
