//! A message of one side, as the other side gets it. Pings are answered on each side by itself.

use axum::extract::ws::{CloseFrame, Message as FromUser};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame as BackendClose, Message as FromSession};

pub(crate) fn for_session(message: FromUser) -> Option<FromSession> {
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

pub(crate) fn for_user(message: FromSession) -> Option<FromUser> {
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
