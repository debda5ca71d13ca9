//! A wall clock of its own for a server: `clock.c`, compiled with the linker that Rust needs anyway,
//! preloaded, and moved by one number in a file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

/// In the directory of the clock.
const LIBRARY: &str = "clock.so";
const OFFSET: &str = "clock-offset";
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/clock.c");

/// Gives a server that is about to start the clock of this directory. One that was moved before stays moved;
/// servers with the same directory share it.
///
/// # Errors
/// The directory cannot be written, or there is no C compiler named `cc`.
pub fn preload(server: &mut Command, directory: &Path) -> io::Result<()> {
    let (library, offset) = (directory.join(LIBRARY), directory.join(OFFSET));
    if !library.exists() {
        std::fs::write(&offset, 0_i64.to_ne_bytes())?;
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-o"])
            .arg(&library)
            .arg(SOURCE)
            .status()?;
        if !compiled.success() {
            return Err(io::Error::other(format!("{SOURCE} does not compile")));
        }
    }
    server.env("LD_PRELOAD", library).env("CLOCK_OFFSET_FILE", offset);
    Ok(())
}

/// Moves a clock by so many milliseconds, at once and for good.
///
/// # Errors
/// No server was started with a clock of this directory.
pub fn step(directory: &Path, by_ms: i64) -> io::Result<()> {
    let file = File::options()
        .read(true)
        .write(true)
        .open(directory.join(OFFSET))?;
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, 0)?;
    let offset = i64::from_ne_bytes(bytes) + by_ms * 1_000;
    // Eight aligned bytes of one page: the server reads the old number or the new one.
    file.write_all_at(&offset.to_ne_bytes(), 0)
}
