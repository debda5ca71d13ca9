//! Why a call gave no answer of the wanted kind, and why a tracker could not be built.

use crate::decide::Answer;
use crate::problem::{Problem, ProblemKind};

/// A call that did not succeed. Only [`CallError::Problem`] is the service speaking.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The service refused, in its own words.
    #[error("the service answered {status}: {0}", status = .0.status)]
    Problem(Problem),
    /// Somebody answered, but not in the service's words: a proxy, a load balancer, a wrong address.
    #[error("an answer with status {status} that is not the service's own")]
    Foreign {
        /// HTTP status of that answer.
        status: u16,
    },
    /// No answer: timeout, refused or reset connection. Whether the call took effect is unknown.
    #[error("no answer")]
    Unanswered(#[source] reqwest::Error),
}

impl CallError {
    /// The service's own word for it, if the service spoke.
    #[must_use]
    pub fn kind(&self) -> Option<&ProblemKind> {
        match self {
            Self::Problem(problem) => Some(&problem.kind),
            Self::Foreign { .. } | Self::Unanswered(_) => None,
        }
    }

    /// As [`decide`](crate::decide()) takes it.
    #[must_use]
    pub fn answer(&self) -> Answer {
        match self {
            Self::Problem(problem) => Answer::Problem(problem.status, problem.kind.clone()),
            Self::Foreign { status } => Answer::Foreign(*status),
            Self::Unanswered(_) => Answer::Unknown,
        }
    }
}

/// A [`Tracker`](crate::Tracker) that cannot be built from what it was given.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The base URL does not parse, or is neither http nor https.
    #[error("the base URL {0:?} is not an absolute http or https URL")]
    BaseUrl(String),
    /// The bearer token is empty, or holds characters no HTTP header can carry.
    #[error("the bearer token is empty, or holds characters that no HTTP header can carry")]
    Token,
    /// The file of the bearer token cannot be read.
    #[error("the bearer token cannot be read from {path}")]
    TokenFile {
        /// Of the file.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The HTTP client could not be set up (for https: no root certificates on this machine).
    #[error("the HTTP client could not be set up")]
    Http(#[source] reqwest::Error),
}
