//! Who may do what: tokens, roles, scopes.

mod every_call;
mod operation;
mod reload;
mod scope;
mod start;
mod tokens;
