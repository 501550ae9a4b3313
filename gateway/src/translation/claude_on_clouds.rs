//! Anthropic's Messages to Claude on Bedrock and on Vertex AI: the body in another envelope, errors
//! and Bedrock's streams back into Anthropic's form.

use anyray_wire::{
    anthropic::{
        envelope::{self, Envelope},
        foreign_error,
    },
    anyray::headers::{ANTHROPIC_BETA, ANTHROPIC_VERSION},
    bedrock::claude::Translator,
};
use bytes::BytesMut;
use http::{HeaderName, HeaderValue, header::ACCEPT};

use super::{
    IDENTITY, Payload, Source, StreamFault, StreamFormat, StreamTranslation, StreamTranslator,
    Translation,
};
use crate::error::GatewayError;

/// Bedrock's `InvokeModel` and `InvokeModelWithResponseStream`.
pub(super) const BEDROCK: Translation = Translation {
    request: Some(|source| wrap(Envelope::Bedrock, source)),
    stream: Some(StreamTranslation {
        from: StreamFormat::AwsFrames,
        start: || Box::<Translator>::default(),
    }),
    error: Some(foreign_error::translate),
    ..IDENTITY
};

/// Vertex AI's `rawPredict` and `streamRawPredict`, whose streams are Anthropic's.
pub(super) const VERTEX: Translation = Translation {
    request: Some(|source| wrap(Envelope::Vertex, source)),
    error: Some(foreign_error::translate),
    ..IDENTITY
};

/// Vertex AI's `count-tokens:rawPredict`.
pub(super) const VERTEX_COUNT_TOKENS: Translation = Translation {
    request: Some(|source| wrap(Envelope::VertexCountTokens, source)),
    error: Some(foreign_error::translate),
    ..IDENTITY
};

impl StreamTranslator for Translator {
    fn push(&mut self, bytes: &[u8], events: &mut BytesMut) -> Result<(), StreamFault> {
        Ok(Self::push(self, bytes, events)?)
    }
}

/// The version and the betas stand in the envelope, but for those that stay in a header; what the
/// answer is to be is the path's to say.
fn wrap(envelope: Envelope, source: &Source<'_>) -> Result<Payload, GatewayError> {
    let provider = source.provider;
    let model = source.model;
    let model = model.ok_or(GatewayError::ModelMissing { provider })?;
    let version = source.headers.get(ANTHROPIC_VERSION);
    let version = version.and_then(|value| value.to_str().ok());
    let betas = source.headers.get_all(ANTHROPIC_BETA).iter();
    let betas = betas.filter_map(|value| value.to_str().ok());
    let wrapped = envelope::wrap(envelope, source.body, version, betas, model)
        .map_err(|fault| GatewayError::EnvelopeUnfit { provider, fault })?;
    let betas = wrapped.betas_header;
    let betas = betas.and_then(|betas| HeaderValue::try_from(betas).ok());
    Ok(Payload {
        body: Some(wrapped.body),
        headers: envelope_headers(betas),
        is_stream: wrapped.is_stream,
        dropped_betas: wrapped.dropped_betas.len(),
    })
}

fn envelope_headers(betas: Option<HeaderValue>) -> Vec<(HeaderName, Option<HeaderValue>)> {
    let json = HeaderValue::from_static("application/json");
    vec![
        (ACCEPT, Some(json)),
        (ANTHROPIC_VERSION, None),
        (ANTHROPIC_BETA, betas),
    ]
}
