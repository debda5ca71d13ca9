//! The watches of several kinds in one namespace, told as one: a list is complete when each kind was listed
//! since it began. Otherwise the list of one kind would say that the sessions of another are gone.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::sync::Notify;

use crate::platform::{ListScope, PlatformError, PlatformEvent};

type Step = Result<PlatformEvent, PlatformError>;

/// Merges the watches of one scope. `begins` makes each of them list anew.
pub(super) fn merged(
    scope: &ListScope,
    begins: Vec<Arc<Notify>>,
    watches: Vec<BoxStream<'static, Step>>,
) -> BoxStream<'static, Step> {
    let tagged = watches.into_iter().enumerate().map(|(kind, watch)| {
        let tag = move |step| (kind, step);
        watch.map(tag).boxed()
    });
    let mut lists = Lists::new(scope.clone(), begins);
    stream::select_all(tagged.collect::<Vec<_>>())
        .filter_map(move |(kind, step)| std::future::ready(lists.told(kind, step)))
        .boxed()
}

/// How far the list under way has come.
struct Lists {
    scope: ListScope,
    begins: Vec<Arc<Notify>>,
    /// Kinds whose part is not done; empty: no list is under way.
    listing: BTreeSet<usize>,
    /// Kinds that will begin their part because they were told to.
    told_to: BTreeSet<usize>,
    /// Kinds that named an object since their part began.
    named: BTreeSet<usize>,
    /// Whether any list was begun: the first one each kind begins by itself.
    is_begun: bool,
}

impl Lists {
    fn new(scope: ListScope, begins: Vec<Arc<Notify>>) -> Self {
        Self {
            scope,
            begins,
            listing: BTreeSet::new(),
            told_to: BTreeSet::new(),
            named: BTreeSet::new(),
            is_begun: false,
        }
    }

    /// What is told of a step of one kind.
    fn told(&mut self, kind: usize, step: Step) -> Option<Step> {
        match step {
            Ok(PlatformEvent::ListStarted(_)) => self.started(kind),
            Ok(PlatformEvent::ListDone(_)) => {
                let was_listing = self.listing.remove(&kind);
                (was_listing && self.listing.is_empty())
                    .then(|| Ok(PlatformEvent::ListDone(self.scope.clone())))
            }
            Ok(PlatformEvent::Listed(_)) => {
                self.named.insert(kind);
                Some(step)
            }
            other => Some(other),
        }
    }

    fn started(&mut self, kind: usize) -> Option<Step> {
        if self.told_to.remove(&kind) {
            return None;
        }
        // Asked again after an error, with nothing named in between: what the others named still stands. Else a
        // kind that cannot be listed would have the others listed at each of its attempts.
        if self.listing.contains(&kind) && !self.named.contains(&kind) {
            return None;
        }
        for other in (0..self.begins.len()).filter(|other| *other != kind) {
            self.told_to.insert(other);
            if self.is_begun {
                self.begins[other].notify_one();
            }
        }
        self.is_begun = true;
        self.listing.extend(0..self.begins.len());
        self.named.clear();
        Some(Ok(PlatformEvent::ListStarted(self.scope.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SessionId;
    use crate::domain::platform_object::{Desired, PlatformObject};

    fn object() -> PlatformObject {
        PlatformObject {
            session: SessionId::parse("x").unwrap(),
            uid: "u".to_owned(),
            version: "1".to_owned(),
            desired: Desired::Running,
            is_ready: true,
            is_probing: false,
            has_twins: false,
            annotation: None,
            idle_timeout: None,
            created_at_ms: 0,
            url: None,
            activity_at_ms: None,
            phase: None,
        }
    }

    fn lists(kinds: usize) -> Lists {
        Lists::new(ListScope::all(), (0..kinds).map(|_| Arc::default()).collect())
    }

    /// What is told when kinds start (`+kind`), name an object (`:kind`) and finish (`-kind`).
    fn told(lists: &mut Lists, steps: &[&str]) -> String {
        let tell = |step: &&str| {
            let (sign, kind) = step.split_at(1);
            let event = match sign {
                "+" => PlatformEvent::ListStarted(ListScope::all()),
                ":" => PlatformEvent::Listed(object()),
                _ => PlatformEvent::ListDone(ListScope::all()),
            };
            match lists.told(kind.parse().unwrap(), Ok(event)) {
                Some(Ok(PlatformEvent::ListStarted(_))) => "+",
                Some(Ok(PlatformEvent::Listed(_))) => ":",
                Some(Ok(PlatformEvent::ListDone(_))) => "-",
                _ => ".",
            }
        };
        steps.iter().map(tell).collect()
    }

    #[test]
    fn one_kind_is_told_as_it_is() {
        let steps = ["+0", ":0", "-0", "+0", ":0", "+0", ":0", "-0"];
        assert_eq!(told(&mut lists(1), &steps), "+:-+:+:-");
    }

    #[test]
    fn a_list_is_done_when_every_kind_is() {
        let steps = ["+0", "+1", ":1", "-1", ":0", "-0"];
        assert_eq!(told(&mut lists(2), &steps), "+.:.:-");
    }

    #[tokio::test]
    async fn a_kind_that_lists_anew_makes_the_others_list_too() {
        let mut lists = lists(2);
        told(&mut lists, &["+0", "+1", "-0", "-1"]);
        assert_eq!(told(&mut lists, &["+1", "-1"]), "+.");
        lists.begins[0].notified().await;
        assert_eq!(told(&mut lists, &["+0", "-0"]), ".-");
    }

    #[tokio::test]
    async fn what_was_named_before_an_interruption_is_void() {
        let mut lists = lists(2);
        let begun = told(&mut lists, &["+0", "+1", ":1", "-1", ":0", "+0"]);
        assert_eq!(begun, "+.:.:+");
        lists.begins[1].notified().await;
        assert_eq!(told(&mut lists, &["+1", "-0", ":1", "-1"]), "..:-");
    }

    #[test]
    fn a_kind_that_cannot_be_listed_does_not_make_the_others_list_again() {
        let steps = ["+0", "+1", ":0", "-0", "+1", "+1", "-1"];
        assert_eq!(told(&mut lists(2), &steps), "+.:...-");
    }
}
