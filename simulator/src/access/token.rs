//! A token and whose it is.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The audience of the API server itself: what a token is for that names none.
pub(crate) const API_AUDIENCE: &str = "https://kubernetes.default.svc.cluster.local";
/// Whose a token is that only has roles.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:default:connection-tracker";

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Token {
    /// What is sent.
    #[serde(rename = "token")]
    pub(crate) secret: String,
    pub(crate) username: String,
    #[serde(default)]
    pub(crate) groups: Vec<String>,
    /// Empty: the API server's own.
    #[serde(default)]
    pub(crate) audiences: Vec<String>,
    #[serde(default)]
    pub(crate) uid: String,
    #[serde(default)]
    pub(crate) extra: BTreeMap<String, Vec<String>>,
}

impl Token {
    pub(crate) fn of_service_account(token: &str) -> Self {
        Self {
            secret: token.to_owned(),
            username: SERVICE_ACCOUNT.into(),
            groups: vec!["system:serviceaccounts".into(), "system:authenticated".into()],
            audiences: Vec::new(),
            uid: String::new(),
            extra: BTreeMap::new(),
        }
    }

    pub(crate) fn audiences(&self) -> Vec<&str> {
        if self.audiences.is_empty() {
            vec![API_AUDIENCE]
        } else {
            self.audiences.iter().map(String::as_str).collect()
        }
    }

    pub(crate) fn is_for(&self, audience: &str) -> bool {
        self.audiences().contains(&audience)
    }
}
