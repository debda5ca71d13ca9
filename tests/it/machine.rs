//! The scripts against reference models, by generated sequences of steps that shrink to a readable one.
//!
//! Real Redis on a clock that stands still unless a step moves it, so that what is expected is exact and no test waits.
//! `connections`: each answer about connections, and the history. `sleep`: sessions that sleep and wake, judged by what was
//! acknowledged and what the platform accepted. A failure prints the steps that led to it, one a line.

mod actors;
mod bench;
mod connections;
mod reference;
mod sleep;
mod steps;
mod world;
