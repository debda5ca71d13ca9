//! Who sends a request and what they may do: tokens, the rules of roles, and whether they are enforced.
//! Off by default; the simulator's own paths are never asked for a token.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

use axum::http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

mod review;
mod rule;
mod token;

pub(crate) use review::review;
pub(crate) use rule::{Attempt, Grant, Rule};
pub(crate) use token::{API_AUDIENCE, Token};

use crate::{
    api::{Call, Verb},
    app::lock,
    kind::Role,
    status::Failure,
};

/// Who a request without a token is.
const ANONYMOUS: &str = "system:anonymous";
/// Paths that everybody may read, as the real server has them by default.
const PUBLIC_PATHS: [&str; 4] = ["/healthz", "/livez", "/readyz", "/version"];

/// What `PUT /simulator/rbac` sets and `GET` shows; an absent field stays as it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Enforcement {
    /// Whether requests for objects need a token whose roles allow them.
    pub(crate) enforce: Option<bool>,
    /// A token that may do everything.
    pub(crate) admin_token: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Access {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    is_enforced: bool,
    admin_token: Option<String>,
    tokens: HashMap<String, Token>,
    /// By token.
    grants: HashMap<String, Vec<Grant>>,
}

impl Access {
    pub(crate) fn new(admin_token: Option<String>) -> Self {
        let inner = Inner {
            admin_token,
            ..Inner::default()
        };
        Self {
            inner: Mutex::new(inner),
        }
    }

    /// Makes a token known, or changes whose it is.
    pub(crate) fn register(&self, token: Token) {
        self.lock().tokens.insert(token.secret.clone(), token);
    }

    /// From now on nobody knows the token; its roles stay for when it is made known again.
    pub(crate) fn forget(&self, token: &str) {
        self.lock().tokens.remove(token);
    }

    /// Adds a role to a token; one that is not known yet becomes that of a service account.
    pub(crate) fn grant(&self, token: &str, grant: Grant) {
        let mut inner = self.lock();
        inner
            .tokens
            .entry(token.to_owned())
            .or_insert_with(|| Token::of_service_account(token));
        inner.grants.entry(token.to_owned()).or_default().push(grant);
    }

    /// Takes all roles from one token, or from all.
    pub(crate) fn revoke(&self, token: Option<&str>) {
        let mut inner = self.lock();
        match token {
            Some(token) => drop(inner.grants.remove(token)),
            None => inner.grants.clear(),
        }
    }

    pub(crate) fn set(&self, wanted: Enforcement) -> Enforcement {
        let mut inner = self.lock();
        inner.is_enforced = wanted.enforce.unwrap_or(inner.is_enforced);
        inner.admin_token = wanted.admin_token.or_else(|| inner.admin_token.take());
        Enforcement {
            enforce: Some(inner.is_enforced),
            admin_token: inner.admin_token.clone(),
        }
    }

    pub(crate) fn token(&self, token: &str) -> Option<Token> {
        self.lock().tokens.get(token).cloned()
    }

    /// The user of a token, for the log.
    pub(crate) fn username(&self, token: &str) -> Option<String> {
        self.token(token).map(|token| token.username)
    }

    /// Whether a request for objects may be handled.
    ///
    /// # Errors
    /// 401 for a token nobody knows, 403 for what no role of it allows.
    pub(crate) fn check(&self, call: &Call) -> Result<(), Failure> {
        let inner = self.lock();
        let Some(username) = inner.authenticate(call.bearer.as_deref())? else {
            return Ok(());
        };
        let target = &call.target;
        // A new object has no name yet when access is judged; a list may be asked for one name alone.
        let name = match call.verb {
            Verb::Create => None,
            Verb::List | Verb::Watch => call.parameters.selected_name(),
            _ => target.name.as_deref(),
        };
        let namespace = if target.kind.role == Role::Namespace {
            target.name.as_deref()
        } else {
            target.namespace.as_deref()
        };
        let attempt = Attempt {
            verb: call.verb.as_str(),
            group: &target.kind.group,
            resource: target.resource(),
            namespace,
            name,
        };
        let grants = call.bearer.as_ref().and_then(|token| inner.grants.get(token));
        if grants.into_iter().flatten().any(|grant| grant.allows(&attempt)) {
            return Ok(());
        }
        let scope = namespace.map_or_else(
            || "at the cluster scope".to_owned(),
            |namespace| format!("in the namespace {namespace:?}"),
        );
        let why = format!(
            "User {username:?} cannot {} resource {:?} in API group {:?} {scope}",
            attempt.verb, attempt.resource, attempt.group
        );
        Err(Failure::forbidden(&target.kind, name.unwrap_or_default(), &why))
    }

    /// Whether a path that is no object may be read.
    ///
    /// # Errors
    /// 401 and 403 as for objects; any known token is enough.
    pub(crate) fn check_path(
        &self,
        method: &Method,
        path: &str,
        bearer: Option<&str>,
    ) -> Result<(), Failure> {
        if PUBLIC_PATHS.contains(&path) {
            return Ok(());
        }
        match self.lock().authenticate(bearer)? {
            Some(username) if username == ANONYMOUS => {
                let verb = method.as_str().to_lowercase();
                let why = format!("User {username:?} cannot {verb} path {path:?}");
                Err(Failure::forbidden_path(&why))
            }
            _ => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }
}

impl Inner {
    /// Who has to be judged; None when nobody has to be.
    fn authenticate(&self, bearer: Option<&str>) -> Result<Option<String>, Failure> {
        if !self.is_enforced || (bearer.is_some() && bearer == self.admin_token.as_deref()) {
            return Ok(None);
        }
        let Some(bearer) = bearer else {
            return Ok(Some(ANONYMOUS.to_owned()));
        };
        let known = self.tokens.get(bearer);
        known
            .filter(|token| token.is_for(API_AUDIENCE))
            .map(|token| Some(token.username.clone()))
            .ok_or_else(Failure::unauthorized)
    }
}

/// The token of an Authorization header.
pub(crate) fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// A list of texts as Go prints it with `%q`.
fn quoted(texts: &[Value]) -> String {
    let texts: Vec<String> = texts.iter().map(Value::to_string).collect();
    format!("[{}]", texts.join(" "))
}
