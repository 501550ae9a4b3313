//! The list of models, and single ones: what the caller may use, whoever lists it.
//!
//! A provider's own answer passes as it is wherever nothing is to be added or left out.

use std::sync::Arc;

use anyray_providers::{Operation, Provider};
use anyray_wire::{
    Dialect,
    model_list::{self, OwnModel},
};
use http::{Response, Uri};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;

use super::{
    admit::Admitted,
    answer::{Answer, describe_json},
    attempt,
    record::Record,
};
use crate::{
    access::grant::Grant,
    config::{Snapshot, snapshot::ProviderKey},
    error::GatewayError,
    inbound::Inbound,
    routing::{self, RouteRequest, Target},
};

/// Largest list of models that is checked against what the caller may use.
const MAX_LIST_BYTES: usize = 4 << 20;

/// Serves `GET /v1/models` and `GET /v1/models/MODEL`.
pub(super) async fn serve(record: &mut Record, admitted: Admitted) -> Result<Answer, GatewayError> {
    let config = Arc::clone(record.config());
    if admitted.passthrough.is_some() {
        let plan = routing::plan(&admitted.inbound, &admitted.route_request(), &config)?;
        let plan = admitted.check_providers(plan)?;
        let reply = attempt::send(record, admitted, &plan.target).await?;
        return attempt::receive(record, &plan.target, reply).await;
    }
    let (inbound, grant) = (admitted.inbound.clone(), admitted.grant.clone());
    let (uri, provider) = (&admitted.parts.uri, admitted.provider);
    let view = View::new(uri, &inbound, provider, grant.as_deref(), &config);
    let route = RouteRequest {
        model: Some(view.model()),
        ..admitted.route_request()
    };
    let plan = routing::plan(&inbound, &route, &config);
    let plan = plan.and_then(|plan| admitted.check_providers(plan));
    if let Some(text) = view.answer_alone(plan.is_ok())? {
        return Ok(Answer::of_json(text));
    }
    let target = plan?.target;
    let reply = attempt::send(record, admitted, &target).await?;
    if reply.answer.status().is_success() && view.rewrites(&target) {
        return rewrite(&view, &config, &target, reply.answer).await;
    }
    attempt::receive(record, &target, reply).await
}

/// Replaces a provider's list of models by what the caller may see of it.
async fn rewrite(
    view: &View<'_>,
    config: &Snapshot,
    target: &Target,
    answer: Response<Incoming>,
) -> Result<Answer, GatewayError> {
    let provider = target.key.provider.slug();
    let (mut head, body) = answer.into_parts();
    let listed = attempt::collect(body, MAX_LIST_BYTES, provider, config).await?;
    let list = view.list(Some(&listed));
    let list = list.ok_or(GatewayError::InvalidAnswer { provider })?;
    describe_json(&mut head.headers);
    Ok(Answer::Rewritten(Response::from_parts(head, list.into())))
}

/// What one caller may see of the models.
#[derive(Debug)]
struct View<'a> {
    inbound: &'a Inbound,
    provider: Option<&'static dyn Provider>,
    grant: Option<&'a Grant>,
    config: &'a Snapshot,
    /// The one that is asked for; all, if none.
    model: Option<String>,
    /// Codex names its version, and looks for the key `models`.
    is_from_codex: bool,
    /// Our own names stand on one page only.
    is_first_page: bool,
}

impl<'a> View<'a> {
    /// The view of a caller with this key; `provider` is the one that `x-anyray-provider` names.
    fn new(
        uri: &Uri,
        inbound: &'a Inbound,
        provider: Option<&'static dyn Provider>,
        grant: Option<&'a Grant>,
        config: &'a Snapshot,
    ) -> Self {
        Self {
            inbound,
            provider,
            grant,
            config,
            model: wanted(&inbound.path),
            is_from_codex: has_parameter(uri, &["client_version"]),
            is_first_page: !has_parameter(uri, &["after_id", "before_id", "after"]),
        }
    }

    /// By which rules find the provider to ask: those for all models, where all are asked for.
    fn model(&self) -> &str {
        self.model.as_deref().unwrap_or_default()
    }

    /// What can be said without a provider: a single model under a name of our own, or one that is
    /// served where no provider tells of it; a list of those names where no provider has one.
    ///
    /// # Errors
    /// [`GatewayError::ModelNotAllowed`].
    fn answer_alone(&self, has_provider: bool) -> Result<Option<String>, GatewayError> {
        let Some(model) = &self.model else {
            let is_alone = !has_provider && !self.own().is_empty();
            return Ok(is_alone.then(|| self.list(None)).flatten());
        };
        if self.grant.is_some_and(|grant| !grant.allows_model(model)) {
            return Err(GatewayError::ModelNotAllowed);
        }
        // Without a provider that tells of it, that it would be served is all there is to say.
        let owner = self.owner(model, !has_provider);
        let own = owner.map(|owner| OwnModel { id: model, owner });
        Ok(own.map(|own| model_list::entry(self.inbound.dialect, &own)))
    }

    /// Whether a provider's answer is not yet what the caller is to see.
    fn rewrites(&self, target: &Target) -> bool {
        let is_limited = self.grant.is_some_and(Grant::limits_models);
        let is_list = self.model.is_none() && target.key.credential.is_some();
        is_list && (is_limited || self.is_from_codex || !self.own().is_empty())
    }

    /// The list for the caller; `None` where `listed`, the provider's, is no list.
    fn list(&self, listed: Option<&[u8]>) -> Option<String> {
        let own = if self.is_first_page {
            self.own()
        } else {
            Vec::new()
        };
        let is_allowed = |id: &str| self.grant.is_none_or(|grant| grant.allows_model(id));
        model_list::compose(self.inbound.dialect, listed, &own, is_allowed)
    }

    /// The names that the configuration has for models, as far as the caller may use them.
    fn own(&self) -> Vec<OwnModel<'a>> {
        let mapped = self.config.keys.iter();
        let mapped = mapped.flat_map(|key| key.endpoint.models.keys());
        let routed = self.config.model_rules.iter().map(|rule| &rule.pattern);
        let routed = routed.filter(|pattern| !pattern.contains('*'));
        let mut names: Vec<_> = mapped.chain(routed).map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        let own = names.into_iter();
        own.filter_map(|id| self.owner(id, false).map(|owner| OwnModel { id, owner }))
            .collect()
    }

    /// Slug of the provider that serves a name of our own to the caller; `None` where the name
    /// means nothing where the request would go, unless `is_any` name will do.
    fn owner(&self, model: &str, is_any: bool) -> Option<&'static str> {
        let generating = Inbound {
            operation: match self.inbound.dialect {
                Dialect::AnthropicMessages => Operation::Messages,
                _ => Operation::ChatCompletions,
            },
            ..self.inbound.clone()
        };
        let route = RouteRequest {
            provider: self.provider,
            model: Some(model),
            credential: None,
            passthrough: None,
        };
        let plan = routing::plan(&generating, &route, self.config).ok()?;
        let key = plan.target.key;
        let mut rules = self.config.model_rules.iter();
        let is_routed = rules.any(|rule| {
            let leads_there = |to: &Arc<ProviderKey>| to.name == key.name;
            rule.pattern == model && rule.key.as_ref().is_ok_and(leads_there)
        });
        let is_known = is_any || is_routed || key.mapped(Some(model)).is_some();
        let slug = key.provider.slug();
        let is_allowed = |grant: &Grant| grant.allows_model(model) && grant.allows_provider(slug);
        (is_known && self.grant.is_none_or(is_allowed)).then_some(slug)
    }
}

/// The model of a path such as `/models/some%2Fid`.
fn wanted(path: &str) -> Option<String> {
    let (_, id) = path.split_once("/models/")?;
    Some(percent_decode_str(id).decode_utf8_lossy().into_owned())
}

fn has_parameter(uri: &Uri, names: &[&str]) -> bool {
    let mut parameters = uri.query().unwrap_or_default().split('&');
    parameters.any(|parameter| {
        let name = parameter.split('=').next().unwrap_or_default();
        names.contains(&name)
    })
}

#[cfg(test)]
mod tests;
