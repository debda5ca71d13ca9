//! Reviews of tokens by the API server.

use super::Counter;
use super::catalogue::Catalogue;
use super::label::{self, Counters};

label::labels! {
    /// What came of a review.
    pub enum ReviewOutcome("outcome") {
        /// The cluster vouches for somebody.
        Known = "known",
        /// It does not.
        Unknown = "unknown",
        /// This process may not ask.
        Refused = "refused",
        /// The API server asked for a pause.
        Throttled = "throttled",
        /// No answer in time, a broken connection, 5xx.
        Unavailable = "unavailable",
        /// Not sent: too many reviews, or during a pause.
        NotAsked = "not_asked",
    }
}

/// Reviews of tokens.
#[derive(Debug, Clone)]
pub struct ReviewMetrics {
    /// Reviews by outcome.
    pub reviews: Counters<ReviewOutcome>,
    /// Calls let in by an earlier review that could not be renewed.
    pub unrenewed: Counter,
}

impl ReviewMetrics {
    pub(super) fn new(catalogue: &mut Catalogue) -> Self {
        Self {
            reviews: catalogue.counters(
                "tracker_auth_reviews_total",
                "Reviews of tokens by the API server by outcome",
            ),
            unrenewed: catalogue.counter(
                "tracker_auth_unrenewed_total",
                "Calls let in by an earlier review of their token because a new one was not answered",
            ),
        }
    }
}
