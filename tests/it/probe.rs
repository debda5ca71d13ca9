//! Sessions that count as ready only once something listens: a port that opens late, closes, and changes hands.

mod leaders;
mod port;
mod way_to_ready;
