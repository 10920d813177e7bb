//! The job API, as `voxelry_stores::pool` describes it.

use crate::jobs::Jobs;
use crate::tls::TlsListener;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;
use std::sync::Arc;
use voxelry_stores::pool::{Join, Submission, Worker, failure};

/// Bytes of a request at most.
const MOST: usize = 16 << 20;

/// What the API serves.
pub struct Api {
    /// The jobs.
    pub jobs: Arc<Jobs>,
    /// What must be given to be let in.
    pub token: String,
    /// What workers are told.
    pub join: Join,
}

/// Serves the API until the program ends.
///
/// # Errors
/// If the listener fails.
pub async fn serve(api: Api, listener: TlsListener) -> std::io::Result<()> {
    let api = Arc::new(api);
    let routes = Router::new()
        .route("/jobs", get(jobs).post(submit))
        .route("/jobs/{id}", get(job).delete(cancel))
        .route("/workers", get(workers).post(join))
        .fallback(|| async { wrong(StatusCode::NOT_FOUND, "there is no such thing here") })
        .layer(axum::extract::DefaultBodyLimit::max(MOST))
        .layer(middleware::from_fn_with_state(api.clone(), let_in))
        .with_state(api);
    axum::serve(listener, routes).await
}

/// Only who has the token comes in.
async fn let_in(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    let given = given.and_then(|v| v.strip_prefix("Bearer ")).unwrap_or_default();
    // Hashes are compared, so that how long it takes says nothing of the token.
    if blake3::hash(given.as_bytes()) == blake3::hash(api.token.as_bytes()) {
        next.run(request).await
    } else {
        wrong(StatusCode::UNAUTHORIZED, "this pool asks for its token, which is another one")
    }
}

fn answer(status: StatusCode, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn wrong(status: StatusCode, reason: &str) -> Response {
    answer(status, failure(reason))
}

fn fine(value: &impl Serialize) -> Response {
    answer(StatusCode::OK, serde_json::to_string(value).expect("plain data always encodes"))
}

fn found(value: Option<impl Serialize>) -> Response {
    value.map_or_else(|| wrong(StatusCode::NOT_FOUND, "there is no such job"), |value| fine(&value))
}

/// Work that may wait for disks, away from what serves others.
async fn aside(work: impl FnOnce() -> Response + Send + 'static) -> Response {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| {
        wrong(StatusCode::INTERNAL_SERVER_ERROR, "a fault of the program; its log says more")
    })
}

async fn jobs(State(api): State<Arc<Api>>) -> Response {
    fine(&api.jobs.list())
}

async fn submit(State(api): State<Arc<Api>>, body: Bytes) -> Response {
    let submission: Submission = match serde_json::from_slice(&body) {
        Ok(submission) => submission,
        Err(error) => return wrong(StatusCode::BAD_REQUEST, &format!("this is no job: {error}")),
    };
    aside(move || match api.jobs.submit(submission) {
        Ok(info) => fine(&info),
        Err(reason) => wrong(StatusCode::BAD_REQUEST, &reason),
    })
    .await
}

async fn job(State(api): State<Arc<Api>>, Path(id): Path<String>) -> Response {
    found(api.jobs.get(&id))
}

async fn cancel(State(api): State<Arc<Api>>, Path(id): Path<String>) -> Response {
    aside(move || found(api.jobs.cancel(&id))).await
}

async fn workers(State(api): State<Arc<Api>>) -> Response {
    fine(&api.jobs.workers())
}

async fn join(State(api): State<Arc<Api>>, body: Bytes) -> Response {
    let worker: Worker = match serde_json::from_slice(&body) {
        Ok(worker) => worker,
        Err(error) => return wrong(StatusCode::BAD_REQUEST, &format!("this is no worker: {error}")),
    };
    let own = crate::VERSION;
    if worker.version != own {
        let reason =
            format!("this pool is of version {own}, the worker of {}: they must be the same", worker.version);
        return wrong(StatusCode::CONFLICT, &reason);
    }
    api.jobs.beat(worker);
    fine(&api.join)
}
