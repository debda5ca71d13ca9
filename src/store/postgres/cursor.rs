//! Keyset cursors: where a page ended, as text a caller hands back and cannot misuse. Whoever holds one of
//! these types holds a valid cursor.
//!
//! A cursor names the last row seen, not a number of rows, so that rows added meanwhile neither repeat nor
//! hide others.

use std::fmt;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Longest text taken for a cursor, in bytes; ours stay under 2,000 with ids of ordinary length.
const MAX_BYTES: usize = 16_384;

/// Microseconds of the year 1, the earliest instant asked for: Postgres holds less than a timestamp here.
const EARLIEST_US: i64 = -62_135_596_800_000_000;

/// A text that is no cursor of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a cursor of this list; use one from an answer as it is, or none")]
pub struct InvalidCursor;

/// One page, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, C> {
    /// The rows.
    pub items: Vec<T>,
    /// Where the next page begins; `None` when this was the last.
    pub next: Option<C>,
}

impl<T, C> Page<T, C> {
    /// Makes a page of at most `limit` of `rows`, of which one more than that were asked for.
    pub(super) fn of(mut rows: Vec<(T, C)>, limit: usize) -> Self {
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let mut next = None;
        let mut items = Vec::with_capacity(rows.len());
        for (item, cursor) in rows {
            items.push(item);
            next = Some(cursor);
        }
        Self {
            items,
            next: next.filter(|_| has_more),
        }
    }
}

/// Where a page of connections ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionCursor {
    /// Microseconds since the Unix epoch.
    #[serde(rename = "c")]
    pub(super) connected_at_us: i64,
    #[serde(rename = "s")]
    pub(super) session: String,
    #[serde(rename = "i")]
    pub(super) id: String,
}

/// Where a page of sessions ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionCursor {
    #[serde(rename = "n")]
    pub(super) session: String,
}

/// Where a page of a session's events ended. The four fields after the time order what happened in the
/// same millisecond; `sql/session_events.sql` says how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionEventCursor {
    /// Microseconds since the Unix epoch.
    #[serde(rename = "t")]
    pub(super) at_us: i64,
    #[serde(rename = "p")]
    pub(super) place: i32,
    #[serde(rename = "m")]
    pub(super) major: i64,
    #[serde(rename = "n")]
    pub(super) minor: i64,
    #[serde(rename = "k")]
    pub(super) key: String,
}

impl ConnectionCursor {
    /// Reads what [`fmt::Display`] wrote.
    ///
    /// # Errors
    /// [`InvalidCursor`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidCursor> {
        let cursor: Self = decode(text)?;
        check(cursor.connected_at_us, &[&cursor.session, &cursor.id])?;
        Ok(cursor)
    }
}

impl SessionCursor {
    /// Reads what [`fmt::Display`] wrote.
    ///
    /// # Errors
    /// [`InvalidCursor`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidCursor> {
        let cursor: Self = decode(text)?;
        check(0, &[&cursor.session])?;
        Ok(cursor)
    }
}

impl fmt::Display for SessionCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        encode(self, f)
    }
}

impl SessionEventCursor {
    /// Reads what [`fmt::Display`] wrote.
    ///
    /// # Errors
    /// [`InvalidCursor`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidCursor> {
        let cursor: Self = decode(text)?;
        check(cursor.at_us, &[&cursor.key])?;
        Ok(cursor)
    }
}

impl fmt::Display for ConnectionCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        encode(self, f)
    }
}

impl fmt::Display for SessionEventCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        encode(self, f)
    }
}

/// The instant of a cursor, or of a caller's filter, within what Postgres holds.
pub(super) fn askable(at: Timestamp) -> Timestamp {
    at.max(Timestamp::from_microsecond(EARLIEST_US).expect("the year 1 is an instant"))
}

/// Hexadecimal digits of JSON: nothing a URL would escape, and nobody takes it for something to edit.
fn encode(cursor: &impl Serialize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for byte in serde_json::to_vec(cursor).map_err(|_| fmt::Error)? {
        write!(f, "{byte:02x}")?;
    }
    Ok(())
}

fn decode<C: DeserializeOwned>(text: &str) -> Result<C, InvalidCursor> {
    if text.len() > MAX_BYTES || !text.len().is_multiple_of(2) || !text.is_ascii() {
        return Err(InvalidCursor);
    }
    let bytes: Option<Vec<u8>> = (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect();
    serde_json::from_slice(&bytes.ok_or(InvalidCursor)?).map_err(|_| InvalidCursor)
}

/// Refuses what Postgres would refuse: an instant out of range, a text with NUL.
fn check(at_us: i64, texts: &[&str]) -> Result<(), InvalidCursor> {
    let is_instant = at_us >= EARLIEST_US && Timestamp::from_microsecond(at_us).is_ok();
    if is_instant && !texts.iter().any(|text| text.contains('\0')) {
        Ok(())
    } else {
        Err(InvalidCursor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cursor() -> ConnectionCursor {
        ConnectionCursor {
            connected_at_us: 1_700_000_000_123_000,
            session: "s~1".into(),
            id: "c.1".into(),
        }
    }

    #[test]
    fn a_cursor_comes_back_as_it_was() {
        assert_eq!(ConnectionCursor::parse(&cursor().to_string()), Ok(cursor()));
        let event = SessionEventCursor {
            at_us: -5,
            place: 2,
            major: i64::MAX,
            minor: 0,
            key: "ä \" key".into(),
        };
        assert_eq!(SessionEventCursor::parse(&event.to_string()), Ok(event));
        let session = SessionCursor {
            session: "n~x".into(),
        };
        assert_eq!(SessionCursor::parse(&session.to_string()), Ok(session));
    }

    proptest! {
        #[test]
        fn every_cursor_within_what_postgres_holds_comes_back_as_it_was(
            connected_at_us in EARLIEST_US..253_402_207_200_000_000,
            session in "[^\0]{0,200}",
            id in "[^\0]{0,200}",
            (place, major, minor) in any::<(i32, i64, i64)>(),
        ) {
            let cursor = ConnectionCursor { connected_at_us, session: session.clone(), id: id.clone() };
            prop_assert_eq!(ConnectionCursor::parse(&cursor.to_string()), Ok(cursor));
            let event = SessionEventCursor { at_us: connected_at_us, place, major, minor, key: id };
            prop_assert_eq!(SessionEventCursor::parse(&event.to_string()), Ok(event));
        }

        #[test]
        fn a_cursor_with_changed_digits_is_refused_or_another_lawful_one(
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), "[0-9a-fA-F+zä]"), 1..4),
        ) {
            let mut digits: Vec<String> = cursor().to_string().chars().map(String::from).collect();
            for (at, digit) in changes {
                let at = at.index(digits.len());
                digits[at] = digit;
            }
            if let Ok(changed) = ConnectionCursor::parse(&digits.concat()) {
                prop_assert!(changed.connected_at_us >= EARLIEST_US);
                prop_assert!(!changed.session.contains('\0') && !changed.id.contains('\0'));
                prop_assert_eq!(ConnectionCursor::parse(&changed.to_string()), Ok(changed));
            }
        }

        #[test]
        fn any_text_and_any_bytes_are_a_cursor_or_none(
            text in ".{0,100}|[0-9a-f]{0,100}",
            bytes in proptest::collection::vec(any::<u8>(), 0..100),
        ) {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            for text in [&text, &digits] {
                let _ = (ConnectionCursor::parse(text), SessionEventCursor::parse(text));
            }
        }
    }

    #[test]
    fn anything_but_a_cursor_of_the_list_is_refused() {
        let nul = ConnectionCursor {
            id: "a\0".into(),
            ..cursor()
        }
        .to_string();
        let ancient = ConnectionCursor {
            connected_at_us: i64::MIN,
            ..cursor()
        }
        .to_string();
        let whole = cursor().to_string();
        for bad in [
            "",
            "7",
            "zz",
            "7b7d",
            "+1",
            "ää",
            &whole[2..],
            &nul,
            &ancient,
            &"7b".repeat(MAX_BYTES),
        ] {
            assert_eq!(ConnectionCursor::parse(bad), Err(InvalidCursor), "{bad:?}");
        }
        assert_eq!(SessionEventCursor::parse(&whole), Err(InvalidCursor));
        assert_eq!(SessionCursor::parse(&whole), Err(InvalidCursor));
    }
}
