//! Pages of a list. All pages of one list show one version, as the real server does: what changed
//! since is taken back by walking the event log.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use super::{Expired, Inner, Key, Record};
use crate::selector::Selector;

#[derive(Debug)]
pub(crate) struct PageQuery<'a> {
    pub(crate) kind: usize,
    /// None means all namespaces.
    pub(crate) namespace: Option<&'a str>,
    pub(crate) selector: &'a Selector,
    /// The last object of the page before.
    pub(crate) after: Option<Key>,
    pub(crate) limit: Option<usize>,
    /// The version to show; None means the newest.
    pub(crate) at: Option<u64>,
}

#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) records: Vec<Arc<Record>>,
    pub(crate) version: u64,
    /// Whether the limit cut the list short.
    pub(crate) has_more: bool,
}

pub(super) fn read(inner: &Inner, query: &PageQuery<'_>) -> Result<Page, Expired> {
    let version = query.at.unwrap_or(inner.version).min(inner.version);
    if version < inner.compacted {
        return Err(Expired {
            oldest: inner.compacted,
        });
    }
    let since = past(inner, query.kind, version);
    let wanted = |record: &Arc<Record>| {
        query
            .namespace
            .is_none_or(|namespace| namespace == record.key.namespace)
            && query.selector.matches(record)
    };
    // One more than the limit tells whether there is a next page.
    let take = query.limit.map_or(usize::MAX, |limit| limit.saturating_add(1));
    let start = start(query);
    let mut records: Vec<Arc<Record>> = inner.objects[query.kind]
        .range((start.clone(), Bound::Unbounded))
        .take_while(|(key, _)| query.namespace.is_none_or(|namespace| namespace == key.namespace))
        .filter(|(key, record)| !since.contains_key(key) && wanted(record))
        .take(take)
        .map(|(_, record)| Arc::clone(record))
        .collect();
    if !since.is_empty() {
        let earlier = since
            .range((start, Bound::Unbounded))
            .filter_map(|(_, record)| record.clone());
        records.extend(earlier.filter(wanted));
        records.sort_by(|one, other| one.key.cmp(&other.key));
    }
    let has_more = query.limit.is_some_and(|limit| records.len() > limit);
    records.truncate(query.limit.unwrap_or(usize::MAX));
    Ok(Page {
        records,
        version,
        has_more,
    })
}

/// What the objects changed since `version` were at that version; None for those not there yet.
fn past(inner: &Inner, kind: usize, version: u64) -> BTreeMap<Key, Option<Arc<Record>>> {
    let start = inner.log.partition_point(|event| event.version() <= version);
    let mut past = BTreeMap::new();
    for event in inner.log.range(start..).filter(|event| event.kind == kind) {
        past.entry(event.record.key.clone())
            .or_insert_with(|| event.previous.clone());
    }
    past
}

fn start(query: &PageQuery<'_>) -> Bound<Key> {
    match (&query.after, query.namespace) {
        (Some(after), _) => Bound::Excluded(after.clone()),
        (None, Some(namespace)) => Bound::Included(Key {
            namespace: namespace.to_owned(),
            name: String::new(),
        }),
        (None, None) => Bound::Unbounded,
    }
}
