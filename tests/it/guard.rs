//! When not to trust what is seen: lost data, gaps, other servers. Nothing sleeps and nothing expires
//! before a full hold.

mod caught;
mod cluster;
mod crowd;
mod gap;
mod late_news;
mod loss;
mod sentinel;
mod strikes;
