//! Tokens of the cluster: whose they are is asked of the API server and remembered for a while; what that
//! account may do stands in the file, and is looked up at each call.
//!
//! ```text
//!  token --> known? --> refused lately? --> one question per token, within its lane --> the file
//! ```
//!
//! Remembered is the hash of a token, never the token.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::future::Cache;
use rand::RngExt as _;
use tokio::time::Instant;

use super::lane::Lane;
use super::outage::Outage;
use super::{Digest, Tokens, digest, jwt};
use crate::config::AuthConfig;
use crate::domain::access::Caller;
use crate::domain::clock;
use crate::platform::{Identity, ReviewError, TokenReviewer};
use crate::service::access::Unauthenticated;
use crate::telemetry::metrics::{ReviewMetrics, ReviewOutcome};

/// Longest time for which a refusal is remembered. Longer would keep out an account whose audience was just put
/// right; shorter costs the API server more questions by a gateway that repeats itself.
const REFUSED_FOR: Duration = Duration::from_secs(10);
/// Tokens remembered of either kind, apart: refused ones must not push out those that are let in. About 300
/// bytes each.
const REMEMBERED: u64 = 10_000;
/// After a question without an answer, a token that was known is let in unasked for 4 to 6 s: an API server that
/// hangs must not make each heartbeat wait for it.
const ASK_AGAIN_MS: std::ops::Range<u64> = 4_000..6_000;
/// Reviews of tokens never seen: at once, per second, in a row. More than gateways need that all start together;
/// a stranger who makes up tokens costs the API server no more than this.
const STRANGERS: (usize, u32, u32) = (12, 20, 40);
/// Reviews of tokens that are known: nobody can make those up, and strangers cannot take their room.
const RENEWALS: (usize, u32, u32) = (4, 100, 200);
/// Longest pause that an API server is granted which asks for one.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// Knows whose the tokens of the cluster are.
pub struct TokenReviews {
    tokens: Tokens,
    reviewer: TokenReviewer,
    /// How long a yes holds, and how much longer while the API server cannot be asked.
    fresh: Duration,
    grace: Duration,
    known: Cache<Digest, Arc<Known>>,
    refused: Cache<Digest, ()>,
    asking: Cache<Digest, Said>,
    strangers: Lane,
    renewals: Lane,
    paused_until: Mutex<Option<Instant>>,
    outage: Outage,
    metrics: ReviewMetrics,
}

/// A token that the API server knew.
struct Known {
    identity: Identity,
    ask_at: Mutex<Instant>,
    /// Never beyond the token's own end.
    usable_until: Instant,
    /// The API server said no once.
    was_refused: AtomicBool,
}

/// What came of a question.
#[derive(Clone)]
enum Said {
    Yes(Arc<Known>),
    No,
    Nothing,
}

impl TokenReviews {
    /// Asks `reviewer` whose a token is, and `tokens` what that account may do.
    #[must_use]
    pub fn new(tokens: Tokens, reviewer: TokenReviewer, config: &AuthConfig, metrics: ReviewMetrics) -> Self {
        let lane = |(at_once, per_second, burst)| Lane::new(at_once, per_second, burst);
        let fresh = config.auth_token_review_cache;
        let grace = config.auth_token_review_grace;
        // `asking` is there for its single flight only: its entries end at once.
        Self {
            tokens,
            reviewer,
            fresh,
            grace,
            known: cache(fresh + grace),
            refused: cache(fresh.min(REFUSED_FOR)),
            asking: cache(Duration::from_millis(1)),
            strangers: lane(STRANGERS),
            renewals: lane(RENEWALS),
            paused_until: Mutex::default(),
            outage: Outage::default(),
            metrics,
        }
    }

    /// Who calls with this token.
    ///
    /// # Errors
    /// [`Unauthenticated`]: the cluster or the file does not know it, or the API server cannot be asked.
    pub async fn caller(&self, token: &str) -> Result<Caller, Unauthenticated> {
        if !jwt::has_shape(token) {
            return Err(Unauthenticated::Unknown);
        }
        let known = self.known(token).await?;
        self.tokens
            .account(&known.identity.username, &known.identity.groups)
            .ok_or(Unauthenticated::Unnamed)
    }

    async fn known(&self, token: &str) -> Result<Arc<Known>, Unauthenticated> {
        let digest = digest(token.as_bytes());
        let known = self.known.get(&digest).await.filter(|known| known.is_usable());
        if let Some(known) = known.as_ref().filter(|known| !known.is_due()) {
            return Ok(Arc::clone(known));
        }
        if known.is_none() && self.refused.contains_key(&digest) {
            return Err(Unauthenticated::Unknown);
        }
        // Boxed: it is rare, and its future would make those of every handler large.
        let question = Box::pin(self.ask(token, digest, known.as_deref()));
        match self.asking.get_with(digest, question).await {
            Said::Yes(known) => Ok(known),
            Said::No => Err(Unauthenticated::Unknown),
            Said::Nothing => match known.filter(|known| known.is_usable()) {
                Some(known) => {
                    self.metrics.unrenewed.inc();
                    Ok(known)
                }
                None => Err(Unauthenticated::Unavailable),
            },
        }
    }

    async fn ask(&self, token: &str, digest: Digest, known: Option<&Known>) -> Said {
        let lane = known.map_or(&self.strangers, |_| &self.renewals);
        let permit = if self.is_paused() {
            None
        } else {
            lane.enter().await
        };
        if permit.is_none() {
            self.metrics.reviews.inc(ReviewOutcome::NotAsked);
            return Self::nothing(known);
        }
        let answer = self.reviewer.review(token).await;
        drop(permit);
        self.metrics.reviews.inc(outcome(&answer));
        match answer {
            Ok(Some(identity)) => {
                self.outage.is_over();
                let known = Arc::new(self.remember(token, identity));
                self.known.insert(digest, Arc::clone(&known)).await;
                Said::Yes(known)
            }
            // The API server also says no where it could not find out; who was known is asked about once more.
            Ok(None) if known.is_some_and(|known| !known.was_refused.swap(true, Ordering::Relaxed)) => {
                Self::nothing(known)
            }
            Ok(None) => {
                self.outage.is_over();
                self.known.invalidate(&digest).await;
                self.refused.insert(digest, ()).await;
                Said::No
            }
            Err(error) => {
                self.pause_after(&error);
                self.outage.tell(&error);
                Self::nothing(known)
            }
        }
    }

    fn remember(&self, token: &str, identity: Identity) -> Known {
        let now = Instant::now();
        let left = jwt::remaining(token, clock::wall_now().as_millisecond()).unwrap_or(Duration::MAX);
        Known {
            identity,
            ask_at: Mutex::new(now + self.fresh.min(left)),
            usable_until: now + (self.fresh + self.grace).min(left),
            was_refused: AtomicBool::new(false),
        }
    }

    fn nothing(known: Option<&Known>) -> Said {
        if let Some(known) = known {
            let pause = Duration::from_millis(rand::rng().random_range(ASK_AGAIN_MS));
            *known.ask_at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + pause;
        }
        Said::Nothing
    }

    fn is_paused(&self) -> bool {
        let until = *self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    fn pause_after(&self, error: &ReviewError) {
        if let ReviewError::Throttled { retry_after } = error {
            let pause = retry_after.unwrap_or(Duration::from_secs(1)).min(MAX_PAUSE);
            *self.paused_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + pause);
        }
    }
}

impl Known {
    fn is_due(&self) -> bool {
        Instant::now() >= *self.ask_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_usable(&self) -> bool {
        Instant::now() < self.usable_until
    }
}

fn cache<V: Clone + Send + Sync + 'static>(ttl: Duration) -> Cache<Digest, V> {
    Cache::builder()
        .max_capacity(REMEMBERED)
        .time_to_live(ttl)
        .build()
}

fn outcome(answer: &Result<Option<Identity>, ReviewError>) -> ReviewOutcome {
    match answer {
        Ok(Some(_)) => ReviewOutcome::Known,
        Ok(None) => ReviewOutcome::Unknown,
        Err(ReviewError::Refused { .. }) => ReviewOutcome::Refused,
        Err(ReviewError::Throttled { .. }) => ReviewOutcome::Throttled,
        Err(ReviewError::Unavailable { .. }) => ReviewOutcome::Unavailable,
    }
}
