//! A file of tokens, as an operator keeps one.

use std::path::PathBuf;

use connection_tracker::service::tokens;

use crate::support::Api;
use crate::support::cluster::{Builder, TestCluster};

/// A file in a directory of its own. The token of a client `x` is `token-x`, unless the test says otherwise.
pub(crate) struct TokenFile {
    directory: tempfile::TempDir,
}

/// The token of a client.
pub(crate) fn token_of(client: &str) -> String {
    format!("token-{client}")
}

/// A line of the file.
pub(crate) fn line(client: &str, roles: &str, scope: &str) -> String {
    line_for(client, roles, scope, &token_of(client))
}

/// A line of the file for another token than the usual one.
pub(crate) fn line_for(client: &str, roles: &str, scope: &str, token: &str) -> String {
    tokens::line(client, roles, scope, token).unwrap()
}

impl TokenFile {
    pub(crate) fn new(lines: &[String]) -> Self {
        let file = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        file.write(&lines.join("\n"));
        file
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("tokens")
    }

    /// Puts another content in place, at once, as a mounted Secret does.
    pub(crate) fn write(&self, text: &str) {
        let new = self.directory.path().join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, self.path()).unwrap();
    }

    pub(crate) fn remove(&self) {
        std::fs::remove_file(self.path()).unwrap();
    }

    /// An installation that asks for these tokens.
    pub(crate) fn builder(&self) -> Builder {
        TestCluster::builder().set("auth-tokens-file", self.path().display())
    }
}

/// The API as a client sees it.
pub(crate) fn client(api: &Api, name: &str) -> Api {
    api.with_token(&token_of(name))
}
