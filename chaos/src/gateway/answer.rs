//! Answers in the words of the history.

use connection_tracker_client::{CallError, Opened, Pace, ProblemKind, SessionView};
use jiff::Timestamp;
use serde_json::Value;

use crate::history::Outcome;

/// The service's words for it: a problem's name without its subject, as the items of batches have it.
fn word(kind: &ProblemKind) -> String {
    match kind {
        ProblemKind::ConnectionNotTracked => "not_tracked".to_owned(),
        ProblemKind::ConnectionClosed => "closed".to_owned(),
        other => other.name().replace('-', "_"),
    }
}

/// A refusal of the service is one; whatever else went wrong leaves the outcome unknown, but for a connection
/// that could not even be made.
fn of_error(error: &CallError) -> Outcome {
    match error {
        CallError::Problem(problem) if problem.status < 500 => Outcome::Refused {
            reason: word(&problem.kind),
        },
        CallError::Problem(problem) => Outcome::Unknown {
            why: word(&problem.kind),
        },
        CallError::Foreign { status } => Outcome::Unknown {
            why: format!("status {status}"),
        },
        CallError::Unanswered(error) if error.is_connect() => Outcome::Refused {
            reason: "unreachable".to_owned(),
        },
        CallError::Unanswered(error) if error.is_timeout() => Outcome::Unknown {
            why: "timeout".to_owned(),
        },
        CallError::Unanswered(_) => Outcome::Unknown {
            why: "connection broke".to_owned(),
        },
    }
}

pub(super) fn of_open(answer: &Result<Opened, CallError>) -> Outcome {
    match answer {
        Ok(opened) => Outcome::Opened {
            created: opened.created,
            state: opened.session.state.to_string(),
            ready: opened.session.ready,
            active: opened.session.active_connections,
        },
        Err(error) => of_error(error),
    }
}

pub(super) fn of_close(answer: &Result<(), CallError>) -> Outcome {
    match answer {
        Ok(()) => Outcome::Closed,
        Err(error) => of_error(error),
    }
}

pub(super) fn of_heartbeat(answer: &Result<Pace, CallError>) -> Outcome {
    match answer {
        Ok(_) => Outcome::Refreshed,
        Err(error) => of_error(error),
    }
}

/// For every item of a batch that had no answer at all.
pub(super) fn of_batch_error(error: &CallError) -> Outcome {
    of_error(error)
}

/// For an item of a batch that was rejected with this reason.
pub(super) fn of_rejection(reason: &str) -> Outcome {
    Outcome::Refused {
        reason: word(&ProblemKind::from_name(reason)),
    }
}

/// `redis_now_ms` is now by the clock of Redis, in which the prediction is given.
pub(super) fn of_read(answer: &Result<SessionView, CallError>, redis_now_ms: i64) -> Outcome {
    match answer {
        Ok(view) => {
            let text = |field: &str| view.rest.get(field).and_then(Value::as_str);
            let sleeps_at: Option<Timestamp> = text("sleeps_at").and_then(|at| at.parse().ok());
            Outcome::Seen {
                state: view.state.to_string(),
                active: view.active_connections,
                sleeps_in_ms: sleeps_at.map(|at| at.as_millisecond() - redis_now_ms),
                reason: text("awake_because").map(str::to_owned),
            }
        }
        Err(error) => of_error(error),
    }
}

pub(super) async fn of_count(answer: reqwest::Result<reqwest::Response>) -> Outcome {
    let unknown = |why: &str| Outcome::Unknown { why: why.to_owned() };
    let answer = match answer {
        Ok(answer) if answer.status().is_success() => answer,
        Ok(answer) if answer.status().is_client_error() => {
            return Outcome::Refused {
                reason: format!("status_{}", answer.status().as_u16()),
            };
        }
        Ok(answer) => return unknown(&format!("status {}", answer.status().as_u16())),
        Err(error) if error.is_connect() => {
            return Outcome::Refused {
                reason: "unreachable".to_owned(),
            };
        }
        Err(_) => return unknown("no answer"),
    };
    match answer.json::<Value>().await {
        Ok(body) => Outcome::Counted {
            active: body["active_connections"].as_u64().unwrap_or_default(),
            is_held: body["unconfirmed_connections"].as_u64().unwrap_or_default() > 0,
        },
        Err(_) => unknown("no answer"),
    }
}
