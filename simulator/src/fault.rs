//! Fault rules: which requests they meet and what they order. Carrying it out is `api`'s.

use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::{
    api::{Call, Verb},
    app::{App, lock},
    path::Subresource,
};

/// What to do with a request instead of, or before, handling it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Action {
    /// Refuse with this HTTP status, without handling it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    /// `Retry-After` of the refusal, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after_s: Option<u64>,
    /// Hold the request this long, in milliseconds, then handle it (or refuse it).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delay_ms: Option<u64>,
    /// Hold the request until the client leaves; never handle it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) hang: bool,
    /// Handle the request, then close the connection without an answer.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) apply_then_drop: bool,
}

/// What a request must be like; every field that is given must fit.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) verb: Option<Verb>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) namespace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// Plural of the kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resource: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subresource: Option<Part>,
    /// `spec.state` of the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) match_state: Option<String>,
    /// `spec.replicas` of the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) match_replicas: Option<i64>,
    /// Whether the body carries the generation annotation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) match_generation_present: Option<bool>,
    /// How many requests it meets; 0 means all.
    #[serde(default = "once")]
    pub(crate) times: u64,
    pub(crate) action: Action,
}

/// Which part of an object a request must be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Part {
    Status,
    Scale,
    /// The object itself.
    None,
}

fn once() -> u64 {
    1
}

/// A rule in force.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Fault {
    pub(crate) id: u64,
    #[serde(flatten)]
    pub(crate) rule: Rule,
    /// How many requests it has met.
    pub(crate) hits: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Faults {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    last_id: u64,
    rules: Vec<Fault>,
    hits: u64,
}

impl Faults {
    /// Puts a rule in force.
    ///
    /// # Errors
    /// A sentence when the rule orders nothing, or something that cannot be.
    pub(crate) fn add(&self, rule: Rule) -> Result<Fault, &'static str> {
        let action = &rule.action;
        if action.status.is_none() && action.delay_ms.is_none() && !action.hang && !action.apply_then_drop {
            return Err("action needs status, delay_ms, hang or apply_then_drop");
        }
        if action.status.is_some_and(|code| !(400..600).contains(&code)) {
            return Err("action.status must be from 400 to 599");
        }
        if action.apply_then_drop && action.status.is_some() {
            return Err("apply_then_drop and status exclude each other");
        }
        let mut inner = lock(&self.inner);
        inner.last_id += 1;
        let fault = Fault {
            id: inner.last_id,
            rule,
            hits: 0,
        };
        inner.rules.push(fault.clone());
        Ok(fault)
    }

    /// The first rule that fits and is not used up, counted as met.
    pub(crate) fn take(&self, app: &App, call: &Call) -> Option<(u64, Action)> {
        let mut inner = lock(&self.inner);
        let fault = inner
            .rules
            .iter_mut()
            .find(|fault| fault.is_in_force() && fault.rule.fits(app, call))?;
        fault.hits += 1;
        let taken = (fault.id, fault.rule.action.clone());
        inner.hits += 1;
        Some(taken)
    }

    /// All rules since the last clearing, used up or not.
    pub(crate) fn rules(&self) -> Vec<Fault> {
        lock(&self.inner).rules.clone()
    }

    /// Takes one rule back; whether there was such a rule.
    pub(crate) fn remove(&self, id: u64) -> bool {
        let rules = &mut lock(&self.inner).rules;
        let before = rules.len();
        rules.retain(|fault| fault.id != id);
        rules.len() < before
    }

    pub(crate) fn clear(&self) {
        lock(&self.inner).rules.clear();
    }

    /// How many requests met a rule, over all rules ever.
    pub(crate) fn hits(&self) -> u64 {
        lock(&self.inner).hits
    }
}

impl Fault {
    fn is_in_force(&self) -> bool {
        self.rule.times == 0 || self.hits < self.rule.times
    }
}

impl Rule {
    fn fits(&self, app: &App, call: &Call) -> bool {
        fn fits(wanted: Option<&String>, is: Option<&str>) -> bool {
            wanted.is_none_or(|wanted| is == Some(wanted.as_str()))
        }
        let part = match call.target.subresource {
            Some(Subresource::Status) => Part::Status,
            Some(Subresource::Scale) => Part::Scale,
            None => Part::None,
        };
        self.verb.is_none_or(|verb| verb == call.verb)
            && fits(self.resource.as_ref(), Some(call.target.kind.plural.as_str()))
            && self.subresource.is_none_or(|wanted| wanted == part)
            && fits(self.namespace.as_ref(), call.target.namespace.as_deref())
            && fits(self.name.as_ref(), call.name())
            && fits(self.match_state.as_ref(), call.wanted_state())
            && self
                .match_replicas
                .is_none_or(|replicas| call.wanted_replicas() == Some(replicas))
            && self
                .match_generation_present
                .is_none_or(|present| call.generation(app).is_some() == present)
    }
}
