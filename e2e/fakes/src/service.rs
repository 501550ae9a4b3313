//! One request over the wire: read the body, wait if told to, play the answer.

use std::{
    future::pending,
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, request::Parts};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::{
    answer::{Answer, Stamp, Wait, asks_for_token, build_answer, refuse_size},
    body::{Aborted, PlayBody},
    director::Director,
    oauth::tokens::Tokens,
    recorder::{Recorder, Tracker},
    scenario::MAX_BYTES,
    stream::Step,
};

/// What all connections of a fake share.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) recorder: Recorder,
    pub(crate) director: Director,
    pub(crate) tokens: Tokens,
    requests: AtomicU64,
}

impl State {
    fn stamp(&self) -> Stamp {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Stamp {
            serial: self.requests.fetch_add(1, Ordering::Relaxed) + 1,
            now: now.as_secs(),
        }
    }
}

/// Answers one request.
///
/// # Errors
///
/// The client left while its body was on the way; hyper closes the connection.
///
/// # Cancel safety
///
/// Dropped at any point, the request is noted as left by its client.
pub(crate) async fn serve(
    state: &State,
    connection: u64,
    request: Request<Incoming>,
) -> Result<Response<PlayBody>, Aborted> {
    let (parts, body) = request.into_parts();
    if parts.uri.path() == "/healthz" {
        return Ok(report_health());
    }
    let stamp = state.stamp();
    let recorder = if asks_for_token(&parts) {
        &state.tokens.recorder
    } else {
        &state.recorder
    };
    let mut tracker = recorder.open(&parts, connection);
    let mut answer = match read_body(body, &mut tracker).await? {
        Some(body) => build_answer(&parts, &body, &state.director, &state.tokens, stamp),
        None => refuse_size(&parts, stamp),
    };
    wait(answer.wait).await;
    if has_no_body(&parts, answer.status) {
        answer.steps.clear();
    }
    Ok(into_response(answer, tracker))
}

/// The whole body, or nothing if it is larger than [`MAX_BYTES`].
async fn read_body(mut body: Incoming, tracker: &mut Tracker) -> Result<Option<Bytes>, Aborted> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Aborted)?;
        let Some(piece) = frame.data_ref() else {
            continue;
        };
        if tracker.body_bytes() + piece.len() > MAX_BYTES {
            return Ok(None);
        }
        tracker.push_body(piece);
    }
    Ok(Some(tracker.finish_body()))
}

async fn wait(wait: Wait) {
    match wait {
        Wait::No => {}
        Wait::For(duration) => tokio::time::sleep(duration).await,
        Wait::Forever => pending().await,
    }
}

/// HTTP sends no body with these, and hyper would drop it unplayed.
fn has_no_body(parts: &Parts, status: StatusCode) -> bool {
    parts.method == Method::HEAD || status == StatusCode::NOT_MODIFIED
}

fn into_response(answer: Answer, tracker: Tracker) -> Response<PlayBody> {
    let mut response = Response::new(PlayBody::new(answer.steps, tracker));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response
}

fn report_health() -> Response<PlayBody> {
    let steps = vec![Step::Send(Bytes::from_static(b"ok\n"))];
    Response::new(PlayBody::new(steps, Tracker::unkept()))
}
