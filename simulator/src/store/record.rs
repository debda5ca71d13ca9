//! What the store keeps of an object and of a change.

use std::{collections::BTreeMap, sync::Arc};

use axum::body::Bytes;
use serde::Deserialize;
use serde_json::Value;

/// The place of an object within its kind; ordered as lists are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Key {
    /// The key of an object that is in no namespace.
    pub(crate) fn of_cluster(name: &str) -> Self {
        Self {
            namespace: String::new(),
            name: name.to_owned(),
        }
    }
}

/// One version of one object.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) key: Key,
    pub(crate) version: u64,
    pub(crate) labels: BTreeMap<String, String>,
    /// The whole object, as it is sent.
    pub(crate) json: Bytes,
}

/// The fields the controllers look at.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Glance {
    pub(crate) metadata: GlanceMetadata,
    pub(crate) spec: GlanceSpec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct GlanceMetadata {
    pub(crate) uid: String,
    pub(crate) generation: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct GlanceSpec {
    pub(crate) state: Option<String>,
    pub(crate) replicas: Option<i64>,
}

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Added,
    Modified,
    Deleted,
}

/// One entry of the event log.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) kind: usize,
    pub(crate) change: Change,
    /// The object after the change; for a deletion, as it last was, at the version of the deletion.
    pub(crate) record: Arc<Record>,
    pub(crate) previous: Option<Arc<Record>>,
}

impl Event {
    pub(crate) fn version(&self) -> u64 {
        self.record.version
    }
}

impl Record {
    pub(crate) fn new(key: Key, object: &Value, version: u64) -> Self {
        let labels = object["metadata"]["labels"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(label, value)| Some((label.clone(), value.as_str()?.to_owned())))
            .collect();
        let json = Bytes::from(serde_json::to_vec(object).expect("a JSON value serializes"));
        Self {
            key,
            version,
            labels,
            json,
        }
    }

    pub(crate) fn value(&self) -> Value {
        serde_json::from_slice(&self.json).expect("the store wrote these bytes")
    }

    /// The few fields that need no parsing of the rest. Fields of a strange shape count as absent.
    pub(crate) fn glance(&self) -> Glance {
        serde_json::from_slice(&self.json).unwrap_or_default()
    }

    /// The metadata alone.
    pub(crate) fn metadata(&self) -> Value {
        #[derive(Deserialize)]
        struct OnlyMetadata {
            metadata: Value,
        }
        let only: OnlyMetadata =
            serde_json::from_slice(&self.json).expect("every stored object has metadata");
        only.metadata
    }
}
