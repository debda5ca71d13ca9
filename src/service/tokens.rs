//! Bearer tokens by their SHA-256, and accounts of the cluster, from a file that is read again whenever it changes.
//!
//! The tokens themselves are neither in the file nor kept here, and no text made here repeats a word of a
//! line that was not understood: somebody may have put a token where its hash belongs.

mod file;
mod jwt;
mod lane;
mod outage;
mod review;
mod source;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use sha2::{Digest as _, Sha256};

use crate::domain::access::Caller;
use crate::lifecycle::Tasks;

pub use file::line;
pub use review::TokenReviews;
pub use source::LoadError;
use source::Source;

/// What is kept of a token.
pub type Digest = [u8; 32];

/// The SHA-256 of a token.
#[must_use]
pub fn digest(token: &[u8]) -> Digest {
    Sha256::digest(token).into()
}

/// What the rest of the configuration means to the file.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings {
    /// Ids of sessions begin with a namespace.
    pub has_namespaces: bool,
    /// The API server is asked about tokens that are not in the file.
    pub has_reviews: bool,
}

/// What a caller shows itself by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Credential {
    /// A token of that hash.
    Token(Digest),
    /// A token that the cluster says is this user's.
    Account(String),
    /// A token of anybody whom the cluster says to be in this group.
    Group(String),
}

/// The file of one moment.
///
/// Tokens are found by their hash in a map. That is not a comparison in constant time, and need not be one: what
/// time could tell is how a hash compares, and nobody can choose tokens by the bits of their hash; besides,
/// the map hashes again with a random key of this process.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Table {
    callers: HashMap<Digest, Caller>,
    accounts: HashMap<String, Caller>,
    /// In the order of the file: the first that fits holds.
    groups: Vec<(String, Caller)>,
}

impl Table {
    fn insert(&mut self, credential: Credential, caller: Caller) {
        match credential {
            Credential::Token(digest) => drop(self.callers.insert(digest, caller)),
            Credential::Account(username) => drop(self.accounts.insert(username, caller)),
            Credential::Group(name) => self.groups.push((name, caller)),
        }
    }

    /// An account that is named itself is what its line says, whatever its groups.
    fn account(&self, username: &str, groups: &[String]) -> Option<&Caller> {
        let of_group = || self.groups.iter().find(|(name, _)| groups.contains(name));
        self.accounts
            .get(username)
            .or_else(|| of_group().map(|(_, caller)| caller))
    }

    /// The credentials and rights of each client, by its name.
    fn by_client(&self) -> BTreeMap<&str, (&Caller, BTreeSet<Credential>)> {
        let tokens = self.callers.iter();
        let tokens = tokens.map(|(digest, caller)| (Credential::Token(*digest), caller));
        let accounts = self.accounts.iter();
        let accounts = accounts.map(|(name, caller)| (Credential::Account(name.clone()), caller));
        let groups = self.groups.iter();
        let groups = groups.map(|(name, caller)| (Credential::Group(name.clone()), caller));
        let mut clients: BTreeMap<&str, (&Caller, BTreeSet<Credential>)> = BTreeMap::new();
        for (credential, caller) in tokens.chain(accounts).chain(groups) {
            let name = caller.name().unwrap_or_default();
            let (_, credentials) = clients.entry(name).or_insert((caller, BTreeSet::new()));
            credentials.insert(credential);
        }
        clients
    }

    fn accounts(&self) -> usize {
        self.accounts.len() + self.groups.len()
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
    /// Reads the file, and goes on reading it whenever it changes.
    ///
    /// # Errors
    /// [`LoadError`] when the file cannot be read now, or a line of it cannot be understood; later the tokens
    /// that were in force stay.
    pub async fn start(path: &Path, surroundings: Surroundings, tasks: &Tasks) -> Result<Self, LoadError> {
        let (source, table) = Source::open(path, surroundings).await?;
        tracing::info!(
            clients = table.by_client().len(),
            tokens = table.callers.len(),
            accounts = table.accounts(),
            "callers are asked for their token"
        );
        if surroundings.has_reviews && table.accounts() == 0 {
            tracing::warn!(
                "the file names no account of the cluster yet (service_account=, group=): none is let in"
            );
        }
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

    /// Who somebody is that the cluster vouches for; `None` when the file does not name it.
    #[must_use]
    pub fn account(&self, username: &str, groups: &[String]) -> Option<Caller> {
        self.table.load().account(username, groups).cloned()
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
            accounts = table.accounts(),
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
            table.insert(Credential::Token(digest(token.as_bytes())), caller);
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

    #[test]
    fn an_account_is_what_its_own_line_says_and_else_what_the_first_of_its_groups_is() {
        let mut table = Table::default();
        let caller = |name: &str| Caller::new(name, &[Role::Reader], Scope::All);
        table.insert(Credential::Group("second".to_owned()), caller("b"));
        table.insert(Credential::Group("first".to_owned()), caller("a"));
        table.insert(Credential::Account("ann".to_owned()), caller("ann"));
        let groups = ["first".to_owned(), "second".to_owned()];
        let of = |username: &str, groups: &[String]| table.account(username, groups).cloned();
        assert_eq!(of("ann", &groups), Some(caller("ann")));
        assert_eq!(of("ben", &groups), Some(caller("b")));
        assert_eq!(of("ben", &groups[..1]), Some(caller("a")));
        assert_eq!(of("ben", &[]), None);
    }
}
