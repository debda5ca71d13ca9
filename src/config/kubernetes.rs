//! Which objects are the sessions, and how the API server is reached.

use std::path::PathBuf;
use std::time::Duration;

use super::field_path::FieldPath;
use super::{InvalidConfig, ProbeConfig, duration};

/// More calls at once are no order any more, only load.
const MAX_CONCURRENCY: usize = 10_000;
/// Shorter, every call fails on a busy day.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(100);
/// Longer than the API server itself takes for a request.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);

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
    /// Status condition that must be True, beside the phase, before a session counts as ready
    #[arg(long, env = "TRACKER_KUBERNETES_READY_CONDITION")]
    pub kubernetes_ready_condition: Option<String>,
    /// Path of the field that says whether a session shall run
    #[arg(long, env = "TRACKER_KUBERNETES_STATE_PATH", default_value = "spec.state", value_parser = FieldPath::parse)]
    pub kubernetes_state_path: FieldPath,
    /// Value of that field for a session that shall run; true, false and whole numbers are meant as such
    #[arg(long, env = "TRACKER_KUBERNETES_RUNNING_WORD", default_value = "running")]
    pub kubernetes_running_word: String,
    /// Its value for a session at rest
    #[arg(
        long,
        env = "TRACKER_KUBERNETES_HIBERNATED_WORD",
        default_value = "hibernated"
    )]
    pub kubernetes_hibernated_word: String,
    /// Its value for a session that ended for good; empty: only a deleted object ends one
    #[arg(
        long,
        env = "TRACKER_KUBERNETES_TERMINATED_WORD",
        default_value = "terminated"
    )]
    pub kubernetes_terminated_word: String,
    /// Path of the object's own idle timeout; empty: objects name none
    #[arg(long, env = "TRACKER_KUBERNETES_IDLE_TIMEOUT_PATH", default_value = "spec.idleTimeout", value_parser = FieldPath::parse)]
    pub kubernetes_idle_timeout_path: FieldPath,
    /// Path of the field in which the platform says how far a session has come
    #[arg(long, env = "TRACKER_KUBERNETES_PHASE_PATH", default_value = "status.phase", value_parser = FieldPath::parse)]
    pub kubernetes_phase_path: FieldPath,
    /// Value of that field for a session that can be used; empty: the ready condition alone decides
    #[arg(long, env = "TRACKER_KUBERNETES_READY_WORD", default_value = "Running")]
    pub kubernetes_ready_word: String,
    /// Path of the URL at which a session is reached; empty: objects name none
    #[arg(long, env = "TRACKER_KUBERNETES_URL_PATH", default_value = "status.url", value_parser = FieldPath::parse)]
    pub kubernetes_url_path: FieldPath,
    /// Path in the status where the last activity is kept up to date while somebody is connected, for controllers that look at it; empty: not written
    #[arg(long, env = "TRACKER_KUBERNETES_ACTIVITY_PATH", default_value = "status.lastActivity", value_parser = FieldPath::parse)]
    pub kubernetes_activity_path: FieldPath,
    /// Whether Kubernetes Events on the objects say what happened to their sessions
    #[arg(long, env = "TRACKER_KUBERNETES_EVENTS", default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub kubernetes_events: bool,
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

    /// Whether the last activity of sessions is written to their objects: workloads have no field for it.
    #[must_use]
    pub fn keeps_activity(&self) -> bool {
        self.kubernetes_platform == PlatformKind::CustomResource && !self.kubernetes_activity_path.is_empty()
    }

    pub(super) fn validate(&self) -> Result<(), InvalidConfig> {
        let refuse = |text: String| Err(InvalidConfig(text));
        if !(1..=MAX_CONCURRENCY).contains(&self.kubernetes_concurrency) {
            return refuse(format!(
                "TRACKER_KUBERNETES_CONCURRENCY is {}: it must be from 1 to {MAX_CONCURRENCY}; with none nothing would ever be asked",
                self.kubernetes_concurrency
            ));
        }
        if !(SHORTEST_TIMEOUT..=LONGEST_TIMEOUT).contains(&self.kubernetes_timeout) {
            return refuse(format!(
                "TRACKER_KUBERNETES_TIMEOUT is {:?}: it must be from {SHORTEST_TIMEOUT:?} to {LONGEST_TIMEOUT:?}, since wakes and the weaker fence wait that long",
                self.kubernetes_timeout
            ));
        }
        let (state, activity) = (&self.kubernetes_state_path, &self.kubernetes_activity_path);
        let first = state.names().next().unwrap_or_default();
        if state.names().count() < 2 || first == "status" {
            return refuse(format!(
                "TRACKER_KUBERNETES_STATE_PATH is '{state}': it must name a field of the specification, like spec.state, since that is what is written to put a session to sleep"
            ));
        }
        if state
            .names()
            .any(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        {
            return refuse(format!(
                "TRACKER_KUBERNETES_STATE_PATH is '{state}': a place in a list cannot be written by itself; name a field"
            ));
        }
        if self.kubernetes_idle_timeout_path.is_within(state)
            || state.is_within(&self.kubernetes_idle_timeout_path)
        {
            return refuse(format!(
                "TRACKER_KUBERNETES_IDLE_TIMEOUT_PATH is '{}' and TRACKER_KUBERNETES_STATE_PATH '{state}': they must be fields apart",
                self.kubernetes_idle_timeout_path
            ));
        }
        if !activity.is_empty() && (activity.names().next() != Some("status") || activity.names().count() < 2)
        {
            return refuse(format!(
                "TRACKER_KUBERNETES_ACTIVITY_PATH is '{activity}': it must name a field of the status, like status.lastActivity, or be empty"
            ));
        }
        for (word, setting) in [
            (&self.kubernetes_running_word, "TRACKER_KUBERNETES_RUNNING_WORD"),
            (
                &self.kubernetes_hibernated_word,
                "TRACKER_KUBERNETES_HIBERNATED_WORD",
            ),
        ] {
            if word.is_empty() {
                return refuse(format!(
                    "{setting} is empty: say which value of '{state}' is meant"
                ));
            }
        }
        let words = [
            &self.kubernetes_running_word,
            &self.kubernetes_hibernated_word,
            &self.kubernetes_terminated_word,
        ];
        if words[0] == words[1] || words[..2].contains(&words[2]) {
            return refuse(format!(
                "TRACKER_KUBERNETES_RUNNING_WORD, _HIBERNATED_WORD and _TERMINATED_WORD are '{}', '{}' and '{}': they must differ",
                words[0], words[1], words[2]
            ));
        }
        if !self.kubernetes_ready_word.is_empty() {
            if self.kubernetes_phase_path.is_empty() {
                return refuse("TRACKER_KUBERNETES_PHASE_PATH is empty, but TRACKER_KUBERNETES_READY_WORD is not: name the field, or leave both empty and set TRACKER_KUBERNETES_READY_CONDITION".to_owned());
            }
        } else if self
            .kubernetes_ready_condition
            .as_deref()
            .unwrap_or_default()
            .is_empty()
        {
            return refuse("TRACKER_KUBERNETES_READY_WORD is empty and TRACKER_KUBERNETES_READY_CONDITION too: every session would count as ready before anything runs; set one of them".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct CommandLine {
        #[command(flatten)]
        config: KubernetesConfig,
    }

    fn refusal(flags: &[&str]) -> Option<String> {
        let line = std::iter::once("test").chain(flags.iter().copied());
        let outcome = CommandLine::parse_from(line).config.validate();
        outcome.err().map(|error| error.to_string())
    }

    #[test]
    fn calls_that_would_never_be_made_or_never_end_are_refused() {
        for (flag, setting) in [
            ("--kubernetes-concurrency=0", "TRACKER_KUBERNETES_CONCURRENCY"),
            ("--kubernetes-concurrency=10001", "TRACKER_KUBERNETES_CONCURRENCY"),
            ("--kubernetes-timeout=0s", "TRACKER_KUBERNETES_TIMEOUT"),
            ("--kubernetes-timeout=10m", "TRACKER_KUBERNETES_TIMEOUT"),
        ] {
            let text = refusal(&[flag]).expect(flag);
            assert!(text.starts_with(setting), "{text}");
        }
        assert_eq!(
            refusal(&["--kubernetes-concurrency=1", "--kubernetes-timeout=60s"]),
            None
        );
    }

    #[test]
    fn the_defaults_and_a_boolean_field_can_be_started_with() {
        assert_eq!(refusal(&[]), None);
        let suspend = [
            "--kubernetes-state-path=spec.suspend",
            "--kubernetes-running-word=false",
            "--kubernetes-hibernated-word=true",
            "--kubernetes-terminated-word=",
            "--kubernetes-idle-timeout-path=",
            "--kubernetes-phase-path=",
            "--kubernetes-ready-word=",
            "--kubernetes-ready-condition=Ready",
            "--kubernetes-url-path=",
            "--kubernetes-activity-path=",
        ];
        assert_eq!(refusal(&suspend), None);
    }

    #[test]
    fn paths_and_words_that_cannot_work_are_refused_by_the_name_of_their_setting() {
        for (flag, named) in [
            ("--kubernetes-state-path=", "STATE_PATH"),
            ("--kubernetes-state-path=spec", "STATE_PATH"),
            ("--kubernetes-state-path=status.state", "STATE_PATH"),
            ("--kubernetes-state-path=spec.rules.0.state", "STATE_PATH"),
            (
                "--kubernetes-idle-timeout-path=spec.state.idle",
                "IDLE_TIMEOUT_PATH",
            ),
            ("--kubernetes-idle-timeout-path=spec", "IDLE_TIMEOUT_PATH"),
            ("--kubernetes-activity-path=spec.lastActivity", "ACTIVITY_PATH"),
            ("--kubernetes-activity-path=status", "ACTIVITY_PATH"),
            ("--kubernetes-running-word=", "RUNNING_WORD"),
            ("--kubernetes-hibernated-word=", "HIBERNATED_WORD"),
            ("--kubernetes-hibernated-word=running", "RUNNING_WORD"),
            ("--kubernetes-terminated-word=hibernated", "TERMINATED_WORD"),
            ("--kubernetes-phase-path=", "PHASE_PATH"),
            ("--kubernetes-ready-word=", "READY_WORD"),
        ] {
            let text = refusal(&[flag]).unwrap_or_else(|| panic!("{flag} is taken"));
            assert!(text.contains(named), "{flag}: {text}");
        }
    }
}
