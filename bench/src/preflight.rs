//! Before any load: does the service answer, let us in, and know the sessions? If not, a sentence that says what to do.

use std::time::Duration;

use anyhow::{anyhow, bail, ensure};
use connection_tracker_client::{CallError, Intent, OpenRequest, Problem, ProblemKind, Tracker};

use crate::Options;
use crate::names::Names;

/// The connection of the question; gone again at once.
const PROBE: &str = "bench-preflight";

/// Asks whether the service answers and lets us in; its sessions may be missing still.
///
/// # Errors
/// What is in the way, and what to do about it.
pub(crate) async fn reachable(tracker: &Tracker, names: &Names, options: &Options) -> anyhow::Result<()> {
    match tracker.session(&names.session(0)).await {
        Err(CallError::Problem(problem)) if problem.kind == ProblemKind::SessionNotFound => Ok(()),
        Err(error) => failed(error, &names.session(0), options),
        Ok(_) => Ok(()),
    }
}

/// Asks about the first and the last session.
///
/// # Errors
/// What is in the way, and what to do about it.
pub(crate) async fn check(tracker: &Tracker, names: &Names, options: &Options) -> anyhow::Result<()> {
    for number in [0, names.sessions() - 1] {
        let session = names.session(number);
        // A probe wakes nothing, and needs no other role than the load itself.
        let request = OpenRequest::new("bench").intent(Intent::Probe);
        match tracker.open(&session, PROBE, &request).await {
            Ok(opened) => {
                // What stays open expires by itself.
                let _ = tracker.close(&session, PROBE, "bench").await;
                interval(options.interval, opened.pace.window())?;
            }
            Err(error) => failed(error, &session, options)?,
        }
    }
    Ok(())
}

fn failed(error: CallError, session: &str, options: &Options) -> anyhow::Result<()> {
    match error {
        CallError::Problem(problem) => refused(&problem, session, options),
        CallError::Foreign { status } => bail!(
            "what answers at {} is not connection-tracker: it answered {status}; is --url right? It is the address \
             of the API, not that of /metrics",
            options.url
        ),
        CallError::Unanswered(_) => Err(anyhow::Error::new(error).context(format!(
            "connection-tracker does not answer at {}; is it running, and --url right?",
            options.url
        ))),
    }
}

/// Heartbeats must come at least twice in a window, else one that is a little late looks like a false expiry.
fn interval(interval: Duration, window: Duration) -> anyhow::Result<()> {
    ensure!(
        interval * 2 <= window,
        "the service takes a connection for gone after {window:?}; with a heartbeat each {interval:?} connections would \
         expire: give --interval {}ms or less",
        window.as_millis() / 3
    );
    Ok(())
}

fn refused(problem: &Problem, session: &str, options: &Options) -> anyhow::Result<()> {
    Err(match &problem.kind {
        // It exists and sleeps: the load will wake it.
        ProblemKind::SessionHibernated => return Ok(()),
        ProblemKind::SessionNotFound => anyhow!(
            "there is no session {session}: the objects {prefix}-0 to {prefix}-{last} must exist on the platform, where the \
             service watches, and be in the scope of the token. Make them, name others with --prefix and --sessions, \
             or on a trial let --simulator URL make them",
            prefix = options.prefix,
            last = options.sessions - 1,
        ),
        ProblemKind::SessionTerminated => {
            anyhow!("session {session} ended for good; name others with --prefix")
        }
        ProblemKind::Unauthenticated => anyhow!(
            "the service wants a token{}: make one with `connection-tracker token --client bench --roles gateway`, add its \
             line to the file of tokens, and give the token in a file with --token-file",
            if options.token_file.is_some() {
                ", and does not know the one in --token-file"
            } else {
                ""
            }
        ),
        ProblemKind::Forbidden => {
            anyhow!(
                "the token lacks the role gateway; make one with `connection-tracker token --roles gateway`"
            )
        }
        ProblemKind::LimitReached => anyhow!(
            "session {session} takes no more connections: raise TRACKER_SESSION_MAX_CONNECTIONS, or --sessions"
        ),
        _ => anyhow!("the service is not fit for load: {problem}; put that right first"),
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn heartbeats_too_rare_for_the_window_are_refused_with_what_to_give() {
        interval(Duration::from_secs(20), Duration::from_secs(60)).unwrap();
        let error = interval(Duration::from_secs(20), Duration::from_secs(9)).unwrap_err();
        assert!(error.to_string().contains("--interval 3000ms"), "{error}");
    }

    #[test]
    fn each_refusal_says_what_to_do() {
        let options = Line::parse_from(["bench", "--sessions=7"]).options;
        let said = |kind: ProblemKind| {
            let problem = Problem::of_kind(400, kind);
            refused(&problem, "bench-0", &options).unwrap_err().to_string()
        };
        for (kind, what) in [
            (ProblemKind::SessionNotFound, "bench-0 to bench-6"),
            (ProblemKind::SessionTerminated, "--prefix"),
            (ProblemKind::Unauthenticated, "--token-file"),
            (ProblemKind::Forbidden, "--roles gateway"),
            (ProblemKind::LimitReached, "--sessions"),
            (ProblemKind::StoreUnavailable, "store-unavailable"),
        ] {
            let text = said(kind);
            assert!(text.contains(what), "{text}");
        }
        let asleep = Problem::of_kind(409, ProblemKind::SessionHibernated);
        refused(&asleep, "bench-0", &options).unwrap();
    }
}
