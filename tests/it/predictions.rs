//! What is said of when a session sleeps, against when it does.

mod against_sleep;
mod fleet;
