//! What the platform shows of an object, on its way into the record.

use serde::Serialize;

use super::RedisStore;
use super::call::Lane;
use super::code::Code;
use super::reply::Reply;
use super::script::SESSION_OBSERVE;
use crate::domain::platform_object::{Desired, IdleTimeout, PlatformObject};
use crate::domain::{Generation, SessionId};
use crate::store::StoreError;

/// What was seen of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// A version of it; `list_version` is that of a list taken afterwards, where one was taken.
    Object {
        /// The object.
        object: PlatformObject,
        /// Version of a later consistent list.
        list_version: Option<String>,
    },
    /// The object of that uid is gone.
    Gone {
        /// Its uid, as the record holds it.
        uid: String,
    },
}

#[derive(Serialize)]
struct ObservedJson<'a> {
    gone: bool,
    uid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    desired: Option<Desired>,
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotation: Option<Generation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_timeout_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    list_version: Option<&'a str>,
}

fn observed_json(observation: &Observation, window_ms: i64) -> String {
    let json = match observation {
        Observation::Gone { uid } => ObservedJson {
            gone: true,
            uid,
            version: None,
            desired: None,
            ready: false,
            annotation: None,
            idle_timeout_ms: None,
            url: None,
            list_version: None,
        },
        Observation::Object { object, list_version } => ObservedJson {
            gone: false,
            uid: &object.uid,
            version: Some(&object.version),
            desired: Some(object.desired),
            ready: object.is_ready,
            annotation: object.annotation,
            idle_timeout_ms: object.idle_timeout.map(|timeout| match timeout {
                IdleTimeout::Never => -1,
                IdleTimeout::AfterMs(ms) => i64::try_from(ms).unwrap_or(i64::MAX).max(window_ms),
            }),
            url: object.url.as_deref(),
            list_version: list_version.as_deref(),
        },
    };
    serde_json::to_string(&json).expect("texts and numbers are always JSON")
}

impl RedisStore {
    /// Brings what was seen of an object into the record; true when it was news.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked: observe again.
    pub async fn session_observe(
        &self,
        session: &SessionId,
        observation: &Observation,
    ) -> Result<bool, StoreError> {
        let object = observed_json(observation, self.window_ms);
        let call = self.on_record(&SESSION_OBSERVE, session).arg(object);
        let reply = Reply::parse("session_observe", self.call(Lane::Any, call).await?)?;
        match reply.code {
            Code::Ok => Ok(true),
            Code::Older | Code::SessionUnknown => Ok(false),
            _ => Err(reply.unexpected()),
        }
    }
}
