//! The client against a server that answers as each test wants it to, over real HTTP. What the service
//! itself would answer is not played here: that is tested with the service.

#![expect(
    clippy::unwrap_used,
    reason = "a test that meets what it does not expect has failed"
)]

mod batches;
mod closing;
mod credentials;
mod opening;
mod pacing;
mod sockets;
mod support;
mod waiting;
