//! The body of a batch: read in one pass, ids parsed where they lie, so that ten thousand heartbeats cost
//! no copy between the socket and their ids.

use std::fmt;
use std::marker::PhantomData;

use axum::body::Bytes;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::pointer;
use super::problem::Problem;
use crate::domain::{ConnectionId, SessionId};

/// Reads a body.
pub(super) fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<Batch<T>, Problem> {
    pointer::parse(body)
}

/// `{"gateway": "gw-1", "sessions": {"s1": [..]}}`.
#[derive(Deserialize)]
pub(super) struct Batch<T> {
    pub(super) gateway: Option<String>,
    pub(super) reason: Option<String>,
    #[serde(bound = "T: Deserialize<'de>")]
    pub(super) sessions: Items<T>,
}

/// Items with the session each belongs to, in the order they were sent; a key may appear twice.
pub(super) struct Items<T>(pub(super) Vec<(Parsed<SessionId>, Vec<T>)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Items<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ItemsVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ItemsVisitor<T> {
            type Value = Items<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of session ids to lists")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::with_capacity(map.size_hint().unwrap_or(0));
                while let Some(entry) = map.next_entry()? {
                    items.push(entry);
                }
                Ok(Items(items))
            }
        }
        deserializer.deserialize_map(ItemsVisitor(PhantomData))
    }
}

/// An id, or the text that is none: parsed from the body as it lies there, without a copy between.
pub(super) struct Parsed<I>(pub(super) Result<I, String>);

impl<'de, I: Id> Deserialize<'de> for Parsed<I> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor<I>(PhantomData<I>);
        impl<I: Id> Visitor<'_> for TextVisitor<I> {
            type Value = Parsed<I>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id")
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Parsed(I::read(text).ok_or_else(|| text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor(PhantomData))
    }
}

impl<I: Id> Parsed<I> {
    pub(super) fn text(&self) -> &str {
        match &self.0 {
            Ok(id) => id.text(),
            Err(text) => text,
        }
    }
}

/// What sessions and connections have in common here.
pub(super) trait Id: Sized {
    fn read(text: &str) -> Option<Self>;
    fn text(&self) -> &str;
}

impl Id for SessionId {
    fn read(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }
    fn text(&self) -> &str {
        self.as_str()
    }
}

impl Id for ConnectionId {
    fn read(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }
    fn text(&self) -> &str {
        self.as_str()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An id, something near one, or any text.
    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            "[A-Za-z0-9][A-Za-z0-9._~-]{0,127}",
            "[a-z]{0,3}[:/ -]?",
            ".{0,140}"
        ]
    }

    proptest! {
        #[test]
        fn every_item_is_read_once_in_its_order_whatever_it_says_and_however_often_a_session_is_named(
            sessions in proptest::collection::vec((text(), proptest::collection::vec(text(), 0..6)), 0..6),
        ) {
            // By hand, since a map would keep one of two sessions of the same name.
            let rows: Vec<String> = sessions
                .iter()
                .map(|(session, ids)| format!("{}: {}", serde_json::json!(session), serde_json::json!(ids)))
                .collect();
            let body = Bytes::from(format!(r#"{{"x": [[]], "sessions": {{{}}}}}"#, rows.join(",")));
            let batch: Batch<Parsed<ConnectionId>> = parse(&body).map_err(|problem| {
                TestCaseError::fail(format!("{problem:?}"))
            })?;
            let read: Vec<(String, Vec<String>)> = batch
                .sessions
                .0
                .iter()
                .map(|(session, ids)| {
                    let ids = ids.iter().map(|id| id.text().to_owned());
                    (session.text().to_owned(), ids.collect())
                })
                .collect();
            prop_assert_eq!(read, sessions);
            for (session, ids) in &batch.sessions.0 {
                prop_assert_eq!(session.0.is_ok(), SessionId::parse(session.text()).is_ok());
                for id in ids {
                    prop_assert_eq!(id.0.is_ok(), ConnectionId::parse(id.text()).is_ok());
                }
            }
        }

        #[test]
        fn any_bytes_are_a_batch_or_a_problem(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let problem = parse::<Parsed<ConnectionId>>(&Bytes::from(bytes)).err();
            prop_assert_eq!(problem.map(|problem| problem.status), Some(422));
        }
    }
}
