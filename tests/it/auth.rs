//! Who may do what: tokens, roles, scopes.

mod away;
mod cluster_token;
mod every_call;
mod operation;
mod reload;
mod review;
mod scope;
mod start;
pub(crate) mod tokens;
