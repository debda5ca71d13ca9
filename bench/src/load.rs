//! What every part of a run shares.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use connection_tracker_client::Tracker;
use tokio_util::sync::CancellationToken;

use crate::fleet::Fleet;
use crate::line::Line;
use crate::record::{Kind, Recorder};

/// Batches of heartbeats that may be unanswered at once.
const BATCHES: usize = 64;
/// Batches of opens: under default settings the service sheds them from 64 batches of any kind on.
const OPENS: usize = 16;
/// Single calls that may be: each takes a connection, and so a file.
const SINGLES: usize = 512;

/// The service, the connections, and the counts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Load {
    /// The service.
    pub tracker: Tracker,
    /// The connections.
    pub fleet: Arc<Fleet>,
    /// The counts.
    pub recorder: Arc<Recorder>,
    /// Cancelled when everything is to come to its end.
    pub stop: CancellationToken,
    /// Time between two heartbeats of a connection.
    pub interval: Duration,
    is_measuring: Arc<AtomicBool>,
    /// Whether opens wait.
    is_paused: Arc<AtomicBool>,
    /// Heartbeats that are on their way.
    beats_out: Arc<AtomicUsize>,
}

/// A heartbeat on its way.
pub(crate) struct Beat(Arc<AtomicUsize>);

impl Drop for Beat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Load {
    /// Puts it together.
    #[must_use]
    pub fn new(tracker: Tracker, fleet: Fleet, interval: Duration, stop: CancellationToken) -> Self {
        Self {
            tracker,
            fleet: Arc::new(fleet),
            recorder: Arc::default(),
            stop,
            interval,
            is_measuring: Arc::default(),
            is_paused: Arc::default(),
            beats_out: Arc::default(),
        }
    }

    /// Opens of the beginning wait from now on, or go on: for who watches what they leave behind.
    pub fn pause(&self, is_paused: bool) {
        self.is_paused.store(is_paused, Ordering::Relaxed);
    }

    /// Waits until opens may go on; gives how long that took.
    pub(crate) async fn unpaused(&self) -> Duration {
        let began = tokio::time::Instant::now();
        while self.is_paused.load(Ordering::Relaxed) && !self.stop.is_cancelled() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        began.elapsed()
    }

    /// All are open: from now on heartbeats count as [`Kind::Heartbeat`].
    pub fn measure(&self) {
        self.is_measuring.store(true, Ordering::Relaxed);
    }

    /// The same load with fresh counts and a stop of its own: for one stretch among several.
    #[must_use]
    pub fn afresh(&self) -> Self {
        Self {
            recorder: Arc::default(),
            stop: self.stop.child_token(),
            is_measuring: Arc::new(AtomicBool::new(true)),
            ..self.clone()
        }
    }

    pub(crate) fn heartbeat_kind(&self) -> Kind {
        if self.is_measuring.load(Ordering::Relaxed) {
            Kind::Heartbeat
        } else {
            Kind::HeartbeatWhileOpening
        }
    }

    /// Held while a heartbeat is on its way.
    pub(crate) fn begin_beat(&self) -> Beat {
        self.beats_out.fetch_add(1, Ordering::AcqRel);
        Beat(Arc::clone(&self.beats_out))
    }

    /// Waits until no heartbeat is on its way.
    pub(crate) async fn beats_answered(&self) {
        while self.beats_out.load(Ordering::Acquire) > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) fn batches(&self) -> Line {
        Line::new(Arc::clone(&self.recorder), BATCHES)
    }

    pub(crate) fn opens(&self) -> Line {
        Line::new(Arc::clone(&self.recorder), OPENS)
    }

    pub(crate) fn singles(&self) -> Line {
        Line::new(Arc::clone(&self.recorder), SINGLES)
    }

    /// Waits until `due`; false when everything is to end before.
    pub(crate) async fn wait(&self, due: tokio::time::Instant) -> bool {
        // In this order: a schedule that lags behind must still notice the end.
        tokio::select! {
            biased;
            () = self.stop.cancelled() => false,
            () = tokio::time::sleep_until(due) => true,
        }
    }
}
