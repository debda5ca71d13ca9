//! Errors of the Redis driver as [`StoreError`], and what each means for the connection it came on.

use deadpool_redis::redis::{ErrorKind, RedisError, ServerErrorKind};

use super::source::Address;
use crate::store::StoreError;

/// What to do after an error of the server or the driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Remedy {
    /// The script is not in the server's cache: send its text.
    SendSource,
    /// The connection is of no more use (broken, or the server was demoted): connect anew and repeat.
    Reconnect,
    /// The server is busy with itself (loading, moving slots): repeat in a moment.
    Wait,
    /// Another node serves the slot: ask which, and repeat.
    Moved,
    /// The slot is on the move, and what the call needs of it is at this node already.
    Ask(Address),
    /// Repeating will not help, or would take too long.
    None,
}

pub(super) fn remedy(error: &RedisError) -> Remedy {
    if error.is_timeout() {
        return Remedy::None;
    }
    match error.kind() {
        ErrorKind::Server(ServerErrorKind::NoScript) => Remedy::SendSource,
        ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::TryAgain,
        ) => Remedy::Wait,
        ErrorKind::Server(ServerErrorKind::Moved) => Remedy::Moved,
        ErrorKind::Server(ServerErrorKind::Ask) => {
            let node = error
                .redirect_node()
                .and_then(|(address, _)| Address::parse(address));
            node.map_or(Remedy::Moved, Remedy::Ask)
        }
        // READONLY: the server was demoted, and its successor is found by connecting anew.
        ErrorKind::Server(ServerErrorKind::ReadOnly) | ErrorKind::Io => Remedy::Reconnect,
        _ if error.is_unrecoverable_error() => Remedy::Reconnect,
        _ => Remedy::None,
    }
}

pub(super) fn store_error(doing: &'static str, error: RedisError) -> StoreError {
    if error.is_timeout() {
        return StoreError::Timeout { doing };
    }
    match error.kind() {
        // The text of a script error names the line; a script that fails is a defect, not an outage.
        ErrorKind::Server(ServerErrorKind::ResponseError) if error.code() == Some("ERR") => {
            StoreError::Corrupt {
                doing,
                detail: error.to_string(),
            }
        }
        ErrorKind::Server(ServerErrorKind::CrossSlot)
        | ErrorKind::UnexpectedReturnType
        | ErrorKind::Parse => StoreError::Corrupt {
            doing,
            detail: error.to_string(),
        },
        _ => StoreError::Unavailable {
            doing,
            source: Box::new(error),
        },
    }
}
