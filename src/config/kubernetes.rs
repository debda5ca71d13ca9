//! Which objects are the sessions, and how the API server is reached.

use std::path::PathBuf;
use std::time::Duration;

use super::{ProbeConfig, duration};

/// Kubernetes: where sessions are put to sleep and woken.
#[derive(Debug, Clone, clap::Args)]
pub struct KubernetesConfig {
    /// What the sessions are: objects of a custom resource, or workloads that are scaled (Deployments, StatefulSets)
    #[arg(
        long,
        env = "TRACKER_KUBERNETES_PLATFORM",
        value_enum,
        default_value = "custom-resource"
    )]
    pub kubernetes_platform: PlatformKind,
    /// URL of an API server without TLS and credentials (the simulator); otherwise the kubeconfig or the pod's account is used
    #[arg(long, env = "TRACKER_KUBERNETES_URL")]
    pub kubernetes_url: Option<String>,
    /// Path of a kubeconfig; default: the pod's service account, else ~/.kube/config
    #[arg(long, env = "TRACKER_KUBERNETES_KUBECONFIG")]
    pub kubernetes_kubeconfig: Option<PathBuf>,
    /// Namespaces whose objects are sessions, separated by commas; with one the session id is the object's name, with several it is namespace~name; empty: the client's own
    #[arg(long, env = "TRACKER_KUBERNETES_NAMESPACES", value_delimiter = ',')]
    pub kubernetes_namespaces: Vec<String>,
    /// API group of the session resource
    #[arg(long, env = "TRACKER_KUBERNETES_GROUP", default_value = "stream.space")]
    pub kubernetes_group: String,
    /// API version of the session resource
    #[arg(long, env = "TRACKER_KUBERNETES_VERSION", default_value = "v1alpha1")]
    pub kubernetes_version: String,
    /// Kind of the session resource
    #[arg(long, env = "TRACKER_KUBERNETES_KIND", default_value = "Session")]
    pub kubernetes_kind: String,
    /// Plural name of the session resource
    #[arg(long, env = "TRACKER_KUBERNETES_PLURAL", default_value = "sessions")]
    pub kubernetes_plural: String,
    /// Longest time one call of the API server may take
    #[arg(long, env = "TRACKER_KUBERNETES_TIMEOUT", default_value = "10s", value_parser = duration::parse)]
    pub kubernetes_timeout: Duration,
    /// Calls of the API server that may be under way at once; the rest waits, within its time
    #[arg(long, env = "TRACKER_KUBERNETES_CONCURRENCY", default_value_t = 64)]
    pub kubernetes_concurrency: usize,
    /// Status condition that must be True, beside phase Running, before a session counts as ready
    #[arg(long, env = "TRACKER_KUBERNETES_READY_CONDITION")]
    pub kubernetes_ready_condition: Option<String>,
    /// What must listen before a session counts as ready.
    #[command(flatten)]
    pub probe: ProbeConfig,
}

/// What the sessions are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum PlatformKind {
    /// Objects of a custom resource, whose state is written
    CustomResource,
    /// Deployments and StatefulSets, whose replicas are written
    Scale,
}

impl KubernetesConfig {
    /// Whether session ids begin with a namespace (`n~x`): they do as soon as several are configured.
    #[must_use]
    pub fn has_namespaces_in_ids(&self) -> bool {
        let names = self.kubernetes_namespaces.iter().map(|name| name.trim());
        let distinct: std::collections::BTreeSet<&str> = names.filter(|name| !name.is_empty()).collect();
        distinct.len() > 1
    }
}
