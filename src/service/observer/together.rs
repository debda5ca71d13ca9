//! Which events of a watch are written at once: those of different sessions have nothing to do with each other, and one
//! after the other a watch falls behind when sessions wake by the thousand.

use std::collections::HashSet;

use crate::domain::SessionId;

/// What an event is beside its neighbours.
pub(super) enum Kind<'a> {
    /// Part of a list.
    Listed,
    /// A change of this session's object.
    Change(&'a SessionId),
    /// Whatever must wait for what came before it, and be waited for.
    Alone,
}

/// In the order they came: neighbours of one kind, of changes each session once; every other event by itself.
pub(super) fn together<E>(events: &[E], kind: impl Fn(&E) -> Kind<'_>) -> Vec<&[E]> {
    let mut groups = Vec::new();
    let mut sessions = HashSet::new();
    let mut start = 0;
    for (at, event) in events.iter().enumerate() {
        let joins = match (kind(&events[start]), kind(event)) {
            (Kind::Listed, Kind::Listed) => true,
            (Kind::Change(_), Kind::Change(session)) => sessions.insert(session.clone()),
            _ => false,
        };
        if at > start && !joins {
            groups.push(&events[start..at]);
            start = at;
            sessions.clear();
            if let Kind::Change(session) = kind(event) {
                sessions.insert(session.clone());
            }
        }
    }
    if start < events.len() {
        groups.push(&events[start..]);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `*` is of a list, `-x` a deletion of x, everything else a change.
    fn sizes(events: &str) -> Vec<usize> {
        let events: Vec<(&str, SessionId)> = events
            .split(' ')
            .filter(|word| !word.is_empty())
            .map(|word| (word, SessionId::parse(word.trim_matches(['*', '-'])).unwrap()))
            .collect();
        together(&events, |event| match event.0.as_bytes()[0] {
            b'*' => Kind::Listed,
            b'-' => Kind::Alone,
            _ => Kind::Change(&event.1),
        })
        .iter()
        .map(|group| group.len())
        .collect()
    }

    #[test]
    fn changes_of_different_sessions_go_together_and_two_of_one_session_stay_in_order() {
        assert_eq!(sizes("a b a c c"), [2, 2, 1]);
        assert_eq!(sizes("a"), [1]);
        assert_eq!(sizes(""), [0; 0]);
    }

    #[test]
    fn nothing_overtakes_an_event_of_another_kind() {
        assert_eq!(sizes("*a *a a -a -b b"), [2, 1, 1, 1, 1]);
    }
}
