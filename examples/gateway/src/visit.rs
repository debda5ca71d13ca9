//! One user's way through the gateway: opened at the service, let in when the session is ready, and cut only when the
//! service itself says so.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message as FromUser, WebSocket};
use connection_tracker_client::backoff;
use connection_tracker_client::{Handle, OpenRequest, Verdict};
use futures_util::future::ready;
use futures_util::{SinkExt, StreamExt, TryStreamExt, stream};
use tokio::net::TcpStream;
use tokio::time::{Instant, interval, sleep, timeout};
use tokio_stream::wrappers::IntervalStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame as BackendClose, Message as FromSession};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::Shared;

/// How long the service may take to answer before the user is let in all the same: it is asked again meanwhile.
const ANSWER: Duration = Duration::from_secs(2);
/// How long a session that counts as ready may refuse: between its start and its first answer.
const RISE: Duration = Duration::from_secs(20);
/// How long a user may take to read the last message.
const FAREWELL: Duration = Duration::from_secs(2);
/// What a user may say before the session is ready; more is not read until then.
const EARLY_MESSAGES: usize = 16;
/// WebSocket close codes: going away, and try again later.
const CODE_GOING_AWAY: u16 = 1001;
const CODE_AGAIN: u16 = 1013;

type Session = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// When a user was last heard of.
struct Heard {
    start: Instant,
    at_ms: AtomicU64,
}

impl Heard {
    fn now() -> Self {
        Self {
            start: Instant::now(),
            at_ms: AtomicU64::new(0),
        }
    }

    fn again(&self) {
        let ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.at_ms.store(ms, Ordering::Relaxed);
    }

    fn since(&self) -> Duration {
        let at = Duration::from_millis(self.at_ms.load(Ordering::Relaxed));
        self.start.elapsed().saturating_sub(at)
    }
}

/// A user who has arrived.
pub(crate) struct Visit {
    pub(crate) session: String,
    /// What follows the session in the request's target, as it came: `/vnc?scale=2`.
    pub(crate) rest: String,
    /// `Sec-WebSocket-Protocol` as it came.
    pub(crate) protocols: String,
    pub(crate) connection: String,
    pub(crate) request: OpenRequest,
}

/// Why it is over.
enum End {
    /// The user left; they know.
    UserLeft,
    /// The user is not heard of any more.
    UserSilent,
    /// The session ended it, or cannot be reached.
    SessionLeft(&'static str),
    /// The service says so.
    Verdict(Verdict),
    /// This gateway goes.
    GoingAway,
}

impl Visit {
    pub(crate) async fn carry_out(self, shared: Arc<Shared>, mut user: WebSocket) {
        let mut handle = shared.connections.connect(
            self.session.as_str(),
            self.connection.as_str(),
            self.request.clone(),
        );
        let end = tokio::select! {
            end = self.serve(&shared, &mut handle, &mut user) => end,
            () = shared.going_away.cancelled() => End::GoingAway,
        };
        let (code, reason) = match &end {
            End::UserLeft => (None, "user_left"),
            End::UserSilent => (Some(CODE_AGAIN), "user_silent"),
            End::SessionLeft(reason) => (Some(CODE_AGAIN), *reason),
            End::Verdict(verdict) => (Some(verdict.close_code()), "ended_by_service"),
            End::GoingAway => (Some(CODE_GOING_AWAY), "gateway_going_away"),
        };
        if let Some(code) = code {
            let frame = CloseFrame {
                code,
                reason: reason.into(),
            };
            let _ = timeout(FAREWELL, user.send(FromUser::Close(Some(frame)))).await;
        }
        match end {
            // `Gateway::drain` closes all of them with one call.
            End::GoingAway => drop(handle.ended().await),
            _ => handle.close(reason),
        }
    }

    /// From the first call to the end of the visit.
    async fn serve(&self, shared: &Shared, handle: &mut Handle, user: &mut WebSocket) -> End {
        let mut early = VecDeque::new();
        let url = tokio::select! {
            url = self.admitted(shared, handle) => match url {
                Ok(url) => url,
                Err(end) => return end,
            },
            () = listen(user, &mut early) => return End::UserLeft,
        };
        let mut session = tokio::select! {
            session = self.reach(&url) => match session {
                Some(session) => session,
                None => return End::SessionLeft("session_unreachable"),
            },
            verdict = handle.ended() => return End::Verdict(verdict),
            () = listen(user, &mut early) => return End::UserLeft,
        };
        for message in early {
            if session.send(message).await.is_err() {
                return End::SessionLeft("session_left");
            }
        }
        self.pump(shared.settings.silence, handle, user, session).await
    }

    /// Both ways until one end goes. Each direction waits for its own reader only.
    async fn pump(
        &self,
        silence: Duration,
        handle: &mut Handle,
        user: &mut WebSocket,
        session: Session,
    ) -> End {
        let heard = Heard::now();
        let (mut to_user, from_user) = user.split();
        let (mut to_session, from_session) = session.split();
        let mut upwards = from_user.map_err(drop).try_filter_map(|message| {
            heard.again();
            ready(Ok(for_session(message)))
        });
        let downwards = from_session
            .map_err(drop)
            .try_filter_map(|message| ready(Ok(for_user(message))));
        // Whoever closed a laptop says no word: only what does not come back tells that they are gone.
        let pings = IntervalStream::new(interval(silence / 3)).map(|_| {
            if heard.since() < silence {
                Ok(FromUser::Ping(Bytes::new()))
            } else {
                Err(())
            }
        });
        // The first error ends both: of the session, its end, or the user's silence.
        let mut downwards = stream::select(downwards.chain(stream::once(ready(Err(())))), pings);
        let mut to_session = (&mut to_session).sink_map_err(drop);
        let mut to_user = (&mut to_user).sink_map_err(drop);
        tokio::select! {
            _ = to_session.send_all(&mut upwards) => End::UserLeft,
            _ = to_user.send_all(&mut downwards) => {
                if heard.since() < silence { End::SessionLeft("session_left") } else { End::UserSilent }
            }
            verdict = handle.ended() => End::Verdict(verdict),
        }
    }

    /// Waits until the user may be let in; says where to.
    async fn admitted(&self, shared: &Shared, handle: &mut Handle) -> Result<String, End> {
        let known = shared.settings.backend.as_ref();
        let known = known.map(|backend| backend.replace("{session}", &self.session));
        // The service is away: nobody stays outside for that, where the way is known without it.
        if timeout(ANSWER, handle.opened()).await.is_err()
            && let Some(url) = known
        {
            return Ok(url);
        }
        let ready = timeout(shared.settings.patience, handle.ready()).await;
        let ready = ready.map_err(|_| End::SessionLeft("start_too_slow"))?;
        let url = known.or(ready.map_err(End::Verdict)?.url);
        url.ok_or(End::SessionLeft("session_nowhere"))
    }

    /// Connects to the session, again and again while it rises.
    async fn reach(&self, url: &str) -> Option<Session> {
        let attempts = async {
            let mut attempt = 0;
            loop {
                match self.connect(url).await {
                    Ok(session) => return session,
                    Err(error) => tracing::debug!(session = self.session, "not yet: {error:#}"),
                }
                sleep(backoff::jittered(attempt, RISE)).await;
                attempt += 1;
            }
        };
        timeout(RISE, attempts).await.ok()
    }

    async fn connect(&self, url: &str) -> anyhow::Result<Session> {
        // Objects name http URLs.
        let base = url.replacen("http", "ws", usize::from(url.starts_with("http")));
        let url = format!("{}{}", base.trim_end_matches('/'), self.rest);
        let mut request = url.into_client_request()?;
        if !self.protocols.is_empty() {
            let protocols = HeaderValue::from_str(&self.protocols)?;
            request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocols);
        }
        let (session, _) = tokio_tungstenite::connect_async(request)
            .await
            .context("connecting")?;
        Ok(session)
    }
}

/// Listens to a user who cannot be let in yet; ends when they leave.
async fn listen(user: &mut WebSocket, early: &mut VecDeque<FromSession>) {
    while early.len() < EARLY_MESSAGES {
        match user.recv().await {
            Some(Ok(message)) => early.extend(for_session(message)),
            Some(Err(_)) | None => return,
        }
    }
    std::future::pending::<()>().await;
}

/// A user's message, as the session gets it. Pings are answered on each side by itself.
fn for_session(message: FromUser) -> Option<FromSession> {
    match message {
        FromUser::Text(text) => Some(FromSession::text(text.as_str())),
        FromUser::Binary(bytes) => Some(FromSession::Binary(bytes)),
        FromUser::Close(frame) => Some(FromSession::Close(frame.map(|frame| BackendClose {
            code: frame.code.into(),
            reason: frame.reason.as_str().into(),
        }))),
        FromUser::Ping(_) | FromUser::Pong(_) => None,
    }
}

/// The session's message, as the user gets it.
fn for_user(message: FromSession) -> Option<FromUser> {
    match message {
        FromSession::Text(text) => Some(FromUser::text(text.as_str())),
        FromSession::Binary(bytes) => Some(FromUser::Binary(bytes)),
        FromSession::Close(frame) => Some(FromUser::Close(frame.map(|frame| CloseFrame {
            code: frame.code.into(),
            reason: frame.reason.as_str().into(),
        }))),
        FromSession::Ping(_) | FromSession::Pong(_) | FromSession::Frame(_) => None,
    }
}
