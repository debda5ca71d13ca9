//! Plain types of the subject: ids, sessions, connections, history events, the clock for labels.
//!
//! No I/O lives here and nothing of Redis, Postgres, Kubernetes or HTTP is known here.

pub mod access;
pub mod clock;
pub mod connection;
pub mod event;
pub mod happening;
pub mod id;
pub mod mode;
pub mod platform_object;
pub mod session;

pub use id::{ConnectionId, InvalidId, MAX_ID_BYTES, SessionId, UserId, is_word};
pub use session::{Generation, SessionState};
