//! What the platform shows, brought into the records: the observe table of the protocol, script by script.
//!
//! Only Redis is needed: each test has a key prefix of its own and one session in it.

mod accepted;
mod acting;
mod bench;
mod ends;
mod given_up;
mod late_patch;
mod probe;
mod rows;
mod table;
mod timeouts;
mod versions;
