//! The HTTP API: routes, what they take and answer, and the one place where errors become problems.
//!
//! Handlers extract, make one call, and answer. axum lives here and nowhere else.

mod admin;
mod batch;
mod batch_body;
mod body;
mod class;
mod connection;
mod extract;
mod history;
mod open_body;
mod openapi;
mod operations;
mod pointer;
mod problem;
mod router;
pub mod server;
mod session;
mod shed;
mod state;

pub use operations::{Health, router as operations_router};
pub use problem::Problem;
pub use router::{document, layered, router};
pub use shed::Load;
pub use state::Api;
