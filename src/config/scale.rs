//! Sessions that are workloads: which, and by what right they are scaled.

/// Workloads scaled to nothing and back; used with the platform `scale`.
#[derive(Debug, Clone, clap::Args)]
pub struct ScaleConfig {
    /// Kinds of workloads that are sessions, separated by commas: deployments, statefulsets
    #[arg(
        long,
        env = "TRACKER_SCALE_WORKLOADS",
        value_enum,
        value_delimiter = ',',
        default_value = "deployments,statefulsets"
    )]
    pub scale_workloads: Vec<Workload>,
    /// Label whose value is the id of a workload's session; workloads without it are none of our business
    #[arg(
        long,
        env = "TRACKER_SCALE_LABEL",
        default_value = "connection-tracker.dev/session"
    )]
    pub scale_label: String,
    /// Scale by the /scale subresource alone, for accounts that may not patch workloads: the weaker of the two fences (README, "Two fences")
    #[arg(long, env = "TRACKER_SCALE_SUBRESOURCE", default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub scale_subresource: bool,
}

/// A kind of workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Workload {
    /// apps/v1 Deployment
    Deployments,
    /// apps/v1 StatefulSet
    #[value(name = "statefulsets")]
    StatefulSets,
}
