//! One user's way through the gateway: opened at the service, let in when the session is ready, and cut only when the
//! service itself says so.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use connection_tracker_client::{Handle, OpenRequest, Verdict, backoff};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::{Error, ProtocolError, SubProtocolError};
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;

use crate::Shared;
use crate::pump::{Session, listen, pump};

/// How long the service may take to answer before the user is let in all the same: it is asked again meanwhile.
const ANSWER: Duration = Duration::from_secs(2);
/// How long a session that counts as ready may refuse: between its start and its first answer.
const RISE: Duration = Duration::from_secs(20);
/// How long the last messages may take to be read.
pub(crate) const FAREWELL: Duration = Duration::from_secs(2);
/// WebSocket close codes: going away, too much, and try again later.
const CODE_GOING_AWAY: u16 = 1001;
const CODE_TOO_BIG: u16 = 1009;
const CODE_AGAIN: u16 = 1013;

/// A user who has arrived.
pub(crate) struct Visit {
    pub(crate) session: String,
    /// What follows the session in the request's target, as it came: `/vnc?scale=2`.
    pub(crate) rest: String,
    pub(crate) connection: String,
    pub(crate) request: OpenRequest,
}

/// Why it is over.
pub(crate) enum End {
    /// The user left; they know.
    UserLeft,
    /// The user is not heard of any more.
    UserSilent,
    /// The user said more than is kept for a session that is not ready.
    TooEarly,
    /// The session ended it, in these words.
    SessionClosed(Option<CloseFrame>),
    /// The session ended it without a word, or cannot be reached.
    SessionLeft(&'static str),
    /// The service says so.
    Verdict(Verdict),
    /// This gateway goes.
    GoingAway,
}

impl Visit {
    pub(crate) async fn carry_out(self, shared: Arc<Shared>, mut user: WebSocket) {
        let (session, connection) = (self.session.as_str(), self.connection.as_str());
        let mut handle = shared
            .connections
            .connect(session, connection, self.request.clone());
        let end = tokio::select! {
            biased;
            () = shared.going_away.cancelled() => End::GoingAway,
            end = self.serve(&shared, &mut handle, &mut user) => end,
        };
        let said = |code, reason: &str| {
            let reason = reason.into();
            Message::Close(Some(CloseFrame { code, reason }))
        };
        let (last_word, reason) = match &end {
            End::UserLeft => (None, "user_left"),
            End::UserSilent => (Some(said(CODE_AGAIN, "silent")), "user_silent"),
            End::TooEarly => (Some(said(CODE_TOO_BIG, "too_early")), "too_early"),
            End::SessionClosed(frame) => (Some(Message::Close(frame.clone())), "session_left"),
            End::SessionLeft(reason) => (Some(said(CODE_AGAIN, reason)), *reason),
            End::Verdict(verdict) => (
                Some(said(verdict.close_code(), "ended_by_service")),
                "ended_by_service",
            ),
            End::GoingAway => (Some(said(CODE_GOING_AWAY, "going_away")), "gateway_going_away"),
        };
        tracing::debug!(session, connection, reason, "a visit is over");
        // First: it must not wait for a user who takes their time.
        let is_going_away = matches!(end, End::GoingAway);
        if !is_going_away {
            handle.close(reason);
        }
        let _ = timeout(FAREWELL, farewell(&mut user, last_word)).await;
        if is_going_away {
            // `Gateway::drain` closes all of them with one call.
            handle.ended().await;
        }
    }

    /// From the first call to the end of the visit.
    async fn serve(&self, shared: &Shared, handle: &mut Handle, user: &mut WebSocket) -> End {
        let silence = shared.settings.silence;
        let offered = user.protocol().cloned();
        let mut early = Vec::new();
        let url = tokio::select! {
            url = self.admitted(shared, handle) => match url {
                Ok(url) => url,
                Err(end) => return end,
            },
            end = listen(silence, user, &mut early) => return end,
        };
        let session = tokio::select! {
            session = self.reach(&url, offered.as_ref()) => match session {
                Some(session) => session,
                None => return End::SessionLeft("session_unreachable"),
            },
            verdict = handle.ended() => return End::Verdict(verdict),
            end = listen(silence, user, &mut early) => return end,
        };
        pump(shared, early, handle, user, session).await
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
    async fn reach(&self, url: &str, offered: Option<&axum::http::HeaderValue>) -> Option<Session> {
        let mut trouble = None;
        let attempts = async {
            let mut attempt = 0;
            loop {
                match self.connect(url, offered).await {
                    Ok(session) => return session,
                    Err(error) => trouble = Some(error),
                }
                sleep(backoff::jittered(attempt, RISE)).await;
                attempt += 1;
            }
        };
        let session = timeout(RISE, attempts).await.ok();
        if let (None, Some(error)) = (&session, trouble) {
            tracing::warn!(
                session = self.session,
                url,
                "the session cannot be reached: {error:#}"
            );
        }
        session
    }

    /// Offers what the user was told already; a session that speaks no protocol by name is content with that.
    async fn connect(&self, url: &str, offered: Option<&axum::http::HeaderValue>) -> anyhow::Result<Session> {
        // Objects name http URLs.
        let base = url.replacen("http", "ws", usize::from(url.starts_with("http")));
        let url = format!("{}{}", base.trim_end_matches('/'), self.rest);
        let mut request = url.as_str().into_client_request()?;
        if let Some(protocol) = offered {
            let headers = request.headers_mut();
            headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol.clone());
        }
        let nameless = SubProtocolError::NoSubProtocol;
        let nameless = ProtocolError::SecWebSocketSubProtocolError(nameless);
        let answer = match connect_async(request).await {
            Err(Error::Protocol(error)) if error == nameless => connect_async(url).await,
            answer => answer,
        };
        Ok(answer.context("connecting")?.0)
    }
}

/// Says the last word, and reads until the user has taken it: what lies unread when a socket is closed has the other
/// side told of a reset, and the word is lost.
async fn farewell(user: &mut WebSocket, last_word: Option<Message>) {
    if let Some(message) = last_word
        && user.send(message).await.is_err()
    {
        return;
    }
    while let Some(Ok(_)) = user.recv().await {}
}
