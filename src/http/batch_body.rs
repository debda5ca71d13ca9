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
