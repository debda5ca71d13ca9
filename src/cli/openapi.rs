//! `openapi`: the document on standard output, for the file that is committed.

use std::io::Write;

pub(super) fn run() -> anyhow::Result<()> {
    std::io::stdout().write_all(crate::http::document().as_bytes())?;
    Ok(())
}
