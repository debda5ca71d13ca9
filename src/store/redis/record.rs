//! Reading one session: its record as it lies there, its exact count, and when it will sleep.

use std::collections::HashMap;

use super::RedisStore;
use super::code::Code;
use super::link::Lane;
use super::reply::Reply;
use super::script::SESSION_READ;
use crate::domain::mode::Mode;
use crate::domain::{Generation, SessionId, SessionState};
use crate::store::StoreError;

/// One session as Redis knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionRecord {
    /// Clock of the server when it was read, ms.
    pub now_ms: i64,
    /// Where it stands.
    pub state: SessionState,
    /// Fencing token of the last decision.
    pub generation: Generation,
    /// The fields of the hash as they lie there; `docs/redis.md` names them.
    pub fields: HashMap<String, String>,
    /// Live connections.
    pub active: u32,
    /// Those that count only because of a hold.
    pub unconfirmed: u32,
    /// When it is looked at again, ms; absent when nothing is due.
    pub deadline_ms: Option<i64>,
    /// Mode in force in its partition.
    pub mode: Mode,
    /// End of the hold, ms; absent when there is none.
    pub hold_until_ms: Option<i64>,
    /// Whether a wake is filed and not yet written to the object.
    pub has_wake_entry: bool,
    /// When it will sleep if nobody comes, ms; absent where that cannot be said.
    pub sleeps_at_ms: Option<i64>,
    /// What decides when it sleeps, or why that cannot be said: the words of `lua/include/prediction.lua`.
    pub because: String,
    /// Whether arming covers it: reported since, made since, or adopted.
    pub is_eligible: bool,
    /// Since when nobody is connected, ms; absent while somebody is.
    pub idle_since_ms: Option<i64>,
    /// Connections that count no longer and are still to end.
    pub stale: u32,
}

impl SessionRecord {
    /// A field that holds an instant or a duration in ms.
    #[must_use]
    pub fn ms(&self, field: &str) -> Option<i64> {
        self.fields.get(field)?.parse().ok()
    }

    /// Whether only the probe is waited for: the object says that it is ready.
    #[must_use]
    pub fn is_probing(&self) -> bool {
        self.fields.get("ready").is_some_and(|ready| ready == "probing")
    }
}

impl RedisStore {
    /// Reads one session; `None` when Redis does not know it.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked.
    pub async fn session_read(&self, session: &SessionId) -> Result<Option<SessionRecord>, StoreError> {
        let value = self
            .call(Lane::Any, self.on_record(&SESSION_READ, session))
            .await?;
        let mut reply = Reply::parse("session_read", value)?;
        match reply.code {
            Code::SessionUnknown => return Ok(None),
            Code::Ok => {}
            _ => return Err(reply.unexpected()),
        }
        let now_ms = reply.integer()?;
        let row = reply.texts()?;
        let fields: HashMap<_, _> = row
            .chunks_exact(2)
            .map(|pair| (pair[0].clone(), pair[1].clone()))
            .collect();
        let state = fields.get("state").and_then(|word| SessionState::from_word(word));
        let state = state.ok_or_else(|| StoreError::Corrupt {
            doing: "session_read",
            detail: format!("the record of {session} has no state"),
        })?;
        let (active, unconfirmed) = (reply.integer()?, reply.integer()?);
        let deadline_ms = reply.text()?.parse::<f64>().ok();
        let mode = if reply.text()? == "act" {
            Mode::Act
        } else {
            Mode::Observe
        };
        let hold_until_ms = Some(reply.integer()?).filter(|until| *until > now_ms);
        Ok(Some(SessionRecord {
            now_ms,
            state,
            generation: Generation(fields.get("generation").and_then(|g| g.parse().ok()).unwrap_or(0)),
            fields,
            active: u32::try_from(active).unwrap_or(0),
            unconfirmed: u32::try_from(unconfirmed).unwrap_or(0),
            #[expect(clippy::cast_possible_truncation, reason = "milliseconds, far below 2^53")]
            deadline_ms: deadline_ms.map(|ms| ms as i64),
            mode,
            hold_until_ms,
            has_wake_entry: reply.integer()? == 1,
            sleeps_at_ms: Some(reply.integer()?).filter(|at| *at > 0),
            because: reply.text()?,
            is_eligible: reply.integer()? == 1,
            idle_since_ms: Some(reply.integer()?).filter(|at| *at > 0),
            stale: u32::try_from(reply.integer()?).unwrap_or(0),
        }))
    }
}
