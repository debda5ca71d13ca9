//! In which form objects leave: whole, or their metadata alone.

use axum::{
    body::Bytes,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{kind::Kind, store::Record};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Whole,
    /// PartialObjectMetadata and lists of it.
    Metadata,
}

impl Shape {
    /// What an Accept header asks for; the whole object unless the first choice is metadata.
    pub(crate) fn accepted(accept: &str) -> Self {
        let first = accept.split(',').next().unwrap_or_default();
        if first.contains("as=PartialObjectMetadata") {
            Self::Metadata
        } else {
            Self::Whole
        }
    }

    /// One object as JSON.
    pub(crate) fn object(self, kind: &Kind, record: &Record) -> Bytes {
        match self {
            Self::Whole => kind.render(record),
            Self::Metadata => {
                let (api_version, kind) = ("meta.k8s.io/v1", "PartialObjectMetadata");
                let object =
                    json!({ "kind": kind, "apiVersion": api_version, "metadata": record.metadata() });
                Bytes::from(object.to_string())
            }
        }
    }

    /// An object of this shape that has only a version: a bookmark.
    pub(crate) fn bookmark(self, kind: &Kind, version: u64, ends_initial_events: bool) -> Value {
        let (api_version, name) = match self {
            Self::Whole => (kind.api_version(), kind.name.clone()),
            Self::Metadata => ("meta.k8s.io/v1".into(), "PartialObjectMetadata".into()),
        };
        let mut metadata = json!({ "resourceVersion": version.to_string(), "creationTimestamp": null });
        if ends_initial_events {
            metadata["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
        }
        json!({ "kind": name, "apiVersion": api_version, "metadata": metadata })
    }

    /// `kind` and `apiVersion` of a list.
    pub(crate) fn list_type(self, kind: &Kind) -> (String, String) {
        match self {
            Self::Whole => (format!("{}List", kind.name), kind.api_version()),
            Self::Metadata => ("PartialObjectMetadataList".into(), "meta.k8s.io/v1".into()),
        }
    }
}

/// JSON that is already bytes.
pub(crate) fn json_response(code: u16, body: Bytes) -> Response {
    let code = StatusCode::from_u16(code).unwrap_or(StatusCode::OK);
    (code, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
