//! What every platform of Kubernetes objects shares: the clients, how calls are bounded and their errors
//! read, which object a session id names, what all objects carry, and the watch.
//!
//! What an object's state is, and how it is written, is each platform's own.

pub(super) mod client;
pub(super) mod complaint;
pub(super) mod error;
mod event;
pub(super) mod events;
pub(super) mod group;
pub(super) mod name;
pub(super) mod object;
pub(super) mod patience;
pub(super) mod server;
pub(super) mod token_review;
pub(super) mod watch;

/// Why the platform cannot be used at all: the settings are wrong. An API server that is away is no
/// reason.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The configured URL is none.
    #[error("TRACKER_KUBERNETES_URL '{url}' cannot be used: {detail}")]
    Url {
        /// As configured.
        url: String,
        /// What is wrong with it.
        detail: String,
    },
    /// Neither a kubeconfig nor a service account could be read.
    #[error("reading how to reach the Kubernetes API")]
    Settings(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The settings were read, but no client can be made of them (certificates, credentials).
    #[error("making a client of the Kubernetes API")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A configured namespace cannot be one.
    #[error("TRACKER_KUBERNETES_NAMESPACES: '{0}' is not the name of a namespace")]
    Namespace(String),
    /// A configured label cannot be one.
    #[error("TRACKER_SCALE_LABEL: '{0}' is not the name of a label, like connection-tracker.dev/session")]
    Label(String),
}
