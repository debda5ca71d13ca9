//! What nobody would send, by the thousand: garbage, half of something good, edges of every limit. Each
//! run draws anew; a failure prints what was sent.

mod batches;
mod logs;
mod requests;
mod streams;
