//! The HTTP API: routes, what they take and answer, and the one place where errors become problems.
//!
//! Handlers extract, make one call, and answer. axum lives here and nowhere else.

mod admin;
mod batch;
mod batch_body;
mod body;
mod connection;
mod extract;
mod history;
mod observed;
mod open_body;
mod openapi;
mod operations;
mod problem;
mod router;
mod session;
mod state;

pub use observed::Observed;
pub use operations::{Health, router as operations_router};
pub use problem::Problem;
pub use router::{document, layered, router};
pub use state::Api;
