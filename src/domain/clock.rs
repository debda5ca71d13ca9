//! Time as it is written down: milliseconds of the Unix epoch and RFC 3339 instants.
//!
//! Liveness never reads a clock of this process (the Redis server that owns the partition
//! decides); what is here only converts instants that Redis stamped, and stamps logs.

use jiff::Timestamp;

/// Converts milliseconds since the Unix epoch, as the scripts write them, to an instant.
///
/// Values outside what a timestamp can hold (about year -9999 to 9999) give the Unix epoch, since
/// one corrupt number must not make a whole answer unreadable.
#[must_use]
pub fn instant(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The wall clock of this process: for labels and audit rows only, never for liveness.
#[must_use]
pub fn wall_now() -> Timestamp {
    Timestamp::now()
}
