//! Wakes: one for many opens, carried out whatever happens to the platform, to replicas and to callers.

mod many;
mod queue;
mod survival;
