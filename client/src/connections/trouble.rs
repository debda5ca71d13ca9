//! Tells people of failures, without flooding their log: during an outage each of them is the same.

use std::time::Duration;

use tokio::time::Instant;

use crate::decide::Call;
use crate::error::CallError;

/// Each kind of trouble is told at most this often.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// When each kind of trouble was last told.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    warned_at: Option<Instant>,
    alarmed_at: Option<Instant>,
}

impl Trouble {
    /// `failed` connections of a call are to be asked about again; `alarm` when our credentials are why.
    pub(super) fn tell(
        &mut self,
        call: Call,
        failed: usize,
        alarm: bool,
        error: Option<&CallError>,
        now: Instant,
    ) {
        let told_at = if alarm {
            &mut self.alarmed_at
        } else {
            &mut self.warned_at
        };
        if told_at.is_some_and(|at| now < at + TELL_EVERY) {
            return;
        }
        *told_at = Some(now);
        let error = error.map_or_else(|| "asked to send it again".to_owned(), with_sources);
        if alarm {
            tracing::error!(
                ?call,
                failed,
                error,
                "connection-tracker does not accept our credentials"
            );
        } else {
            tracing::warn!(
                ?call,
                failed,
                error,
                "no usable answer of connection-tracker; sockets are kept"
            );
        }
    }
}

/// An error and all it came from, in one line.
fn with_sources(error: &CallError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
