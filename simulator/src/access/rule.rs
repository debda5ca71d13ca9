//! Rules as a Kubernetes Role has them, and what they allow.

use serde::Deserialize;

/// The rules of a role, and where they hold.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub(crate) rules: Vec<Rule>,
    /// None: everywhere, as a ClusterRoleBinding gives it.
    pub(crate) namespaces: Option<Vec<String>>,
}

/// One entry of `rules`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Rule {
    api_groups: Vec<String>,
    resources: Vec<String>,
    verbs: Vec<String>,
    resource_names: Vec<String>,
    /// Read and passed over: whoever has a token may read all paths served that are no objects.
    #[serde(rename = "nonResourceURLs")]
    _non_resource_urls: Vec<String>,
}

/// What somebody wants to do.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    pub(crate) verb: &'static str,
    pub(crate) group: &'a str,
    /// `plural` or `plural/subresource`.
    pub(crate) resource: String,
    /// None: in all namespaces, or an object that is in none.
    pub(crate) namespace: Option<&'a str>,
    pub(crate) name: Option<&'a str>,
}

impl Grant {
    pub(crate) fn allows(&self, attempt: &Attempt<'_>) -> bool {
        let is_here = self.namespaces.as_ref().is_none_or(|namespaces| {
            attempt
                .namespace
                .is_some_and(|wanted| namespaces.iter().any(|namespace| namespace == wanted))
        });
        is_here && self.rules.iter().any(|rule| rule.allows(attempt))
    }
}

impl Rule {
    fn allows(&self, attempt: &Attempt<'_>) -> bool {
        let has = |list: &[String], wanted: &str| list.iter().any(|entry| entry == "*" || entry == wanted);
        let any_of_subresource = attempt
            .resource
            .split_once('/')
            .map(|(_, subresource)| format!("*/{subresource}"));
        has(&self.verbs, attempt.verb)
            && has(&self.api_groups, attempt.group)
            && (has(&self.resources, &attempt.resource)
                || any_of_subresource.is_some_and(|any| self.resources.contains(&any)))
            && (self.resource_names.is_empty()
                || attempt
                    .name
                    .is_some_and(|name| self.resource_names.iter().any(|entry| entry == name)))
    }
}
