//! An axum application with its own `main` that gains one entity: a counter of visits, durable, per page.
//!
//! Read [`Visits`], then [`router`], then `main`; the tests at the end need no disk, no socket and no waiting.
//! What was there before is plain axum, and stays so: nigh is a value in the state of the router.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use nigh::{App, CallError, Config, Nigh, Time, Tx, Wire};

/// What is kept for one page. The runtime loads it, runs one method at a time, and makes each change durable.
#[derive(Default, nigh::State)]
struct Visits {
    count: u32,
    last: Option<Time>,
}

/// What a visitor is told.
#[derive(Wire, Debug, PartialEq, Eq)]
struct Seen {
    count: u32,
    /// When somebody was here before; nobody was if absent.
    before: Option<Time>,
}

#[nigh::entity(key = String)]
impl Visits {
    /// Counts a visit, each time it runs. A method never reads a clock: the time comes with the commit.
    pub(crate) fn visit(&mut self, tx: &mut Tx<Self>) -> Seen {
        self.count = self.count.saturating_add(1);
        Seen { count: self.count, before: self.last.replace(tx.now()) }
    }
    /// How many visits there were. `&self` makes it a view: it may be asked any number of times, by `GET`.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }
}

/// The same list for `main` and for the tests.
fn app() -> App {
    App::new("axum-counter").entity::<Visits>()
}

/// Routes of our own beside those of nigh, which serve every entity by its schema.
fn router(nigh: Nigh) -> Router {
    Router::new()
        .route("/", get(|| async { "See /hello/{page}, and /api for what else there is.\n" }))
        .route("/hello/{page}", get(hello))
        .nest_service("/api", nigh_gate::service(nigh.clone()))
        .with_state(nigh)
}

/// A handler as it was, and one call in it.
async fn hello(State(nigh): State<Nigh>, Path(page): Path<String>) -> Response {
    match nigh.call(Visits::at(page).visit()).await {
        Ok(seen) => Json(seen.count).into_response(),
        Err(error) => refusal(&error).into_response(),
    }
}

/// Every call that does not simply succeed says whether it happened; so do we.
fn refusal(error: &CallError) -> (StatusCode, &'static str) {
    match error {
        // The method has no error of its own: `Never` has no value to handle.
        CallError::Failed(never) => match *never {},
        CallError::NotDone(_) => (StatusCode::SERVICE_UNAVAILABLE, "not counted: try again\n"),
        // A visit more or less is not worth asking `nigh.settle(ticket)`. Money would be.
        CallError::InDoubt(_) => (StatusCode::GATEWAY_TIMEOUT, "perhaps counted\n"),
        CallError::Overloaded { .. } => (StatusCode::TOO_MANY_REQUESTS, "not counted: too much to do\n"),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // All is kept in one directory. The node runs until it is stopped; handles are cheap to clone.
    let node = app().start(Config::dir("axum-counter-data")).await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}", listener.local_addr()?);
    let stop = async { _ = tokio::signal::ctrl_c().await };
    axum::serve(listener, router(node.handle())).with_graceful_shutdown(stop).await?;
    Ok(node.stop().await?) // Last, since open requests still call it.
}

#[cfg(test)]
mod tests;
