//! The command that gives everything back before the service is uninstalled.

mod bounds;
mod command;
mod everything;
