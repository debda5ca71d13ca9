//! The platform that runs the sessions: reading, writing and watching its objects.
//!
//! kube types stay inside this module. What is decided, and when, is not decided here.

pub mod custom_resource;
pub mod idle_timeout;
mod kubernetes;
mod measured;
mod probed;
mod scale;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use jiff::Timestamp;

use crate::config::{KubernetesConfig, PlatformKind, ScaleConfig};
use crate::domain::happening::Happening;
use crate::domain::platform_object::{Desired, PlatformObject};
use crate::domain::{Generation, SessionId};

pub use custom_resource::CustomResource;
use kubernetes::server::Server;

pub use kubernetes::ConnectError;
pub use kubernetes::token_review::{Identity, ReviewError, TokenReviewer};
pub use measured::Measured;
pub use probed::Probed;
pub use scale::Scale;

/// What the platform answered instead of an object.
#[derive(Debug, thiserror::Error)]
pub enum PlatformError {
    /// Nothing definite: a timeout, a broken connection, 429, 5xx. A write may have been applied.
    #[error("{doing}: the platform is unavailable: {detail}")]
    Unavailable {
        /// What was being done.
        doing: &'static str,
        /// What was seen.
        detail: String,
        /// What a 429 or 503 asked for.
        retry_after: Option<Duration>,
    },
    /// The object changed since it was read (409).
    #[error("{doing}: the object has changed")]
    Conflict {
        /// What was being done.
        doing: &'static str,
    },
    /// The object does not exist, said about this very object (a missing resource kind is `Refused`).
    #[error("{doing}: the object does not exist")]
    Gone {
        /// What was being done.
        doing: &'static str,
    },
    /// The platform will not do it until somebody changes something: 401, 403, 404 of the kind, 422.
    #[error("{doing}: refused with {status}: {detail}")]
    Refused {
        /// What was being done.
        doing: &'static str,
        /// HTTP status.
        status: u16,
        /// What it said.
        detail: String,
    },
}

/// The sessions one list speaks about. A watch over several namespaces lists each by itself, so that an
/// interruption of one does not cost a list of all.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ListScope {
    /// What the ids of its sessions begin with; empty: every session.
    prefix: String,
}

impl ListScope {
    /// Every session.
    #[must_use]
    pub fn all() -> Self {
        Self {
            prefix: String::new(),
        }
    }

    /// The sessions whose ids begin with `prefix`.
    #[must_use]
    pub fn with_prefix(prefix: impl Into<String>) -> Self {
        Self {
            prefix: prefix.into(),
        }
    }

    /// Whether a complete list of this scope would have named `session`.
    #[must_use]
    pub fn covers(&self, session: &SessionId) -> bool {
        session.as_str().starts_with(&self.prefix)
    }
}

/// One step of a watch. Lists of different scopes may interleave; within a scope the order is the platform's.
#[derive(Debug, Clone)]
pub enum PlatformEvent {
    /// A full list of the scope begins; an earlier one of the same scope that was not done is void.
    ListStarted(ListScope),
    /// An object of a list.
    Listed(PlatformObject),
    /// The list of the scope is complete: what it covers and did not name is to be asked for.
    ListDone(ListScope),
    /// An object was made or changed.
    Changed(PlatformObject),
    /// An object was deleted; its last version and uid.
    Deleted(PlatformObject),
}

/// What keeps a hibernation that is late from landing after the wake that cancelled it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fence {
    /// Each patch leaves its generation on the object, so every wake makes a newer version of it.
    Annotation,
    /// The patch can leave no mark on the object: acts are told to wakes for this long. Objects then carry no
    /// annotation, and a patch that changes nothing makes no version.
    Timeout(Duration),
}

impl Fence {
    /// How long after its confirmation a patch may still be sent. It contains the wait for a replica of Redis
    /// (1.5 s); a longer pause than this only means that the object is read again.
    pub const SEND_WITHIN: Duration = Duration::from_secs(2);
    /// What the platform may still do with a patch that its caller has given up, and the drift of two clocks.
    const AFTERMATH: Duration = Duration::from_secs(3);

    /// The fence of patches that take effect within `timeout` of being sent, or never.
    #[must_use]
    pub fn of_timeout(timeout: Duration) -> Self {
        Self::Timeout(timeout + Self::SEND_WITHIN + Self::AFTERMATH)
    }
}

/// What became of something that was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Telling {
    /// Of the one that was its turn.
    pub told: Told,
    /// How many were dropped before, because too much waited.
    pub dropped: u64,
}

/// How telling something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It was published.
    Sent,
    /// It may not be published.
    Refused,
    /// Nobody took it in time.
    Failed,
}

/// The platform. Implementations retry nothing by themselves and bound every call in time.
pub trait Platform: Send + Sync + 'static {
    /// Reads the object from the platform itself, not from a cache.
    fn read<'a>(&'a self, session: &'a SessionId) -> BoxFuture<'a, Result<PlatformObject, PlatformError>>;

    /// Writes state and annotation in one patch that carries `version` as its precondition; answers the
    /// object as written.
    fn write<'a>(
        &'a self,
        session: &'a SessionId,
        desired: Desired,
        generation: Generation,
        version: &'a str,
    ) -> BoxFuture<'a, Result<PlatformObject, PlatformError>>;

    /// Lists and then watches all sessions, for ever: after an error it backs off and goes on, listing
    /// anew where it must. Dropping the stream ends the watch.
    fn watch(&self) -> BoxStream<'static, Result<PlatformEvent, PlatformError>>;

    /// Writes when the session was last used, where those who look at its object find it; nothing else of it changes. A
    /// platform without a place for that does nothing.
    fn write_activity<'a>(
        &'a self,
        _session: &'a SessionId,
        _at: Timestamp,
    ) -> BoxFuture<'a, Result<(), PlatformError>> {
        std::future::ready(Ok(())).boxed()
    }

    /// Tells people what happened to a session's object, where they look at it. Never waits, never fails, and may
    /// be left out: nothing depends on it.
    fn tell(&self, _session: &SessionId, _uid: &str, _happening: Happening) {}

    /// Publishes what was told, for ever; each step says what became of it. Dropping the stream ends it.
    fn tellings(&self) -> BoxStream<'static, Telling> {
        stream::empty().boxed()
    }

    /// Version of a consistent list taken now; lower than a version seen before only when the platform
    /// itself was restored from an older state.
    fn list_version<'a>(&'a self, session: &'a SessionId) -> BoxFuture<'a, Result<String, PlatformError>>;

    /// Whether an object that the watch did not tell of may take the place of one that ended: then it is to be read.
    fn has_successor(&self, _session: &SessionId) -> bool {
        false
    }

    /// What fences a late patch here.
    fn fence(&self) -> Fence {
        Fence::Annotation
    }

    /// Takes everything of ours off the object, if it still has `version`; answers the object as it is then.
    /// A platform that leaves nothing there refuses.
    fn unmark<'a>(
        &'a self,
        session: &'a SessionId,
        version: &'a str,
    ) -> BoxFuture<'a, Result<PlatformObject, PlatformError>> {
        let _ = (session, version);
        let refused = PlatformError::Refused {
            doing: "taking our marks off the session's object",
            status: 501,
            detail: "this platform leaves no marks, or cannot take them off".to_owned(),
        };
        Box::pin(std::future::ready(Err(refused)))
    }
}

/// Makes the configured platform; asks the API server nothing, so it may be away. Must be called within a
/// tokio runtime.
///
/// # Errors
/// [`ConnectError`] when the settings or the files they name cannot be used.
pub async fn connect(
    config: &KubernetesConfig,
    scale: &ScaleConfig,
) -> Result<Arc<dyn Platform>, ConnectError> {
    let platform: Arc<dyn Platform> = match config.kubernetes_platform {
        PlatformKind::CustomResource => Arc::new(CustomResource::connect(config).await?),
        PlatformKind::Scale => Arc::new(Scale::connect(config, scale).await?),
    };
    Ok(match &config.probe.kubernetes_probe {
        None => platform,
        Some(target) => {
            let namespaces = Server::connect(config).await?.namespaces;
            Arc::new(Probed::new(platform, target, namespaces, &config.probe))
        }
    })
}
