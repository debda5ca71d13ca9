//! Bearer tokens by their SHA-256, from a file that is read again whenever it changes.
//!
//! The tokens themselves are neither in the file nor kept here, and no text made here repeats a word of a
//! line that was not understood: somebody may have put a token where its hash belongs.

mod file;
mod source;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use sha2::{Digest as _, Sha256};

use crate::domain::access::Caller;
use crate::lifecycle::Tasks;

pub use file::line;
pub use source::LoadError;
use source::Source;

/// What is kept of a token.
pub type Digest = [u8; 32];

/// The SHA-256 of a token.
#[must_use]
pub fn digest(token: &[u8]) -> Digest {
    Sha256::digest(token).into()
}

/// The tokens of one moment.
///
/// They are found by their hash in a map. That is not a comparison in constant time, and need not be one: what
/// time could tell is how a hash compares, and nobody can choose tokens by the bits of their hash; besides,
/// the map hashes again with a random key of this process.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Table {
    callers: HashMap<Digest, Caller>,
}

impl Table {
    fn insert(&mut self, digest: Digest, caller: Caller) {
        self.callers.insert(digest, caller);
    }

    /// The hashes and rights of each client, by its name.
    fn by_client(&self) -> BTreeMap<&str, (&Caller, Vec<&Digest>)> {
        let mut clients: BTreeMap<&str, (&Caller, Vec<&Digest>)> = BTreeMap::new();
        for (digest, caller) in &self.callers {
            let name = caller.name().unwrap_or_default();
            clients.entry(name).or_insert((caller, Vec::new())).1.push(digest);
        }
        for (_, digests) in clients.values_mut() {
            digests.sort_unstable();
        }
        clients
    }

    /// Names of clients that came, went, or have other tokens or rights than in `before`.
    fn changes_since(&self, before: &Self) -> Changes {
        let (old, new) = (before.by_client(), self.by_client());
        let names = |list: Vec<&str>| list.join(", ");
        let added = new.keys().filter(|name| !old.contains_key(*name));
        let removed = old.keys().filter(|name| !new.contains_key(*name));
        let changed = new
            .iter()
            .filter(|(name, client)| old.get(*name).is_some_and(|before| before != *client));
        Changes {
            added: names(added.copied().collect()),
            removed: names(removed.copied().collect()),
            changed: names(changed.map(|(name, _)| *name).collect()),
        }
    }
}

/// What a change of the file changed, as names of clients.
#[derive(Debug, PartialEq, Eq)]
struct Changes {
    added: String,
    removed: String,
    changed: String,
}

/// The tokens in force; clones share them.
#[derive(Debug, Clone)]
pub struct Tokens {
    table: Arc<ArcSwap<Table>>,
}

impl Tokens {
    /// Reads the file, and goes on reading it whenever it changes. `has_namespaces` says whether ids of sessions
    /// begin with a namespace.
    ///
    /// # Errors
    /// [`LoadError`] when the file cannot be read now, or a line of it cannot be understood; later the tokens
    /// that were in force stay.
    pub async fn start(path: &Path, has_namespaces: bool, tasks: &Tasks) -> Result<Self, LoadError> {
        let (source, table) = Source::open(path, has_namespaces).await?;
        tracing::info!(
            clients = table.by_client().len(),
            tokens = table.callers.len(),
            "callers are asked for their token"
        );
        let tokens = Self {
            table: Arc::new(ArcSwap::from_pointee(table)),
        };
        source.watch(tokens.clone(), tasks);
        Ok(tokens)
    }

    /// Whose token it is.
    #[must_use]
    pub fn caller(&self, token: &str) -> Option<Caller> {
        self.table.load().callers.get(&digest(token.as_bytes())).cloned()
    }

    /// Puts other tokens in force; requests under way keep what they were let in by.
    fn replace(&self, table: Table) {
        let before = self.table.load_full();
        if *before == table {
            return;
        }
        let changes = table.changes_since(&before);
        tracing::info!(
            clients = table.by_client().len(),
            tokens = table.callers.len(),
            added = changes.added,
            removed = changes.removed,
            changed = changes.changed,
            "the tokens were changed"
        );
        self.table.store(Arc::new(table));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::access::{Role, Scope};

    fn table(entries: &[(&str, &str)]) -> Table {
        let mut table = Table::default();
        for (token, client) in entries {
            let caller = Caller::new(client, &[Role::Reader], Scope::All);
            table.insert(digest(token.as_bytes()), caller);
        }
        table
    }

    #[test]
    fn what_changed_is_told_by_the_names_of_clients() {
        let before = table(&[("a", "ann"), ("b", "ben"), ("c", "cem")]);
        let after = table(&[
            ("a", "ann"),
            ("a2", "ann"),
            ("b", "ben"),
            ("d", "dan"),
            ("e", "eve"),
        ]);
        let changes = after.changes_since(&before);
        assert_eq!(
            (&*changes.added, &*changes.removed, &*changes.changed),
            ("dan, eve", "cem", "ann")
        );
    }
}
