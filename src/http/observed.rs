//! What surrounds every request: its id, its span, its metrics and its line in the access log.
//!
//! Nothing the caller sent goes into any of them but a request id of a harmless form, the method and,
//! where traces are exported, the id of the trace.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{MatchedPath, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use axum::middleware::Next;
use tracing::Instrument as _;
use tracing::field::Empty;
use utoipa::openapi::OpenApi;

use crate::telemetry::continue_trace;
use crate::telemetry::metrics::{Metrics, Routes};

/// Carries the id of a request, from the caller and back.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id taken from a caller: above every id that proxies make.
const MAX_ID_BYTES: usize = 128;

/// What requests are counted by; cloning shares it.
#[derive(Clone)]
pub struct Observed(Arc<Routes>);

impl Observed {
    /// Counts the routes of this document apart, and everything else together.
    #[must_use]
    pub fn new(metrics: &Metrics, document: &OpenApi) -> Self {
        let mut templates = Vec::new();
        for (template, item) in &document.paths.paths {
            let methods = [
                ("GET", &item.get),
                ("PUT", &item.put),
                ("POST", &item.post),
                ("DELETE", &item.delete),
                ("PATCH", &item.patch),
            ];
            let taken = methods.into_iter().filter(|(_, operation)| operation.is_some());
            templates.extend(taken.map(|(method, _)| (template.clone(), method)));
        }
        Self(Arc::new(metrics.http.routes(templates)))
    }

    /// For a router that is not ours: everything is counted together.
    #[must_use]
    pub fn nothing() -> Self {
        Self(Arc::new(Metrics::new().http.routes([])))
    }
}

/// Surrounds one request.
pub(super) async fn observe(
    State(observed): State<Observed>,
    request: Request<Body>,
    next: Next,
) -> Response<Body> {
    let id = request_id(request.headers());
    let template = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let route = observed.0.of(template, request.method().as_str());
    let span = tracing::info_span!(
        "request",
        request_id = id.to_str().unwrap_or_default(),
        method = %request.method(),
        route = template.unwrap_or("none"),
        otel.name = Empty,
        otel.kind = "server",
        status = Empty,
    );
    if request.headers().contains_key("traceparent") {
        continue_trace(&span, |name| request.headers().get(name)?.to_str().ok());
    }
    let under_way = route.begin();
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status().as_u16();
    let took = under_way.answered(status);
    span.record("status", status);
    span.in_scope(|| tracing::debug!(status, took_us = took.as_micros(), "answered"));
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// The caller's id where it may stand in a log as it is, else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let is_plain = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        (1..=MAX_ID_BYTES).contains(&bytes.len())
            && bytes.iter().all(|b| {
                b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b':' | b'=' | b'/' | b'+')
            })
    };
    headers
        .get(REQUEST_ID)
        .filter(is_plain)
        .cloned()
        .unwrap_or_else(|| {
            let id = uuid::Uuid::new_v4().to_string();
            HeaderValue::from_str(&id).expect("a UUID is made of digits, letters and dashes")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(id: &[u8]) -> HeaderValue {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, HeaderValue::from_bytes(id).unwrap());
        request_id(&headers)
    }

    #[test]
    fn a_callers_id_is_kept_where_it_is_harmless_and_replaced_otherwise() {
        for kept in [
            &b"a"[..],
            b"4bf92f3577b34da6",
            b"Root=1-67891233-abc",
            &[b'x'; 128],
        ] {
            assert_eq!(given(kept), kept);
        }
        for replaced in [&b""[..], b"a b", b"a\tb", b"\"}{", b"caf\xe9", &[b'x'; 129]] {
            let made = given(replaced);
            assert!(uuid::Uuid::parse_str(made.to_str().unwrap()).is_ok(), "{made:?}");
        }
        assert_ne!(request_id(&HeaderMap::new()), request_id(&HeaderMap::new()));
    }
}
