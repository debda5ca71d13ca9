//! Where the tokens come from: the file, looked at again and again.
//!
//! It is read every two seconds rather than watched: Kubernetes swaps symlinks above a mounted Secret, which
//! a watch of the file does not see, and modification times say nothing about where a link leads now.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior};

use super::file::{self, LineError};
use super::{Digest, Surroundings, Table, Tokens, digest};
use crate::lifecycle::Tasks;

/// How long a changed file may go unnoticed; a SIGHUP has it looked at once.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The same trouble is told again after this long: whoever looks at the log then must find it.
const TELL_AGAIN: Duration = Duration::from_secs(300);
/// More than any list of clients takes: another file was named by mistake.
const MAX_BYTES: u64 = 1024 * 1024;

/// Why tokens could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no such file, or it may not be read.
    #[error(
        "the tokens cannot be read from {path}: {source}; TRACKER_AUTH_TOKENS_FILE must name a file this process may read"
    )]
    Unreadable {
        /// Of the file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Too large to be a list of tokens.
    #[error("{path} is over 1 MiB; TRACKER_AUTH_TOKENS_FILE must name a file of tokens")]
    TooLarge {
        /// Of the file.
        path: PathBuf,
    },
    /// A line that cannot be understood.
    #[error("the tokens in {path} cannot be used: {source}")]
    Line {
        /// Of the file.
        path: PathBuf,
        /// Which line, and why.
        source: LineError,
    },
}

/// The file, and what was last seen of it.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    surroundings: Surroundings,
    /// Hash of the content in force.
    content: Digest,
    /// What was wrong last, and when that was told.
    trouble: Option<(String, Instant)>,
}

impl Source {
    /// Reads the file for the first time.
    pub(super) async fn open(path: &Path, surroundings: Surroundings) -> Result<(Self, Table), LoadError> {
        let mut source = Self {
            path: path.to_owned(),
            surroundings,
            content: Digest::default(),
            trouble: None,
        };
        let bytes = source.read().await?;
        let table = source.parse(&bytes)?;
        source.content = digest(&bytes);
        Ok((source, table))
    }

    /// Keeps `tokens` as the file says, until the stop.
    pub(super) fn watch(mut self, tokens: Tokens, tasks: &Tasks) {
        let stopping = tasks.stopping();
        tasks.spawn_essential("tokens", async move {
            let mut hangup = signal(SignalKind::hangup())?;
            let mut ticks = tokio::time::interval(LOOK_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    () = stopping.cancelled() => return Ok(()),
                    _ = ticks.tick() => {}
                    _ = hangup.recv() => {}
                }
                self.look(&tokens).await;
            }
        });
    }

    /// One look: a file that went away or cannot be understood changes nothing.
    async fn look(&mut self, tokens: &Tokens) {
        let seen = match self.read().await {
            Ok(bytes) if digest(&bytes) == self.content => Ok(None),
            Ok(bytes) => self.parse(&bytes).map(|table| Some((digest(&bytes), table))),
            Err(error) => Err(error),
        };
        match seen {
            Ok(changed) => {
                if self.trouble.take().is_some() {
                    tracing::info!("the tokens can be read again");
                }
                if let Some((content, table)) = changed {
                    self.content = content;
                    tokens.replace(table);
                }
            }
            Err(error) => self.tell(error.to_string()),
        }
    }

    fn tell(&mut self, error: String) {
        let is_told = self
            .trouble
            .as_ref()
            .is_some_and(|(told, at)| *told == error && at.elapsed() < TELL_AGAIN);
        if !is_told {
            tracing::error!(error, "the tokens that were in force stay in force");
            self.trouble = Some((error, Instant::now()));
        }
    }

    async fn read(&self) -> Result<Vec<u8>, LoadError> {
        let unreadable = |source| LoadError::Unreadable {
            path: self.path.clone(),
            source,
        };
        let size = tokio::fs::metadata(&self.path).await.map_err(unreadable)?.len();
        if size > MAX_BYTES {
            return Err(LoadError::TooLarge {
                path: self.path.clone(),
            });
        }
        tokio::fs::read(&self.path).await.map_err(unreadable)
    }

    fn parse(&self, bytes: &[u8]) -> Result<Table, LoadError> {
        file::parse(bytes, self.surroundings).map_err(|source| LoadError::Line {
            path: self.path.clone(),
            source,
        })
    }
}
