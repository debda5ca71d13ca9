//! The driver of a gateway: owns many connections and keeps the contract for each of them.
//!
//! This file is what the owner of the sockets sees. The loop is in `keeper`, the calls in `calls`.

mod calls;
mod entry;
mod keeper;
mod ready;
mod trouble;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::decide::CODE_CLOSED;
use crate::problem::{Problem, ProblemKind};
use crate::tracker::Tracker;
use crate::wire::{OpenRequest, Opened};
use calls::Calls;
use entry::Entry;
use keeper::Keeper;
pub use ready::Ready;

/// WebSocket close code: this gateway is going away.
const CODE_GOING_AWAY: u16 = 1001;

/// Longest reason the service takes, in bytes.
const MAX_REASON_BYTES: usize = 64;

/// How a connection ended, for the owner of its socket.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The service says that the connection, or its session, is over: close the socket.
    Close {
        /// WebSocket close code.
        code: u16,
        /// What the service said.
        cause: ProblemKind,
    },
    /// The service will not have it: refuse the user, or close the socket if it was open before.
    Refuse {
        /// WebSocket close code.
        code: u16,
        /// What the service said; `limit-reached` names here who holds the slots.
        problem: Problem,
    },
    /// The owner's own close was acknowledged.
    Closed,
    /// This driver no longer keeps it: it was stopped, or the connection abandoned.
    Stopped,
}

impl Verdict {
    /// The WebSocket close code to send.
    #[must_use]
    pub fn close_code(&self) -> u16 {
        match self {
            Self::Close { code, .. } | Self::Refuse { code, .. } => *code,
            Self::Closed => CODE_CLOSED,
            Self::Stopped => CODE_GOING_AWAY,
        }
    }
}

/// What the owner of a handle can see.
#[derive(Debug, Clone)]
enum Status {
    Opening,
    Open(Arc<Opened>),
    Ended(Verdict),
}

/// What owners ask of the loop. Entries go by ticket, so that a handle outliving its connection can
/// never touch another one of the same id.
#[derive(Debug)]
enum Command {
    Connect { ticket: u64, entry: Box<Entry> },
    Close { ticket: u64, reason: Option<String> },
    Abandon { ticket: u64 },
    Drain,
}

/// Keeps many connections alive. Cheap to clone; end it with [`Connections::shutdown`].
#[derive(Debug, Clone)]
pub struct Connections {
    commands: mpsc::UnboundedSender<Command>,
    tickets: Arc<AtomicU64>,
    tasks: TaskTracker,
    stop: CancellationToken,
    tracker: Tracker,
}

impl Connections {
    /// Starts the loop. Must be called inside a tokio runtime.
    #[must_use]
    pub fn start(tracker: Tracker) -> Self {
        // Unbounded, because there are at most a few commands for each socket the owner holds.
        let (commands, inbox) = mpsc::unbounded_channel();
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (calls, reports) = Calls::new(tracker.clone(), tasks.clone(), stop.clone());
        let keeper = Keeper::new(calls).run(inbox, reports);
        tasks.spawn(stop.clone().run_until_cancelled_owned(keeper));
        Self {
            commands,
            tickets: Arc::default(),
            tasks,
            stop,
            tracker,
        }
    }

    /// Takes a connection over: opens it, repeating until answered, then keeps it alive.
    ///
    /// Returns at once; let the user in when you like, at the latest when the service cannot be reached.
    /// `connection` must be an id never used before in that session.
    #[must_use = "dropping the handle closes the connection"]
    pub fn connect(
        &self,
        session: impl Into<Arc<str>>,
        connection: impl Into<Arc<str>>,
        request: OpenRequest,
    ) -> Handle {
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        let (status, watched) = watch::channel(Status::Opening);
        let (session, connection) = (session.into(), connection.into());
        let entry = Box::new(Entry::new(session.clone(), connection.clone(), request, status));
        // Fails only when the loop has ended; the handle then says Stopped.
        let _ = self.commands.send(Command::Connect { ticket, entry });
        Handle {
            session,
            connection,
            ticket,
            commands: self.commands.clone(),
            status: watched,
            released: false,
            tracker: self.tracker.clone(),
        }
    }

    /// Closes all connections, in batches, and ends when the service has answered for each, or after
    /// `grace`, whichever is first. What is not closed by then expires at the service after its window.
    pub async fn shutdown(&self, grace: Duration) {
        let _ = self.commands.send(Command::Drain);
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_err() {
            tracing::warn!(
                ?grace,
                "not every connection could be closed in time; the rest will expire"
            );
            self.vanish().await;
        }
    }

    /// Stops at once and tells the service nothing, as a crash would.
    pub async fn vanish(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// One connection of a gateway. Dropping it closes the connection.
pub struct Handle {
    session: Arc<str>,
    connection: Arc<str>,
    ticket: u64,
    commands: mpsc::UnboundedSender<Command>,
    status: watch::Receiver<Status>,
    /// Whether the loop was told already what to do with it.
    released: bool,
    /// For waiting.
    tracker: Tracker,
}

impl Handle {
    /// The session.
    #[must_use]
    pub fn session(&self) -> &str {
        &self.session
    }

    /// The id of the connection.
    #[must_use]
    pub fn connection(&self) -> &str {
        &self.connection
    }

    /// Waits for the first answer to the open: as long as the service cannot be reached. Cancel-safe.
    ///
    /// # Errors
    /// The [`Verdict`], when the service refused or the connection ended before it was ever open.
    pub async fn opened(&mut self) -> Result<Arc<Opened>, Verdict> {
        match self
            .status
            .wait_for(|status| !matches!(status, Status::Opening))
            .await
            .as_deref()
        {
            Ok(Status::Open(opened)) => Ok(opened.clone()),
            Ok(Status::Ended(verdict)) => Err(verdict.clone()),
            Ok(Status::Opening) | Err(_) => Err(Verdict::Stopped),
        }
    }

    /// Waits until the connection ends; a gateway closes the user's socket then and never before.
    /// Cancel-safe.
    pub async fn ended(&mut self) -> Verdict {
        match self
            .status
            .wait_for(|status| matches!(status, Status::Ended(_)))
            .await
            .as_deref()
        {
            Ok(Status::Ended(verdict)) => verdict.clone(),
            _ => Verdict::Stopped,
        }
    }

    /// The socket is gone: closes the connection, repeating until answered; [`Handle::ended`] then says
    /// [`Verdict::Closed`]. `reason` goes into the history, as a word: what has no place in one becomes `_`.
    pub fn close(&mut self, reason: impl AsRef<str>) {
        if !std::mem::replace(&mut self.released, true) {
            let _ = self.commands.send(Command::Close {
                ticket: self.ticket,
                reason: word(reason.as_ref()),
            });
        }
    }

    /// Forgets the connection without a word to the service, as a gateway that lost power would;
    /// [`Handle::ended`] then says [`Verdict::Stopped`].
    pub fn abandon(&mut self) {
        if !std::mem::replace(&mut self.released, true) {
            let _ = self.commands.send(Command::Abandon { ticket: self.ticket });
        }
    }
}

/// The text as the service takes it; a close that it refused for its reason would leave the connection to expire.
fn word(text: &str) -> Option<String> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
    let letters = text.chars().map(|letter| if fits(letter) { letter } else { '_' });
    let word: String = letters.take(MAX_REASON_BYTES).collect();
    (!word.is_empty()).then_some(word)
}

impl Drop for Handle {
    fn drop(&mut self) {
        if !self.released {
            let _ = self.commands.send(Command::Close {
                ticket: self.ticket,
                reason: None,
            });
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({}/{})", self.session, self.connection)
    }
}
