//! One attempt: the request as one provider takes it, sent, and the head of the answer.

use std::{sync::Arc, time::SystemTime};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use tokio::time::timeout;

use super::{
    admit::{Admitted, named_model},
    answer::{Answer, describe_json},
    record::Record,
    stream::Format,
};
use crate::{
    body::{Fault, UpstreamBody},
    config::{Snapshot, credential::Credential, snapshot::ProviderKey},
    error::GatewayError,
    outbound::{
        credential, hops,
        request::{self, Model},
        upstream::SendError,
    },
    routing::Target,
    translation::{self, Payload},
};

/// Largest error of a provider that is translated.
const MAX_ERROR_BYTES: usize = 64 << 10;

/// Largest answer of a provider that is translated.
const MAX_DOCUMENT_BYTES: usize = 16 << 20;

/// What a provider answered, its head read.
pub(super) struct Reply {
    pub(super) answer: Response<Incoming>,
    /// The request asked for a stream, of which nothing else can be translated.
    is_stream: bool,
}

/// Sends a request to a target, within every limit.
///
/// It uses the request up: there is one target today.
pub(super) async fn send(
    record: &mut Record,
    mut admitted: Admitted,
    target: &Target,
) -> Result<Reply, GatewayError> {
    record.set_key(&target.key);
    let model = Model::of(admitted.model.as_deref(), &admitted.inbound, target);
    let payload = match request::needs_whole_body(target, &admitted.inbound, &model) {
        // Boxed, because every request's future would have room for it.
        true => Box::pin(fit(record, &mut admitted, target)).await?,
        false => Payload::default(),
    };
    let is_stream = payload.is_stream;
    let Admitted {
        parts,
        inbound,
        model,
        body,
        fault,
        ..
    } = admitted;
    let model = Model::of(model.as_deref(), &inbound, target);
    let mut request = request::build(parts, &inbound, target, &model, payload)?.map(|()| body);
    let app = Arc::clone(&record.worker().app);
    if target.key.provider.may_loop() {
        hops::note(request.headers_mut(), app.id_prefix)?;
    }
    credential::authorize(&mut request, target, &app.tokens, SystemTime::now()).await?;
    let answer = exchange(record, &target.key, request, fault).await?;
    Ok(Reply { answer, is_stream })
}

/// Waits for a body that is to be changed or signed, and puts it into the form that the provider takes.
/// Then a model that it names late is known, too.
async fn fit(
    record: &mut Record,
    admitted: &mut Admitted,
    target: &Target,
) -> Result<Payload, GatewayError> {
    let limits = &record.config().limits;
    let budget = record.worker().app.body_budget(limits);
    let received = std::mem::take(&mut admitted.body);
    let whole = received.into_whole(&budget).await?;
    if admitted.model.is_none() {
        admitted.model = named_model(&admitted.inbound, &whole.clone().into());
        record.set_model(admitted.model.as_deref());
    }
    let model = Model::of(admitted.model.as_deref(), &admitted.inbound, target);
    let mut payload = request::payload(target, &model, &admitted.parts.headers, &whole)?;
    if payload.dropped_betas > 0 {
        tracing::debug!(
            request.id = record.id(),
            betas = payload.dropped_betas,
            "left betas out that the provider refuses"
        );
    }
    admitted.body = match payload.body.take() {
        Some(changed) => budget.hold(changed)?.into(),
        None => whole.into(),
    };
    Ok(payload)
}

/// Sends the request and waits for the head of the answer.
async fn exchange(
    record: &Record,
    key: &Arc<ProviderKey>,
    request: Request<UpstreamBody>,
    fault: Option<Fault>,
) -> Result<Response<Incoming>, GatewayError> {
    let worker = Arc::clone(record.worker());
    let provider = key.provider.slug();
    let limit = record.config().timeouts.first_byte;
    let sending = worker.upstreams.send(&key.transport, request);
    let sent = timeout(limit, sending).await;
    let sent = sent.map_err(|_| GatewayError::FirstByteTimeout { provider, limit })?;
    let answer = sent.map_err(|error| match fault.as_ref().and_then(|fault| fault.get()) {
        Some(fault) => fault.clone(),
        None => send_error(&error, key),
    })?;
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(GatewayError::InvalidAnswer { provider });
    }
    if answer.status() == StatusCode::UNAUTHORIZED
        && let Some(Credential::Token(grant)) = &key.credential
    {
        worker.app.tokens.forget(grant, SystemTime::now());
    }
    Ok(answer)
}

fn send_error(error: &SendError, key: &ProviderKey) -> GatewayError {
    let provider = key.provider.slug();
    match error {
        SendError::ConnectTimeout => GatewayError::ConnectTimeout {
            provider,
            limit: key.transport.connect_timeout,
        },
        SendError::EgressDenied => GatewayError::EgressRefused { provider },
        SendError::Connect => GatewayError::Unreachable { provider },
        SendError::Exchange => GatewayError::InvalidAnswer { provider },
    }
}

/// Finds out in which form the answer is to reach the caller.
pub(super) async fn receive(
    record: &Record,
    target: &Target,
    reply: Reply,
) -> Result<Answer, GatewayError> {
    let Reply { answer, is_stream } = reply;
    let provider = target.key.provider.slug();
    let translation = translation::of(target.adaptation);
    let status = answer.status();
    if let Some(translate) = translation.error
        && (status.is_client_error() || status.is_server_error())
    {
        let translate = |body: &[u8]| translate(status.as_u16(), body, record.id());
        return Box::pin(rewrite(
            record,
            provider,
            answer,
            MAX_ERROR_BYTES,
            translate,
        ))
        .await;
    }
    let format = Format::of(answer.headers(), translation);
    if !format.is_document() || !status.is_success() {
        return Ok(Answer::Relayed(answer, format));
    }
    if is_stream {
        return Err(GatewayError::InvalidAnswer { provider });
    }
    match translation.document {
        Some(translate) => {
            Box::pin(rewrite(
                record,
                provider,
                answer,
                MAX_DOCUMENT_BYTES,
                translate,
            ))
            .await
        }
        None => Ok(Answer::Relayed(answer, format)),
    }
}

/// Takes in an answer and translates it; what needs no translation keeps its body.
async fn rewrite(
    record: &Record,
    provider: &'static str,
    answer: Response<Incoming>,
    max_bytes: usize,
    translate: impl Fn(&[u8]) -> Option<Bytes>,
) -> Result<Answer, GatewayError> {
    let (mut head, body) = answer.into_parts();
    let body = collect(body, max_bytes, provider, record.config()).await?;
    let body = match translate(&body) {
        Some(translated) => {
            describe_json(&mut head.headers);
            translated
        }
        None => body,
    };
    Ok(Answer::Rewritten(Response::from_parts(head, body)))
}

/// Takes in all of a small answer.
pub(super) async fn collect(
    body: Incoming,
    max_bytes: usize,
    provider: &'static str,
    config: &Snapshot,
) -> Result<Bytes, GatewayError> {
    let limit = config.timeouts.idle;
    let body = timeout(limit, Limited::new(body, max_bytes).collect()).await;
    let body = body.map_err(|_| GatewayError::StreamIdle { provider, limit })?;
    let body = body.map_err(|_| GatewayError::InvalidAnswer { provider })?;
    Ok(body.to_bytes())
}
