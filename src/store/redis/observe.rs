//! What the platform shows of an object, on its way into the record.

use serde::Serialize;

use super::RedisStore;
use super::code::Code;
use super::link::Lane;
use super::reply::Reply;
use super::script::SESSION_OBSERVE;
use crate::domain::platform_object::{Desired, IdleTimeout, PlatformObject};
use crate::domain::{Generation, SessionId};
use crate::store::StoreError;

/// What was seen of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// A version of it.
    Object(PlatformObject),
    /// The same, where the record was found to have seen a newer one (`over`) and a list taken since has
    /// `list_version`: if that is lower still, the platform was restored from an older state.
    Restored {
        /// The object.
        object: PlatformObject,
        /// Version the record had seen.
        over: String,
        /// Version of the later consistent list.
        list_version: String,
    },
    /// The object of that uid is gone.
    Gone {
        /// Its uid, as the record holds it.
        uid: String,
    },
}

/// What an observation came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// It was news, and the record follows it.
    News,
    /// The same, and a hand changed it back once too often: it is left alone for a while.
    LeftAlone,
    /// The record has seen this version already, or a newer one: this one.
    Older(String),
    /// Gone, and not known either.
    Unknown,
}

#[derive(Default, Serialize)]
struct ObservedJson<'a> {
    gone: bool,
    uid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    desired: Option<Desired>,
    ready: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    probing: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotation: Option<Generation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_timeout_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    made_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    over: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    list_version: Option<&'a str>,
}

impl<'a> ObservedJson<'a> {
    fn of(object: &'a PlatformObject, window_ms: i64) -> Self {
        Self {
            uid: &object.uid,
            version: Some(&object.version),
            desired: Some(object.desired),
            ready: object.is_ready,
            probing: object.is_probing,
            annotation: object.annotation,
            idle_timeout_ms: object.idle_timeout.map(|timeout| match timeout {
                IdleTimeout::Never => -1,
                IdleTimeout::AfterMs(ms) => i64::try_from(ms).unwrap_or(i64::MAX).max(window_ms),
            }),
            url: object.url.as_deref(),
            created_ms: Some(object.created_at_ms).filter(|at| *at > 0),
            made_ms: object.has_twins.then_some(object.created_at_ms),
            ..Self::default()
        }
    }
}

fn observed_json(observation: &Observation, window_ms: i64) -> String {
    let json = match observation {
        Observation::Gone { uid } => ObservedJson {
            gone: true,
            uid,
            ..ObservedJson::default()
        },
        Observation::Object(object) => ObservedJson::of(object, window_ms),
        Observation::Restored {
            object,
            over,
            list_version,
        } => ObservedJson {
            over: Some(over),
            list_version: Some(list_version),
            ..ObservedJson::of(object, window_ms)
        },
    };
    serde_json::to_string(&json).expect("texts and numbers are always JSON")
}

impl RedisStore {
    /// Brings what was seen of an object into the record.
    ///
    /// # Errors
    /// [`StoreError`] when Redis cannot be asked: observe again.
    pub async fn session_observe(
        &self,
        session: &SessionId,
        observation: &Observation,
    ) -> Result<Observed, StoreError> {
        let object = observed_json(observation, self.window_ms);
        let call = self.on_record(&SESSION_OBSERVE, session).arg(object);
        let mut reply = Reply::parse("session_observe", self.call(Lane::Any, call).await?)?;
        match reply.code {
            Code::Ok => Ok(Observed::News),
            Code::Contested => Ok(Observed::LeftAlone),
            Code::Older => {
                let _state = reply.text()?;
                Ok(Observed::Older(reply.text()?))
            }
            Code::SessionUnknown => Ok(Observed::Unknown),
            _ => Err(reply.unexpected()),
        }
    }
}
