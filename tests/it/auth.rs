//! Who may do what: tokens, roles, scopes.

mod every_call;
mod operation;
mod reload;
mod scope;
mod start;
pub(crate) mod tokens;
