//! A wall clock of its own for a server: `clock.c`, compiled with the linker that Rust needs anyway,
//! preloaded, and moved or stopped by two numbers in a file.

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
        std::fs::write(&offset, [0; 16])?;
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
    let (offset_us, still_us) = read(directory)?;
    let step_us = by_ms * 1_000;
    match still_us {
        0 => write(directory, 0, offset_us + step_us),
        still_us => write(directory, 8, still_us + step_us),
    }
}

/// Stops a clock at an instant, in ms since 1970; from then on only [`step`] moves it.
///
/// # Errors
/// No server was started with a clock of this directory.
pub fn stop(directory: &Path, at_ms: i64) -> io::Result<()> {
    write(directory, 8, at_ms * 1_000)
}

fn open(directory: &Path) -> io::Result<File> {
    File::options()
        .read(true)
        .write(true)
        .open(directory.join(OFFSET))
}

fn read(directory: &Path) -> io::Result<(i64, i64)> {
    let file = open(directory)?;
    let number = |at| {
        let mut bytes = [0; 8];
        file.read_exact_at(&mut bytes, at)
            .map(|()| i64::from_ne_bytes(bytes))
    };
    Ok((number(0)?, number(8)?))
}

/// Eight aligned bytes of one page: the server reads the old number or the new one.
fn write(directory: &Path, at: u64, number: i64) -> io::Result<()> {
    open(directory)?.write_all_at(&number.to_ne_bytes(), at)
}
