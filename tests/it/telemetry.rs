//! What a process tells of itself, and what it never tells.

mod log;
mod metrics;
mod privacy;
mod traces;
