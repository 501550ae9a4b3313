//! An inference request, step by step: admission, attempt, answer.

use std::sync::Arc;

use anyray_providers::Operation;
use axum::body::Body;
use http::{Request, Response, header::EXPECT};
use tokio::time::sleep_until;

mod admit;
mod answer;
mod attempt;
pub mod meter;
mod models;
pub mod record;
pub mod state;
pub mod stream;

use admit::admit;
use answer::Answer;
use record::Record;
use state::Worker;

use crate::{body, error::GatewayError, routing};

/// Serves one request, whatever becomes of it.
///
/// # Cancel safety
/// Dropping the future cancels the upstream request; the record notes that the caller has left.
pub async fn serve(worker: Arc<Worker>, request: Request<Body>) -> Response<Body> {
    let mut record = Record::open(&worker);
    let (parts, mut body) = request.into_parts();
    let awaits_continue = parts.headers.contains_key(EXPECT);
    match exchange_in_time(&mut record, Request::from_parts(parts, &mut body)).await {
        Ok(answer) => answer.send(record),
        Err(error) => {
            if !awaits_continue {
                body::discard(body);
            }
            answer::refuse(error, record)
        }
    }
}

/// The exchange, unless the time for it or for the process is up.
async fn exchange_in_time(
    record: &mut Record,
    request: Request<&mut Body>,
) -> Result<Answer, GatewayError> {
    let drain = record.worker().app.drain.cutoff.clone();
    let deadline = record.deadline();
    let overtime = async {
        match deadline {
            Some((deadline, limit)) => {
                sleep_until(deadline).await;
                GatewayError::TotalTimeout { limit }
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        exchanged = exchange(record, request) => exchanged,
        error = overtime => Err(error),
        () = drain.cancelled() => Err(GatewayError::Draining),
    }
}

/// From the caller's request to the head of the provider's answer.
async fn exchange(
    record: &mut Record,
    request: Request<&mut Body>,
) -> Result<Answer, GatewayError> {
    let admitted = admit(record, request).await?;
    if admitted.inbound.operation == Operation::Models {
        // Boxed, because every request's future would have room for it.
        return Box::pin(models::serve(record, admitted)).await;
    }
    let route = admitted.route_request();
    let plan = routing::plan(&admitted.inbound, &route, record.config())?;
    let plan = admitted.check_providers(plan)?;
    let reply = attempt::send(record, admitted, &plan.target).await?;
    attempt::receive(record, &plan.target, reply).await
}
