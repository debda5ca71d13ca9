//! How objects leave the store.

use std::sync::Arc;

use serde_json::Value;

use super::{Change, Inner, Key, Record, Store, Written};
use crate::object::finalizer;

impl Store {
    /// Removes an object when `check` agrees, or, when finalizers hold it, makes it one that is being
    /// deleted; None when it does not exist. The record returned carries the version of what was done.
    pub(crate) fn delete<E>(
        &self,
        kind: usize,
        key: &Key,
        check: impl FnOnce(&Record) -> Result<(), E>,
    ) -> Option<Result<Written, E>> {
        let mut inner = self.lock();
        let previous = inner.objects[kind].get(key).cloned()?;
        if let Err(error) = check(&previous) {
            return Some(Err(error));
        }
        let mut object = previous.value();
        let is_held = finalizer::is_held(&object);
        if is_held && finalizer::is_being_deleted(&object) {
            return Some(Ok(Written {
                record: previous,
                is_changed: false,
                is_removed: false,
            }));
        }
        let change = if is_held {
            finalizer::mark(&mut object);
            Change::Modified
        } else {
            Change::Deleted
        };
        let record = self.replace(&mut inner, kind, change, previous, &mut object);
        Some(Ok(Written {
            record,
            is_changed: true,
            is_removed: !is_held,
        }))
    }

    /// Keeps the number of objects of a kind at `most`: removes those longest unchanged, some more than
    /// needed, so that it is not needed each time.
    pub(crate) fn trim(&self, kind: usize, most: usize) {
        let mut inner = self.lock();
        let objects = &inner.objects[kind];
        if objects.len() <= most {
            return;
        }
        let mut records: Vec<Arc<Record>> = objects.values().cloned().collect();
        records.sort_by_key(|record| record.version);
        records.truncate(records.len() - most + most / 10);
        for record in records {
            let mut object = record.value();
            self.replace(&mut inner, kind, Change::Deleted, record, &mut object);
        }
    }

    /// Gives the next form of an object its version and makes it known.
    pub(super) fn replace(
        &self,
        inner: &mut Inner,
        kind: usize,
        change: Change,
        previous: Arc<Record>,
        object: &mut Value,
    ) -> Arc<Record> {
        let version = inner.next(object);
        let record = Arc::new(Record::new(previous.key.clone(), object, version));
        self.publish(inner, kind, change, &record, Some(previous));
        record
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Key, Store};

    #[test]
    fn too_many_objects_lose_those_longest_unchanged() {
        let store = Store::new(100, 1);
        let kind = store.add_kind();
        let key = |number: usize| Key {
            namespace: "lab".into(),
            name: format!("{number:02}"),
        };
        for number in 0..=20 {
            store.create(kind, &key(number), json!({ "metadata": {} }));
        }
        let touched = store.modify(kind, &key(0), |_| {
            Ok::<_, ()>(json!({ "metadata": { "labels": {} } }))
        });
        assert!(touched.is_some());
        store.trim(kind, 20);
        let left: Vec<String> = store
            .all(kind)
            .iter()
            .map(|record| record.key.name.clone())
            .collect();
        assert_eq!(left.len(), 18);
        assert_eq!((left[0].as_str(), left[1].as_str()), ("00", "04"));
    }
}
