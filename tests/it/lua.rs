//! The contract of the scripts that only a server can show; what their text alone shows is in `tests/tidy`.

mod everywhere;
mod registry;
