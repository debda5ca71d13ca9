//! How much is measured and for how long: the size the bounds are meant for, or less.

use std::time::Duration;

/// The whole of it, or what fits into two minutes.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Sessions with one connection each, for rates and cost of single calls.
    pub(crate) sessions: usize,
    /// Length of one run of those.
    pub(crate) length: Duration,
    /// Runs; the median is given.
    pub(crate) runs: usize,
    /// Rows of history for the drain.
    pub(crate) drained: usize,
    /// Connections of the large fleet, two in each session.
    pub(crate) connections: usize,
    /// How many of them are opened a second: sessions are woken by the hundred, so more would only wait.
    pub(crate) open_rate: u32,
    /// Its heartbeats and its window.
    pub(crate) interval: Duration,
    pub(crate) window: Duration,
    /// How long it is watched.
    pub(crate) span: Duration,
    /// How long it is watched with the sweep, and again without.
    pub(crate) sweep_span: Duration,
    /// Connections that fall silent at once.
    pub(crate) silent: usize,
    pub(crate) is_quick: bool,
}

impl Plan {
    pub(crate) fn full() -> Self {
        Self {
            sessions: 100_000,
            length: Duration::from_secs(10),
            runs: 3,
            drained: 200_000,
            connections: 1_000_000,
            open_rate: 3_000,
            interval: Duration::from_secs(20),
            window: Duration::from_secs(60),
            span: Duration::from_secs(300),
            sweep_span: Duration::from_secs(60),
            silent: 100_000,
            is_quick: false,
        }
    }

    /// Times of the protocol a tenth as long, so that what takes a window takes seconds.
    pub(crate) fn quick() -> Self {
        Self {
            sessions: 10_000,
            length: Duration::from_secs(3),
            runs: 1,
            drained: 20_000,
            connections: 20_000,
            open_rate: 4_000,
            interval: Duration::from_secs(2),
            window: Duration::from_secs(6),
            span: Duration::from_secs(10),
            sweep_span: Duration::from_secs(6),
            silent: 2_000,
            is_quick: true,
        }
    }

    /// The size of rows over the sessions with one connection each, and whether it is less than it should be.
    pub(crate) fn steady_size(&self) -> (String, bool) {
        let full = Self::full();
        let is_reduced = self.sessions < full.sessions || self.length < full.length || self.runs < full.runs;
        let size = format!(
            "{} connections, {} runs of {} s",
            self.sessions,
            self.runs,
            self.length.as_secs()
        );
        (size, is_reduced)
    }

    /// The same for the drain.
    pub(crate) fn drain_size(&self) -> (String, bool) {
        let is_reduced = self.drained < Self::full().drained || self.runs < Self::full().runs;
        (format!("{} rows, {} runs", self.drained, self.runs), is_reduced)
    }

    /// The same for rows of the large fleet that last `span`.
    pub(crate) fn fleet_size(&self, span: Option<Duration>) -> (String, bool) {
        let full = Self::full();
        let of_what = format!(
            "{} connections in {} sessions",
            self.connections,
            self.fleet_sessions()
        );
        let how_long = span.map(|span| format!(", window {} s, {} s", self.window.as_secs(), span.as_secs()));
        let size = of_what + &how_long.unwrap_or_default();
        let is_reduced =
            self.connections < full.connections || self.window < full.window || self.span < full.span;
        (size, is_reduced)
    }

    pub(crate) fn fleet_sessions(&self) -> usize {
        self.connections.div_ceil(2)
    }
}
