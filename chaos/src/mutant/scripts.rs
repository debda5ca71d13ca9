//! A copy of the scripts with some lines changed.

use std::path::Path;

use anyhow::{Context as _, bail};
use tempfile::TempDir;

/// Where the scripts of this build lie.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../lua");

/// Copies all scripts and replaces each text of `changes` (file, text, what stands there instead).
pub(super) fn changed(changes: &[(&str, &str, &str)]) -> anyhow::Result<TempDir> {
    let directory = tempfile::tempdir()?;
    for part in ["", "include"] {
        let to = directory.path().join(part);
        std::fs::create_dir_all(&to)?;
        copy(&Path::new(SCRIPTS).join(part), &to)?;
    }
    for (file, from, to) in changes {
        let path = directory.path().join(file);
        let text = std::fs::read_to_string(&path).with_context(|| format!("lua/{file} is gone"))?;
        // A text that is not there, or there twice, would make another fault than the one that is meant.
        match text.matches(from).count() {
            1 => std::fs::write(&path, text.replacen(from, to, 1))?,
            count => bail!("lua/{file} holds {from:?} {count} times instead of once"),
        }
    }
    Ok(directory)
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(from).with_context(|| format!("{} cannot be read", from.display()))? {
        let path = entry?.path();
        if let Some(name) = path
            .file_name()
            .filter(|_| path.extension().is_some_and(|end| end == "lua"))
        {
            std::fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}
