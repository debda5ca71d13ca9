//! The API server asked for patience (429 with `Retry-After`): until then this process asks it nothing.
//!
//! kube's client drops the headers of an error, so they are read where the answer comes in.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::{Response, StatusCode, header};
use tokio::time::Instant;

/// Longer pauses are not believed: one answer of some proxy would leave users before sleeping sessions.
const LONGEST: Duration = Duration::from_secs(30);

/// Until when nothing is asked.
#[derive(Debug, Default)]
pub(in crate::platform) struct Patience(Mutex<Option<Instant>>);

impl Patience {
    /// How long nothing is to be asked yet.
    pub(in crate::platform) fn left(&self) -> Option<Duration> {
        self.left_at(Instant::now())
    }

    fn left_at(&self, now: Instant) -> Option<Duration> {
        let until = (*self.0.lock().unwrap_or_else(PoisonError::into_inner))?;
        let left = until.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// Takes note of an answer as it comes in.
    pub(super) fn note<B>(self: &Arc<Self>) -> impl Fn(Response<B>) -> Response<B> + Clone + use<B> {
        let patience = Arc::clone(self);
        move |answer| {
            if answer.status() == StatusCode::TOO_MANY_REQUESTS
                && let Some(asked) = retry_after(&answer)
            {
                patience.ask(Instant::now(), asked);
            }
            answer
        }
    }

    /// As much of a pause as is believed, wherever it was asked for.
    pub(super) fn believed(asked: Duration) -> Duration {
        asked.min(LONGEST)
    }

    fn ask(&self, now: Instant, asked: Duration) {
        let until = now + Self::believed(asked);
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *current = Some(current.map_or(until, |before| before.max(until)));
    }
}

/// Seconds; the other form, a date, is not used by API servers.
fn retry_after<B>(answer: &Response<B>) -> Option<Duration> {
    let seconds = answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, retry_after: Option<&str>) -> Response<()> {
        let mut answer = Response::builder().status(status);
        if let Some(value) = retry_after {
            answer = answer.header(header::RETRY_AFTER, value);
        }
        answer.body(()).unwrap()
    }

    fn asked_by(answers: &[(u16, Option<&str>)]) -> Option<Duration> {
        let patience = Arc::new(Patience::default());
        let note = patience.note();
        for (status, retry_after) in answers {
            note(answer(*status, *retry_after));
        }
        patience.left()
    }

    #[test]
    fn only_a_429_that_names_its_time_stops_everything() {
        assert!(asked_by(&[(429, Some("700"))]).is_some());
        for other in [
            (429, None),
            (429, Some("soon")),
            (429, Some("0")),
            (503, Some("700")),
            (200, Some("700")),
        ] {
            assert_eq!(asked_by(&[other]), None, "{other:?}");
        }
    }

    #[test]
    fn the_longest_time_asked_for_counts_but_no_more_than_is_believed() {
        let (patience, now) = (Patience::default(), Instant::now());
        let seconds = Duration::from_secs;
        patience.ask(now, seconds(7));
        patience.ask(now, seconds(2));
        assert_eq!(patience.left_at(now), Some(seconds(7)));
        patience.ask(now, seconds(86_400));
        assert_eq!(patience.left_at(now), Some(LONGEST));
        assert_eq!(patience.left_at(now + LONGEST), None);
    }
}
