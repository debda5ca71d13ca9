//! The oracle on histories made by hand: what is right passes, and each promise that is broken is noticed.

#[path = "oracle/build.rs"]
mod build;
#[path = "oracle/counts.rs"]
mod counts;
#[path = "oracle/sessions.rs"]
mod sessions;
