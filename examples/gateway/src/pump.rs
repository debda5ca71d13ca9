//! Messages in both directions. Each direction waits for its own reader only, and silence for neither.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{Message as FromUser, WebSocket};
use connection_tracker_client::Handle;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_tungstenite::tungstenite::protocol::Message as FromSession;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::Shared;
use crate::message::{for_session, for_user};
use crate::silence::Heard;
use crate::visit::{End, FAREWELL};

pub(crate) type Session = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What a user may say before the session is ready.
const EARLY_MESSAGES: usize = 256;
const EARLY_BYTES: usize = 1 << 20;
/// So many pings are answered by a user who is there.
const PINGS: u32 = 3;

/// Both ways until one side goes, or the service says so.
pub(crate) async fn pump(
    shared: &Shared,
    early: Vec<FromSession>,
    handle: &mut Handle,
    user: &mut WebSocket,
    session: Session,
) -> End {
    let (heard, limit) = (Heard::now(), shared.settings.silence);
    let (to_user, from_user) = user.split();
    let (mut to_session, from_session) = session.split();
    let end = tokio::select! {
        end = upwards(early, from_user, &mut to_session, &heard) => end,
        end = downwards(from_session, to_user, &heard, limit / PINGS) => end,
        () = heard.silence(limit) => End::UserSilent,
        verdict = handle.ended() => End::Verdict(verdict),
    };
    // With a word, where it still listens; the user need not wait for that.
    shared.visits.spawn(async move {
        let _ = timeout(FAREWELL, to_session.close()).await;
    });
    end
}

async fn upwards(
    early: Vec<FromSession>,
    mut from_user: SplitStream<&mut WebSocket>,
    to_session: &mut SplitSink<Session, FromSession>,
    heard: &Heard,
) -> End {
    for message in early {
        if heard.deaf(to_session.send(message)).await.is_err() {
            return session_left().await;
        }
    }
    while let Some(Ok(message)) = from_user.next().await {
        heard.again();
        let Some(message) = for_session(message) else {
            continue;
        };
        let is_close = matches!(message, FromSession::Close(_));
        if heard.deaf(to_session.send(message)).await.is_err() {
            return session_left().await;
        }
        if is_close {
            break;
        }
    }
    End::UserLeft
}

async fn downwards(
    mut from_session: SplitStream<Session>,
    mut to_user: SplitSink<&mut WebSocket, FromUser>,
    heard: &Heard,
    pause: Duration,
) -> End {
    let mut pings = interval(pause);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            _ = pings.tick() => Some(FromUser::Ping(Bytes::new())),
            message = from_session.next() => match message {
                Some(Ok(message)) => for_user(message),
                Some(Err(_)) | None => return End::SessionLeft("session_left"),
            },
        };
        let Some(message) = message else { continue };
        if let FromUser::Close(frame) = message {
            return End::SessionClosed(frame);
        }
        if heard.reading(to_user.send(message)).await.is_err() {
            return End::UserLeft;
        }
    }
}

/// The session takes nothing any more. Its last words, which say why, may still be on their way down.
async fn session_left() -> End {
    sleep(FAREWELL).await;
    End::SessionLeft("session_left")
}

/// Listens to a user who cannot be let in yet; ends when they leave, or say too much.
pub(crate) async fn listen(limit: Duration, user: &mut WebSocket, early: &mut Vec<FromSession>) -> End {
    let mut bytes: usize = early.iter().map(FromSession::len).sum();
    let mut unanswered = 0;
    loop {
        match timeout(limit / PINGS, user.recv()).await {
            Ok(Some(Ok(FromUser::Close(_)) | Err(_)) | None) => return End::UserLeft,
            Ok(Some(Ok(message))) => {
                unanswered = 0;
                early.extend(for_session(message).inspect(|message| bytes += message.len()));
                if early.len() > EARLY_MESSAGES || bytes > EARLY_BYTES {
                    return End::TooEarly;
                }
            }
            Err(_) if unanswered == PINGS => return End::UserSilent,
            Err(_) => {
                unanswered += 1;
                if user.send(FromUser::Ping(Bytes::new())).await.is_err() {
                    return End::UserLeft;
                }
            }
        }
    }
}
