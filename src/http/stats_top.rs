//! The sessions with most connections, page by page. A cursor is `<connections>.<session id>` of the last row.

use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Problem;
use crate::domain::SessionId;
use crate::service::census::Census;

/// A session and its live connections.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionConnections {
    session_id: String,
    active_connections: u32,
}

/// The last row of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TopCursor {
    active: u32,
    session: SessionId,
}

impl TopCursor {
    fn at(active: u32, session: &SessionId) -> Self {
        Self {
            active,
            session: session.clone(),
        }
    }

    /// Reads what [`fmt::Display`] wrote.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let refuse = || {
            Problem::invalid(
                "cursor",
                "is not a cursor of this list; use one from an answer as it is, or none",
            )
        };
        let (active, session) = text.split_once('.').ok_or_else(refuse)?;
        // Only as it was written: `+1` and `01` are numbers too.
        let active: u32 = active
            .parse()
            .ok()
            .filter(|number: &u32| number.to_string() == active)
            .ok_or_else(refuse)?;
        Ok(Self {
            active,
            session: SessionId::parse(session).map_err(|_| refuse())?,
        })
    }

    /// Whether a row comes behind this one: fewer connections, or as many and a greater id.
    fn is_before(&self, active: u32, session: &SessionId) -> bool {
        active < self.active || (active == self.active && *session > self.session)
    }
}

impl fmt::Display for TopCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.active, self.session)
    }
}

/// Rows, and where the next page begins.
pub(super) type TopPage = (Vec<SessionConnections>, Option<String>);

/// A page of what was counted.
pub(super) fn page(census: Option<&Census>, limit: u32, after: Option<&TopCursor>) -> TopPage {
    let top = census.map_or(&[][..], |census| &census.top);
    // By what the cursor names and not by a number of rows: the count behind a later page may be another one.
    let from = after.map_or(0, |after| {
        top.partition_point(|(active, session)| !after.is_before(*active, session))
    });
    let rows: &[(u32, SessionId)] = &top[from..top.len().min(from + limit as usize)];
    let next = rows
        .last()
        .filter(|_| from + rows.len() < top.len())
        .map(|(active, session)| TopCursor::at(*active, session).to_string());
    let rows = rows
        .iter()
        .map(|(active, session)| SessionConnections {
            session_id: session.to_string(),
            active_connections: *active,
        })
        .collect();
    (rows, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_was_and_nothing_else_is_taken() {
        let session = SessionId::parse("n~x.1").unwrap();
        let cursor = TopCursor::at(7, &session);
        assert_eq!(TopCursor::parse(&cursor.to_string()).unwrap(), cursor);
        for bad in [
            "",
            "7",
            "7.",
            "+7.a",
            "07.a",
            "-1.a",
            "x.a",
            "7.ä",
            "99999999999.a",
        ] {
            assert!(TopCursor::parse(bad).is_err(), "{bad}");
        }
    }
}
