//! The HTTP API: routes, what they take and answer, and the one place where errors become problems.
//!
//! Handlers extract, make one call, and answer. axum lives here and nowhere else.

mod admin;
mod auth;
mod bare_id;
mod batch;
mod batch_body;
mod body;
mod class;
mod connection;
mod docs;
mod explain;
mod export;
mod extract;
mod hands;
mod history;
mod observed;
mod open_body;
mod openapi;
mod operations;
mod permission;
mod pointer;
mod problem;
mod router;
pub mod server;
mod session;
mod session_list;
mod shed;
mod state;
mod stats;
mod stats_top;
mod wait;

pub use observed::Observed;
pub use operations::{Health, router as operations_router};
pub use problem::Problem;
pub use router::{document, layered, router};
pub use shed::Load;
pub use state::Api;
