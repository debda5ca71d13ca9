//! The example gateway between real WebSocket clients and an echo session: users are let in when their session runs, and
//! none is cut because of us.

mod faults;
mod silence;
mod users;
mod world;
