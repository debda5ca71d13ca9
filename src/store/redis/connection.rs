//! Connections: open, close, count, list. Heartbeats have a file of their own.

use super::RedisStore;
use super::call::Call;
use super::code::Code;
use super::keys::{Partition, PartitionKey, SessionKey};
use super::link::Lane;
use super::reply::{self, Reply};
use super::script::{CONNECTION_CLOSE, CONNECTION_COUNT, CONNECTION_LIST, CONNECTION_OPEN};
use crate::domain::connection::{ConnectionDetails, OpenRequest};
use crate::domain::{ConnectionId, Generation, SessionId, SessionState};
use crate::store::StoreError;

/// What an accepted open found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Whether it was open before: then this was a heartbeat.
    pub is_repeated: bool,
    /// State of the session after the step.
    pub state: SessionState,
    /// Live connections after the step, this one among them.
    pub active: u32,
    /// Whether a user can be let in now.
    pub is_ready: bool,
    /// Generation of the wake that this very open filed.
    pub wake: Option<Generation>,
    /// Where the session is reached, once the platform said so.
    pub url: Option<String>,
}

/// Answer to an open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenReply {
    /// It counts.
    Opened(Opened),
    /// The slots are taken; by whom is for the caller to show.
    LimitReached {
        /// Live connections the session may have.
        limit: u32,
        /// Live connections it has.
        used: u32,
        /// User of the one that was silent longest.
        oldest_user: Option<String>,
    },
    /// This id was closed.
    Closed,
    /// This id (or the one to be replaced) belongs to another user.
    Conflict,
    /// Redis does not know the session.
    SessionUnknown,
    /// The session ended.
    SessionTerminated,
    /// The session sleeps, and this intent does not wake it.
    SessionHibernated,
    /// Others keep putting the session to sleep: it is left alone for so many ms.
    Contested(u64),
}

/// Answer to a close; both are success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloseReply {
    /// Whether this call ended it.
    pub has_ended: bool,
    /// Live connections left.
    pub active: u32,
}

/// Exact number of live connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Live ones.
    pub active: u32,
    /// Those among them that count only because of a hold.
    pub unconfirmed: u32,
}

/// One live connection.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectionView {
    /// Its id.
    pub id: String,
    /// Last acknowledged heartbeat, ms of the Redis clock.
    pub last_heartbeat_ms: i64,
    /// Whether it is younger than the window (else it counts only because of a hold).
    pub is_confirmed: bool,
    /// What the gateway said; absent when unreadable.
    pub details: Option<ConnectionDetails>,
}

fn count(value: i64) -> u32 {
    u32::try_from(value.max(0)).unwrap_or(u32::MAX)
}

fn open_reply(value: deadpool_redis::redis::Value) -> Result<OpenReply, StoreError> {
    let mut reply = Reply::parse("connection_open", value)?;
    Ok(match reply.code {
        Code::Ok | Code::Already => {
            let is_repeated = reply.code == Code::Already;
            let word = reply.text()?;
            let state = SessionState::from_word(&word).ok_or_else(|| StoreError::Corrupt {
                doing: "connection_open",
                detail: format!("unknown state {word}"),
            })?;
            let (active, ready, wake) = (reply.integer()?, reply.integer()?, reply.integer()?);
            let url = Some(reply.text()?).filter(|url| !url.is_empty());
            OpenReply::Opened(Opened {
                is_repeated,
                state,
                active: count(active),
                is_ready: ready == 1,
                wake: u64::try_from(wake).ok().filter(|g| *g > 0).map(Generation),
                url,
            })
        }
        Code::LimitReached => OpenReply::LimitReached {
            limit: count(reply.integer()?),
            used: count(reply.integer()?),
            oldest_user: Some(reply.text()?).filter(|user| !user.is_empty()),
        },
        Code::Closed => OpenReply::Closed,
        Code::Conflict => OpenReply::Conflict,
        Code::SessionUnknown => OpenReply::SessionUnknown,
        Code::SessionTerminated => OpenReply::SessionTerminated,
        Code::SessionHibernated => OpenReply::SessionHibernated,
        Code::Contested => OpenReply::Contested(u64::try_from(reply.integer()?).unwrap_or(0)),
        _ => return Err(reply.unexpected()),
    })
}

fn close_reply(value: deadpool_redis::redis::Value) -> Result<CloseReply, StoreError> {
    let mut reply = Reply::parse("connection_close", value)?;
    match reply.code {
        Code::Ok | Code::Already => Ok(CloseReply {
            has_ended: reply.code == Code::Ok,
            active: count(reply.integer()?),
        }),
        _ => Err(reply.unexpected()),
    }
}

impl RedisStore {
    fn open_call(&self, session: &SessionId, request: &OpenRequest) -> Call {
        let details = serde_json::to_string(&request.details).expect("texts and numbers are always JSON");
        Call::new(&CONNECTION_OPEN, self.keys.of_record(session))
            .arg(session)
            .arg(&request.id)
            .arg(details)
            .arg(request.intent.as_str())
            .arg(request.replaces.as_ref().map_or("", ConnectionId::as_str))
    }

    /// Opens one connection.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked; opening the same id again is then safe.
    pub async fn connection_open(
        &self,
        session: &SessionId,
        request: &OpenRequest,
    ) -> Result<OpenReply, StoreError> {
        open_reply(self.call(Lane::Any, self.open_call(session, request)).await?)
    }

    /// Opens many; one answer per request, in order.
    pub async fn connection_open_many(
        &self,
        requests: &[(SessionId, OpenRequest)],
    ) -> Vec<Result<OpenReply, StoreError>> {
        let calls = requests
            .iter()
            .map(|(session, request)| self.open_call(session, request))
            .collect();
        self.call_many(Lane::Any, calls)
            .await
            .into_iter()
            .map(|value| open_reply(value?))
            .collect()
    }

    /// Closes many, each once; one answer per request, in order.
    pub async fn connection_close_many(
        &self,
        targets: &[(SessionId, ConnectionId)],
        reason: &str,
    ) -> Vec<Result<CloseReply, StoreError>> {
        let calls = targets
            .iter()
            .map(|(session, id)| {
                Call::new(&CONNECTION_CLOSE, self.keys.of_record(session))
                    .arg(session)
                    .arg(id)
                    .arg(reason)
            })
            .collect();
        self.call_many(Lane::Any, calls)
            .await
            .into_iter()
            .map(|value| close_reply(value?))
            .collect()
    }

    /// Counts the live connections; `None` when Redis does not know the session.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked.
    pub async fn connection_count(&self, session: &SessionId) -> Result<Option<Count>, StoreError> {
        let keys = vec![
            self.keys
                .of_partition(Partition::of(session), PartitionKey::Guard),
            self.keys.of_session(session, SessionKey::Connections),
            self.keys.of_session(session, SessionKey::Session),
        ];
        let value = self.call(Lane::Any, Call::new(&CONNECTION_COUNT, keys)).await?;
        let mut reply = Reply::parse("connection_count", value)?;
        match reply.code {
            Code::Ok => Ok(Some(Count {
                active: count(reply.integer()?),
                unconfirmed: count(reply.integer()?),
            })),
            Code::SessionUnknown => Ok(None),
            _ => Err(reply.unexpected()),
        }
    }

    /// Lists at most `limit` live connections; `None` when Redis does not know the session.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked.
    pub async fn connection_list(
        &self,
        session: &SessionId,
        limit: u32,
    ) -> Result<Option<Vec<ConnectionView>>, StoreError> {
        let keys = vec![
            self.keys
                .of_partition(Partition::of(session), PartitionKey::Guard),
            self.keys.of_session(session, SessionKey::Connections),
            self.keys.of_session(session, SessionKey::Details),
            self.keys.of_session(session, SessionKey::Session),
        ];
        let value = self
            .call(Lane::Any, Call::new(&CONNECTION_LIST, keys).arg(limit))
            .await?;
        let mut reply = Reply::parse("connection_list", value)?;
        match reply.code {
            Code::Ok => {
                let _now = reply.integer()?;
                Ok(Some(
                    reply
                        .list()?
                        .chunks_exact(4)
                        .filter_map(connection_view)
                        .collect(),
                ))
            }
            Code::SessionUnknown => Ok(None),
            _ => Err(reply.unexpected()),
        }
    }
}

fn connection_view(row: &[deadpool_redis::redis::Value]) -> Option<ConnectionView> {
    Some(ConnectionView {
        id: reply::text(&row[0])?,
        last_heartbeat_ms: reply::integer(Some(&row[1]))?,
        details: serde_json::from_str(&reply::text(&row[2])?).ok(),
        is_confirmed: reply::integer(Some(&row[3]))? == 1,
    })
}
