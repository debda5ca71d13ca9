//! Who calls: asks what can tell whose token it is.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::tokens::{TokenReviews, Tokens};
use crate::domain::access::Caller;

/// Longer ones are not looked at, so that nobody has megabytes hashed; tokens of identity providers and
/// clusters stay well below.
const MAX_TOKEN_BYTES: usize = 4096;
/// Refused calls are told of at most this often: a gateway with a wrong token repeats itself.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// What can tell whose token a call carries.
pub enum Authenticator {
    /// The file of tokens.
    Tokens(Tokens),
    /// The cluster whose ServiceAccounts call, asked over the network.
    Cluster(Box<TokenReviews>),
}

impl Authenticator {
    async fn caller(&self, token: &str) -> Result<Caller, Unauthenticated> {
        match self {
            Self::Tokens(tokens) => tokens.caller(token).ok_or(Unauthenticated::Unknown),
            Self::Cluster(reviews) => reviews.caller(token).await,
        }
    }
}

/// Knows who calls.
pub struct Access {
    authenticators: Vec<Authenticator>,
    refusals: Mutex<Refusals>,
}

/// Calls that were refused and not told of yet.
#[derive(Debug, Default)]
struct Refusals {
    count: u64,
    told_at: Option<Instant>,
}

/// A call without a token, or with one of which nobody says whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unauthenticated {
    /// It carries none.
    #[error("send the header authorization: Bearer <token>")]
    Missing,
    /// Nobody knows it.
    #[error("the token is not known; was it replaced by another?")]
    Unknown,
    /// The cluster knows it, but nothing says what its account may do.
    #[error("the cluster knows the token, but the service was not told of its account; is it named there?")]
    Unnamed,
    /// It may be a good one: who could tell cannot be asked.
    #[error("whose token it is cannot be asked now; keep the user connected and send the same call again")]
    Unavailable,
}

impl Access {
    /// Asks these, in order; with none of them every caller is let in as [`Caller::anonymous`].
    #[must_use]
    pub fn new(authenticators: Vec<Authenticator>) -> Self {
        Self {
            authenticators,
            refusals: Mutex::default(),
        }
    }

    /// Whether everybody is let in.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.authenticators.is_empty()
    }

    /// Who calls with this token.
    ///
    /// # Errors
    /// [`Unauthenticated`] when that cannot be said.
    pub async fn caller(&self, token: Option<&str>) -> Result<Caller, Unauthenticated> {
        if self.is_open() {
            return Ok(Caller::anonymous());
        }
        let token = token.ok_or(Unauthenticated::Missing)?;
        let mut why = Unauthenticated::Unknown;
        if token.len() > MAX_TOKEN_BYTES {
            return Err(why);
        }
        for authenticator in &self.authenticators {
            match authenticator.caller(token).await {
                Ok(caller) => return Ok(caller),
                Err(error) => why = error,
            }
        }
        Err(why)
    }

    /// Tells of a call that was refused, by `client` if that is known; often repeated ones are counted.
    pub fn refused(&self, client: Option<&str>, method: &str, path: &str, why: &str) {
        let mut refusals = self
            .refusals
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        refusals.count += 1;
        if refusals.told_at.is_some_and(|at| at.elapsed() < TELL_EVERY) {
            return;
        }
        let count = refusals.count;
        *refusals = Refusals {
            count: 0,
            told_at: Some(Instant::now()),
        };
        drop(refusals);
        let client = client.unwrap_or("unknown");
        tracing::warn!(
            count,
            client,
            method,
            path,
            why,
            "calls were refused; the last one is named"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn where_nobody_is_asked_everybody_may_do_everything() {
        let open = Access::new(Vec::new());
        assert_eq!(open.caller(None).await, Ok(Caller::anonymous()));
        assert_eq!(open.caller(Some("anything")).await, Ok(Caller::anonymous()));
    }
}
