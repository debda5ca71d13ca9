//! The servers an installation stands on, each of its own, so that each can be broken.

pub mod database;
pub mod redis;

use std::io;

/// A port nobody listens on now. Whoever uses it must check that it got it: somebody else may be faster.
///
/// # Errors
/// This machine has no port left.
pub fn free_port() -> io::Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?
        .local_addr()?
        .port())
}

/// Sends a signal by name (`STOP`, `CONT`, `TERM`, `KILL`) to a process we started.
///
/// # Errors
/// The process is gone.
pub fn signal(pid: u32, name: &str) -> io::Result<()> {
    let sent = std::process::Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .stderr(std::process::Stdio::null())
        .status()?;
    if sent.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("SIG{name} could not be sent to {pid}")))
    }
}
