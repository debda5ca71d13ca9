//! Where a page of the sessions with most connections ended: `<connections>.<session id>`.

use std::fmt;

use super::problem::Problem;
use crate::domain::SessionId;

/// The last row of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TopCursor {
    active: u32,
    session: SessionId,
}

impl TopCursor {
    pub(super) fn at(active: u32, session: &SessionId) -> Self {
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
    pub(super) fn is_before(&self, active: u32, session: &SessionId) -> bool {
        active < self.active || (active == self.active && *session > self.session)
    }
}

impl fmt::Display for TopCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.active, self.session)
    }
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
