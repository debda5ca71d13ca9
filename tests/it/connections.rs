//! Connections through the API: open, heartbeat, close, replace, and what is refused.

mod input;
mod life;
mod limit;
mod model;
mod stamps;
mod unknown;
