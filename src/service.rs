//! The use cases: connections, sessions, wakes, the sweeper, acts, the drain. No axum, no SQL, no kube
//! types in any signature here.

pub mod access;
pub mod act;
pub mod activity;
pub mod census;
pub mod connections;
pub mod error;
pub mod explain;
pub mod gateways;
mod gone;
pub mod hands;
pub mod history;
mod in_flight;
pub mod introduce;
pub mod listing;
pub mod lookup;
pub mod mode;
pub mod observer;
pub mod release;
pub mod restore;
pub mod sessions;
pub mod stats;
pub mod sweeper;
mod tell;
pub mod tokens;
pub mod wait;
pub mod wake;

pub use error::TrackError;
