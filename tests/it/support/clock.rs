//! A wall clock of its own for a redis-server: `clock.c`, compiled with the linker that Rust needs anyway,
//! preloaded, and moved by one number in a file.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

/// In the directory of the server.
const LIBRARY: &str = "clock.so";
const OFFSET: &str = "clock-offset";

/// Gives a server that is about to start a clock of its own. A clock that was moved before stays moved.
pub(crate) fn preload(server: &mut Command, directory: &Path) {
    let (library, offset) = (directory.join(LIBRARY), directory.join(OFFSET));
    if !library.exists() {
        std::fs::write(&offset, 0_i64.to_ne_bytes()).unwrap();
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/clock.c");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-o"])
            .arg(&library)
            .arg(source)
            .status()
            .expect("cc is on the PATH: Rust links with it");
        assert!(compiled.success(), "{source} does not compile");
    }
    server.env("LD_PRELOAD", library).env("CLOCK_OFFSET_FILE", offset);
}

/// Moves the clock of a server by so many milliseconds, at once and for good.
pub(crate) fn step(directory: &Path, by_ms: i64) {
    let file = File::options()
        .read(true)
        .write(true)
        .open(directory.join(OFFSET))
        .expect("the server was started with a clock of its own");
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, 0).unwrap();
    let offset = i64::from_ne_bytes(bytes) + by_ms * 1_000;
    // Eight aligned bytes of one page: the server reads the old number or the new one.
    file.write_all_at(&offset.to_ne_bytes(), 0).unwrap();
}
