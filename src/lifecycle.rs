//! Tasks and shutdown: the only place that spawns, so that no task dies unseen or outlives the process.
//!
//! Two tokens: *soft* asks everybody to finish what they are doing and take nothing new; *hard* ends
//! what is left. A task that panics or fails makes the whole process end with a failure: a replica
//! that has quietly stopped sweeping is worse than one that restarts.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Spawns, watches and ends the tasks of one process (or of one replica inside a test).
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    soft: CancellationToken,
    hard: CancellationToken,
    failure: Arc<Mutex<Option<String>>>,
}

impl Tasks {
    /// No tasks yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when everybody should finish.
    #[must_use]
    pub fn stopping(&self) -> CancellationToken {
        self.soft.clone()
    }

    /// Asks everybody to finish.
    pub fn stop(&self) {
        self.soft.cancel();
    }

    /// Ends every task where it stands, as a killed process would.
    pub fn kill(&self) {
        self.soft.cancel();
        self.hard.cancel();
    }

    /// Whether everything was to end at once.
    #[must_use]
    pub fn is_killed(&self) -> bool {
        self.hard.is_cancelled()
    }

    /// Spawns a task that lives as long as the process; if it ends before a stop was asked for, or
    /// fails, the process ends.
    pub fn spawn_essential<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let tasks = self.clone();
        let (soft, hard) = (self.soft.clone(), self.hard.clone());
        self.spawn_tracked(async move {
            let watched = tasks.spawn_tracked(task);
            let abort = watched.abort_handle();
            tokio::select! {
                () = hard.cancelled() => abort.abort(),
                ended = watched => match ended {
                    Ok(Ok(())) if soft.is_cancelled() => {}
                    Ok(Ok(())) => tasks.fail(format!("task {name} ended by itself")),
                    Ok(Err(error)) => tasks.fail(format!("task {name} failed: {error:#}")),
                    Err(error) => tasks.fail(format!("task {name} died: {error}")),
                },
            }
        });
    }

    /// Spawns a task with an end of its own (one wake, one hibernation, one flush); a panic in it is
    /// logged with its name and does not end the process.
    pub fn spawn<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let hard = self.hard.clone();
        drop(self.spawn_tracked(async move {
            // Nothing of the task is used after a panic: it owns all it touches, or shares it behind locks.
            let task = AssertUnwindSafe(task).catch_unwind();
            tokio::select! {
                biased;
                ended = task => if ended.is_err() {
                    tracing::error!(task = name, "a task panicked");
                },
                () = hard.cancelled() => {}
            }
        }));
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that spawns")]
    fn spawn_tracked<F>(&self, task: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        tokio::spawn(self.tracker.track_future(task))
    }

    fn fail(&self, what: String) {
        tracing::error!("{what}; stopping");
        self.failure
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .get_or_insert(what);
        self.soft.cancel();
    }

    /// Waits until all tasks ended after a stop, at most `grace`, then ends the rest.
    ///
    /// # Errors
    /// What the first failing task said.
    pub async fn finish(&self, grace: Duration) -> anyhow::Result<()> {
        self.soft.cancelled().await;
        self.tracker.close();
        if tokio::time::timeout(grace, self.tracker.wait()).await.is_err() {
            tracing::warn!(?grace, "tasks still run after the grace time; ending them");
            self.hard.cancel();
            self.tracker.wait().await;
        }
        match self
            .failure
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take()
        {
            Some(what) => Err(anyhow::anyhow!(what)),
            None => Ok(()),
        }
    }

    /// Stops on SIGTERM or SIGINT; a second one ends everything at once.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn stop_on_signals(&self) -> anyhow::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (soft, hard) = (self.soft.clone(), self.hard.clone());
        // Not among the tracked tasks: it must outlive the stop to hear the second signal.
        drop(Self::new().spawn_tracked(async move {
            for asked in 1.. {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                if asked == 1 {
                    tracing::info!("stopping; a second signal ends everything at once");
                    soft.cancel();
                } else {
                    tracing::warn!("ending at once");
                    hard.cancel();
                }
            }
        }));
        Ok(())
    }
}
