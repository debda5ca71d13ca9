//! Bodies: JSON objects, read whole within a limit.
//!
//! A body over its limit is read to its end (within reason) before it is refused: answering and closing
//! with bytes still on their way makes a reset that overtakes the answer, and a gateway that saw no
//! answer sends the same body again, for ever.

use std::time::Duration;

use axum::body::{Body as HttpBody, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{Extensions, HeaderMap, StatusCode, header};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;

use super::pointer;
use super::problem::Problem;

/// Largest body of a batch, and of anything else.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
const BODY_BYTES: usize = 64 * 1024;
/// How much, and for how long, a body that is refused is still listened to.
const DISCARD_BYTES: usize = 16 * 1024 * 1024;
const DISCARD_FOR: Duration = Duration::from_secs(2);

/// How long a body may stand still; the layer that lets a request in gives it to those that have one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stall(pub Duration);

/// A JSON object of at most 64 KiB.
pub(super) struct Body<T>(pub T);

/// A JSON object of at most 64 KiB, or nothing at all: then its default.
pub(super) struct OptionalBody<T>(pub T);

/// The bytes of a JSON object of at most 4 MiB, for what parses them itself.
pub(super) struct BatchBytes(pub Bytes);

/// A body of at most 64 KiB that nobody looks at.
pub(super) struct Ignored;

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let bytes = read_object(request, BODY_BYTES).await?;
        pointer::parse(&bytes).map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        // Known beforehand to be empty: no length and no chunks to come.
        if axum::body::HttpBody::is_end_stream(request.body()) {
            return Ok(Self(T::default()));
        }
        Body::from_request(request, state)
            .await
            .map(|Body(body)| Self(body))
    }
}

impl<S: Send + Sync> FromRequest<S> for BatchBytes {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        read_object(request, BATCH_BYTES).await.map(Self)
    }
}

impl<S: Send + Sync> FromRequest<S> for Ignored {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        read(body, BODY_BYTES, &parts.extensions).await.map(|_| Self)
    }
}

async fn read_object(request: Request, limit: usize) -> Result<Bytes, Problem> {
    let (parts, body) = request.into_parts();
    let bytes = read(body, limit, &parts.extensions).await?;
    if !is_json(&parts.headers) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            "send JSON with the header content-type: application/json",
        ));
    }
    // Lists would be taken too, by position of the fields: nobody means that.
    match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => Ok(bytes),
        _ => Err(Problem::invalid("", "the body must be a JSON object")),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let named = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    named.is_some_and(|named| {
        let essence = named
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
    })
}

async fn read(body: HttpBody, limit: usize, extensions: &Extensions) -> Result<Bytes, Problem> {
    let stall = extensions.get().map_or(Duration::MAX, |Stall(limit)| *limit);
    let mut stream = body.into_data_stream();
    let mut whole: Option<Bytes> = None;
    let mut more: Vec<u8> = Vec::new();
    // An answer before the end of the body closes the connection with it, or resets the stream.
    while let Some(chunk) = tokio::time::timeout(stall, stream.next())
        .await
        .map_err(|_| stalled())?
    {
        let chunk = chunk.map_err(|error| Problem::invalid("", format!("the body broke off: {error}")))?;
        if whole.as_ref().map_or(0, Bytes::len) + more.len() + chunk.len() > limit {
            discard(stream, chunk.len()).await;
            return Err(too_large());
        }
        // Most bodies come in one piece, which is kept as it is.
        match &whole {
            None => whole = Some(chunk),
            Some(first) => {
                if more.is_empty() {
                    more.extend_from_slice(first);
                    whole = Some(Bytes::new());
                }
                more.extend_from_slice(&chunk);
            }
        }
    }
    Ok(if more.is_empty() {
        whole.unwrap_or_default()
    } else {
        Bytes::from(more)
    })
}

/// Listens to what is left of a body that nobody reads, before its request is refused.
pub(super) async fn discard_rest(request: Request) {
    // Whoever waits to be asked for the body has not sent it.
    if !request.headers().contains_key(header::EXPECT) {
        discard(request.into_body().into_data_stream(), 0).await;
    }
}

async fn discard(mut stream: axum::body::BodyDataStream, mut taken: usize) {
    let all = async {
        while let Some(Ok(chunk)) = stream.next().await {
            taken += chunk.len();
            if taken > DISCARD_BYTES {
                break;
            }
        }
    };
    // Too slow or too long: then the caller may miss the answer after all.
    let _ = tokio::time::timeout(DISCARD_FOR, all).await;
}

fn stalled() -> Problem {
    Problem::new(
        StatusCode::REQUEST_TIMEOUT,
        "timeout",
        "the body stood still for too long; send the same call again, on another connection",
    )
}

fn too_large() -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too-large",
        "the body is over its limit: 4 MiB for batches, 64 KiB else; send less at once",
    )
}
