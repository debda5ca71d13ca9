//! Waiting with a user until the session they opened can be used.

use std::time::Duration;

use tokio::time::sleep;

use super::{Handle, Verdict};
use crate::backoff;
use crate::decide::CODE_GONE;
use crate::error::CallError;
use crate::problem::ProblemKind;

/// One long poll: shorter than what load balancers cut.
const POLL: Duration = Duration::from_secs(50);

/// A session that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// Where it answers, when the service knows.
    pub url: Option<String>,
}

impl Handle {
    /// Waits until the session runs and can be used, asking again whatever happens, for as long as the connection
    /// is open: the owner decides how long a user may wait. Cancel-safe.
    ///
    /// # Errors
    /// The [`Verdict`], when the connection ended before.
    pub async fn ready(&mut self) -> Result<Ready, Verdict> {
        let opened = self.opened().await?;
        if opened.session.ready {
            return Ok(Ready {
                url: opened.session.url.clone(),
            });
        }
        let (tracker, session, connection) = (
            self.tracker.clone(),
            self.session.clone(),
            self.connection.clone(),
        );
        let window = opened.pace.window();
        let poll = async move {
            let mut attempt = 0;
            loop {
                match tracker.wait(&session, Some(&connection), POLL).await {
                    Ok(waited) if waited.ready => return Ok(Ready { url: waited.url }),
                    Ok(waited) => {
                        attempt = 0;
                        sleep(waited.ask_again_in).await;
                    }
                    Err(error) => {
                        if let Some(verdict) = verdict(&error) {
                            return Err(verdict);
                        }
                        sleep(backoff::jittered(attempt, window)).await;
                        attempt = attempt.saturating_add(1);
                    }
                }
            }
        };
        tokio::select! {
            verdict = self.ended() => Err(verdict),
            answer = poll => answer,
        }
    }
}

/// The end of the session ends the wait, and the connection with it. All else is asked again: whether the connection
/// still counts is the business of its heartbeats.
fn verdict(error: &CallError) -> Option<Verdict> {
    match error {
        CallError::Problem(problem)
            if problem.status == 410 && problem.kind == ProblemKind::SessionTerminated =>
        {
            Some(Verdict::Close {
                code: CODE_GONE,
                cause: ProblemKind::SessionTerminated,
            })
        }
        _ => None,
    }
}
