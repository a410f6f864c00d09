//! One request on its way to one answer: who asks, what for, with what, under which name, and what came of it.
//!
//! [`Gate::respond`] is that path, in order. Everything is refused as early as it can be told, before anything is
//! asked of the application, and then `outcome` is `not_done`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, RETRY_AFTER};
use http::header::{HeaderName, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::{HeaderValue, Method as Verb, Request, Response, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::Full;
use nigh::Nigh;
use nigh::perform::{Ask, Identity, Outcome, What};
use nigh_wire::{Class, Value as Answer};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::clock::now;
use crate::flights::{Delayed, Flights, Name};
use crate::page::Page;
use crate::problem::{Happened, Kind, Problem, quoted};
use crate::route::{self, Route, Target};
use crate::rules::Rules;
use crate::upload::{BODIES_SIZE_MAX, Upload};
use crate::verdict::{self, Asked, Reply};
use crate::{arguments, headers, ledger, offer};

/// The gateway as a `tower_service::Service`, to mount in a router of an application that has its own.
///
/// Mounted below `/api` with the prefix taken off (axum's `nest_service("/api", …)`) or as it is (axum's
/// `fallback_service(…)`), it answers the same paths. `Host` and `Origin` are checked here too.
pub fn service(nigh: Nigh) -> Gate {
    Gate::new(nigh, Rules::default(), None)
}

/// Answers HTTP requests by asking an application. Cheap to clone.
#[derive(Clone)]
pub struct Gate {
    nigh: Nigh,
    rules: Arc<Rules>,
    /// Of a door of its own; `None` when mounted, where other paths are others' business.
    pages: Option<Arc<BTreeMap<&'static str, Page>>>,
    offer: Bytes,
    flights: Flights,
    /// Bytes of bodies that may still be read into memory.
    room: Arc<Semaphore>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl Gate {
    pub(crate) fn new(nigh: Nigh, rules: Rules, pages: Option<BTreeMap<&'static str, Page>>) -> Self {
        let offer = Bytes::from(offer::offer(nigh.catalogue()).to_string());
        Gate {
            nigh,
            rules: Arc::new(rules),
            pages: pages.map(Arc::new),
            offer,
            flights: Flights::default(),
            room: Arc::new(Semaphore::new(BODIES_SIZE_MAX)),
        }
    }

    /// Answers to this host name too, with any port; loopback names always are.
    #[must_use]
    pub fn host(mut self, name: &str) -> Self {
        Arc::make_mut(&mut self.rules).allow_host(name);
        self
    }

    /// Answers to any host name: for a router that checks `Host` itself, or a proxy before it that does.
    #[must_use]
    pub fn any_host(mut self) -> Self {
        Arc::make_mut(&mut self.rules).allow_any_host();
        self
    }

    /// Answers pages of this origin too: `https://app.example`. The request's own origin always is.
    #[must_use]
    pub fn origin(mut self, origin: &str) -> Self {
        Arc::make_mut(&mut self.rules).allow_origin(origin);
        self
    }

    async fn respond<B: HttpBody<Data = Bytes>>(self, request: Request<B>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let mut upload = Upload::new(body, &parts.headers);
        let answer = self.answer(&parts, &mut upload).await;
        upload.drain().await;
        answer.unwrap_or_else(|problem| refusal(&problem))
    }

    async fn answer<B: HttpBody<Data = Bytes>>(
        &self,
        parts: &Parts,
        upload: &mut Upload<B>,
    ) -> Result<Response<Body>, Problem> {
        self.rules.check(&parts.uri, &parts.headers)?;
        let target = parts.uri.path_and_query().map_or("", |all| all.as_str());
        headers::check_size(&parts.headers, target)?;
        let path = match parts.uri.path().strip_prefix("/api") {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
            _ => match &self.pages {
                Some(pages) => return page(pages, &parts.method, parts.uri.path()),
                None => parts.uri.path(),
            },
        };
        let query = parts.uri.query().unwrap_or("");
        let reply = match route::find(self.nigh.catalogue(), &parts.method, path, query)? {
            Route::Offer => return Ok(ok(self.offer.clone())),
            Route::Health => Reply::Value { value: json!({"status": "serving"}), version: None },
            Route::List { contract, key_schema, after, limit } => {
                let what = What::List { entity: contract.name.clone(), after, limit };
                let outcome = self.perform(what, Identity::Fresh, self.due(parts)?).await;
                verdict::of_list(outcome, key_schema, limit)
            }
            Route::Ledger => Reply::Value { value: ledger::ledger(&self.nigh.ledger()), version: None },
            Route::Why(named) => {
                Reply::Value { value: ledger::why(&named, &self.nigh.why(&named).await), version: None }
            }
            Route::Settle => self.settle(parts, upload).await?,
            Route::Backup => self.backup(parts, upload).await?,
            Route::Method(target) => self.call(target, parts, query, upload).await?,
        };
        match reply {
            Reply::Value { value, version } => {
                let mut response = ok(Bytes::from(value.to_string()));
                if let Some(version) = version {
                    let tag = HeaderValue::from_str(&format!("\"{version}\"")).expect("digits and a dot");
                    response.headers_mut().insert(ETAG, tag);
                }
                Ok(response)
            }
            Reply::Problem(problem) => Err(problem),
        }
    }

    async fn call<B: HttpBody<Data = Bytes>>(
        &self,
        target: Target<'_>,
        parts: &Parts,
        query: &str,
        upload: &mut Upload<B>,
    ) -> Result<Reply, Problem> {
        let Target { contract, method, index, key } = target;
        let due = self.due(parts)?;
        let ask = |args: Bytes| What::Method { method: index, key: key.clone(), args: Answer::Bytes(args) };
        if method.class == Class::Read {
            let args = arguments::from_query(method, query)?;
            let outcome = self.perform(ask(args), Identity::Fresh, due).await;
            return Ok(verdict::of_call(outcome, &Asked { contract, method, named: false }));
        }
        if !query.is_empty() {
            let detail = "A writing method takes its arguments from a JSON body, not from the query.";
            return Err(Problem::refused(Kind::Arguments, detail));
        }
        let identity = headers::identity(&parts.headers)?;
        headers::check_media_type(&parts.headers, !upload.is_empty())?;
        let body = upload.read(&self.room).await?;
        let args = arguments::from_body(method, &body.bytes)?;
        let named = identity != Identity::Fresh;
        let _flight = match Name::of(&identity, &contract.name, method.name, &key) {
            Some(name) => Some(self.flights.start(name, due).await.map_err(delayed)?),
            None => None,
        };
        #[rustfmt::skip]
        let outcome = self.perform(ask(args), identity, due).await; // mutant gate-forgets-key: let outcome = self.perform(ask(args), Identity::Fresh, due).await;
        Ok(verdict::of_call(outcome, &Asked { contract, method, named }))
    }

    async fn settle<B: HttpBody<Data = Bytes>>(
        &self,
        parts: &Parts,
        upload: &mut Upload<B>,
    ) -> Result<Reply, Problem> {
        let due = self.due(parts)?;
        headers::check_media_type(&parts.headers, true)?;
        let ticket = arguments::ticket(&upload.read(&self.room).await?.bytes)?;
        let contract = self.nigh.catalogue().contract(&ticket.of);
        let method =
            contract.and_then(|c| c.method(&ticket.method)).filter(|m| m.answer_hash() == ticket.shape);
        let Some(method) = method else { return Err(verdict::unfit(&ticket)) };
        let outcome = self.perform(What::Settle(ticket.clone()), Identity::Fresh, due).await;
        Ok(verdict::of_settle(outcome, &ticket, method))
    }

    /// As long as it takes: who hangs up lets go of the answer, not of the copy.
    async fn backup<B: HttpBody<Data = Bytes>>(
        &self,
        parts: &Parts,
        upload: &mut Upload<B>,
    ) -> Result<Reply, Problem> {
        headers::check_media_type(&parts.headers, true)?;
        let name = arguments::backup(&upload.read(&self.room).await?.bytes)?;
        Ok(verdict::of_backup(self.nigh.backup(&name).await, &name))
    }

    fn due(&self, parts: &Parts) -> Result<Instant, Problem> {
        Ok(now() + headers::within(&parts.headers)?)
    }

    async fn perform(&self, what: What, identity: Identity, due: Instant) -> Outcome {
        let within = Some(due.saturating_duration_since(now()));
        self.nigh.perform(Ask { what, within, identity }).await
    }
}

fn delayed(why: Delayed) -> Problem {
    match why {
        // This request did nothing, but the other one under its key may: `not_done` would be a promise about both.
        Delayed::UnderWay => {
            let detail =
                "Another request under this `Idempotency-Key` is still under way. Send the same again later.";
            Problem::new(Kind::UnderWay, Happened::InDoubt, detail).retry_after(1) // mutant gate-under-way-not-done: Problem::new(Kind::UnderWay, Happened::NotDone, detail).retry_after(1)
        }
        Delayed::Full => {
            let detail = "Too many calls are under way. Ask again later.";
            Problem::new(Kind::Overloaded, Happened::Overloaded, detail).retry_after(1)
        }
    }
}

fn page(pages: &BTreeMap<&'static str, Page>, verb: &Verb, path: &str) -> Result<Response<Body>, Problem> {
    let Some(page) = pages.get(path) else {
        let detail = format!("There is nothing at `{}`. `GET /api` lists what can be asked.", quoted(path));
        return Err(Problem::refused(Kind::Unknown, detail));
    };
    if !matches!(verb, &Verb::GET | &Verb::HEAD) {
        let problem = Problem::refused(Kind::Verb, "A page is asked by GET.");
        return Err(Problem { allow: Some("GET, HEAD"), ..problem });
    }
    let mut response = ok(page.text.clone());
    response.headers_mut().insert(CONTENT_TYPE, page.media_type.clone());
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, page.policy.clone());
    Ok(response)
}

/// To HEAD too: the server around this leaves the text out and keeps its length.
fn ok(text: Bytes) -> Response<Body> {
    response(StatusCode::OK, text, HeaderValue::from_static("application/json"))
}

fn refusal(problem: &Problem) -> Response<Body> {
    let text = Bytes::from(Value::to_string(&problem.to_json()));
    let media_type = HeaderValue::from_static("application/problem+json");
    let mut response = response(problem.kind.status(), text, media_type);
    if let Some(seconds) = problem.retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(allow) = problem.allow {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    }
    response
}

fn response(status: StatusCode, text: Bytes, media_type: HeaderValue) -> Response<Body> {
    let mut response = Response::new(Body(Full::new(text)));
    *response.status_mut() = status;
    let all: [(HeaderName, HeaderValue); 5] = [
        (CONTENT_TYPE, media_type),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        // What is answered is read by programs of this origin: no other page may embed it or learn its address.
        (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
        (HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer")),
    ];
    response.headers_mut().extend(all);
    response
}

/// The body of an answer.
#[derive(Debug)]
pub struct Body(Full<Bytes>);

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Infallible;
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }
    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }
    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl<B> tower_service::Service<Request<B>> for Gate
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    /// Always ready: what is too much is refused with 429.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let gate = self.clone();
        Box::pin(async move { Ok(gate.respond(request).await) })
    }
}
