//! Who calls: the roles of a token, and which sessions it may name.

use std::sync::Arc;

use super::SessionId;

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Opens, keeps and closes connections, and waits for sessions.
    Gateway,
    /// Reads sessions, statistics and history.
    Reader,
    /// Changes the mode, wakes, hibernates, keeps awake; reads too.
    Operator,
}

impl Role {
    /// Every role, for tables and tests.
    pub const ALL: [Self; 3] = [Self::Gateway, Self::Reader, Self::Operator];

    /// The word of the token file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Reader => "reader",
            Self::Operator => "operator",
        }
    }

    /// The role of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }
}

/// Which sessions a caller may name; what lies outside is answered as if it did not exist.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Scope {
    /// Every session.
    #[default]
    All,
    /// Sessions whose id begins with one of these; a namespace `n` is the prefix `n~`. Empty: none.
    Prefixes(Vec<String>),
}

impl Scope {
    /// Whether the session lies inside.
    #[must_use]
    pub fn covers(&self, session: &SessionId) -> bool {
        self.prefixes()
            .is_none_or(|prefixes| prefixes.iter().any(|prefix| session.as_str().starts_with(prefix)))
    }

    /// The prefixes, `None` when every session lies inside: what a query filters by.
    #[must_use]
    pub fn prefixes(&self) -> Option<&[String]> {
        match self {
            Self::All => None,
            Self::Prefixes(prefixes) => Some(prefixes),
        }
    }
}

/// Who calls. Cheap to clone: every request carries one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    name: Option<Arc<str>>,
    roles: Arc<[Role]>,
    scope: Arc<Scope>,
}

impl Caller {
    /// A client that is known by name.
    #[must_use]
    pub fn new(name: &str, roles: &[Role], scope: Scope) -> Self {
        let mut roles = roles.to_vec();
        roles.sort_unstable();
        roles.dedup();
        Self {
            name: Some(Arc::from(name)),
            roles: roles.into(),
            scope: Arc::new(scope),
        }
    }

    /// Who calls where nobody is asked: somebody without a name who may do everything.
    #[must_use]
    pub fn anonymous() -> Self {
        Self {
            name: None,
            roles: Role::ALL.into(),
            scope: Arc::new(Scope::All),
        }
    }

    /// What it may do.
    #[must_use]
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// The client's name; `None` where nobody is asked who they are.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Who acts, for the history: the person it names, and whose token it was. Anybody can write any name;
    /// the token is known.
    #[must_use]
    pub fn acting_as(&self, named: Option<&str>) -> String {
        match (named.filter(|name| !name.trim().is_empty()), self.name()) {
            (Some(named), Some(client)) => format!("{named} (token of {client})"),
            (Some(name), None) | (None, Some(name)) => name.to_owned(),
            (None, None) => "unnamed".to_owned(),
        }
    }

    /// Whether it has at least one of these roles.
    #[must_use]
    pub fn has_one_of(&self, roles: &[Role]) -> bool {
        self.roles.iter().any(|role| roles.contains(role))
    }

    /// Which sessions it may name.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_covers_what_begins_with_one_of_its_prefixes_and_nothing_else() {
        let session = |id: &str| SessionId::parse(id).unwrap();
        let scope = Scope::Prefixes(vec!["team-a~".to_owned(), "demo-".to_owned()]);
        assert!(scope.covers(&session("team-a~x")) && scope.covers(&session("demo-1")));
        assert!(!scope.covers(&session("team-ab")) && !scope.covers(&session("x-demo-1")));
        assert!(Scope::All.covers(&session("anything")));
        assert!(!Scope::Prefixes(Vec::new()).covers(&session("anything")));
    }
}
