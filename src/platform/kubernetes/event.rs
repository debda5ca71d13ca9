//! The words of an Event for each happening: reason, action, and a note that says the facts in a sentence.

use kube::runtime::events::{Event, EventType};

use crate::domain::clock;
use crate::domain::happening::{Happening, Idle, Unreadable};

/// An API server refuses longer notes (1 kB).
const MAX_NOTE: usize = 1000;

/// The Event that tells of it.
pub(super) fn of(happening: &Happening) -> Event {
    let (type_, reason, action) = words(happening);
    Event {
        type_,
        reason: reason.to_owned(),
        note: Some(note(happening)),
        action: action.to_owned(),
        secondary: None,
    }
}

fn words(happening: &Happening) -> (EventType, &'static str, &'static str) {
    match happening {
        Happening::Hibernated(_) => (EventType::Normal, "Hibernated", "Hibernate"),
        Happening::WouldHibernate(_) => (EventType::Normal, "WouldHibernate", "Observe"),
        Happening::Woken { .. } => (EventType::Normal, "Woken", "Wake"),
        Happening::WakeFailed { .. } => (EventType::Warning, "WakeFailed", "Wake"),
        Happening::LeftAlone { .. } => (EventType::Warning, "StoppedActing", "LeaveAlone"),
        Happening::NotHibernated { .. } => (EventType::Warning, "StoppedActing", "Hibernate"),
        Happening::Unreadable { what, .. } => {
            let reason = match what {
                Unreadable::State => "StateUnreadable",
                Unreadable::IdleTimeout => "IdleTimeoutUnreadable",
                Unreadable::Annotation => "AnnotationUnreadable",
            };
            (EventType::Warning, reason, "Read")
        }
    }
}

fn note(happening: &Happening) -> String {
    let text = match happening {
        Happening::Hibernated(idle) => format!("Put to sleep: {}.", facts(idle)),
        Happening::WouldHibernate(idle) => format!(
            "Would be put to sleep if the service were armed for it: {}.",
            facts(idle)
        ),
        Happening::Woken { generation } => format!("Asked to run again (generation {generation})."),
        Happening::WakeFailed { generation, reason } => {
            format!("Could not be woken, tried again (generation {generation}): {reason}")
        }
        Happening::LeftAlone { until_ms } => format!(
            "Something else changed its state back three times within minutes: left alone {}. Waking it through the API ends that.",
            instant("until", *until_ms).unwrap_or_else(|| "for a while".to_owned()),
        ),
        Happening::NotHibernated { reason } => {
            format!(
                "Its hibernation was refused five times, so it runs on and is tried again later: {reason}"
            )
        }
        Happening::Unreadable { detail, .. } => detail.clone(),
    };
    shortened(text)
}

fn facts(idle: &Idle) -> String {
    let since = instant("idle since", idle.since_ms).unwrap_or_else(|| "idle".to_owned());
    let timeout = match idle.timeout_ms {
        Some(ms) if ms >= 0 => format!("idle timeout {} s", ms / 1000),
        Some(_) => "no idle timeout".to_owned(),
        None => "the installation's idle timeout".to_owned(),
    };
    let last = instant("last connected", idle.last_opened_ms).unwrap_or_else(|| "never connected".to_owned());
    format!("{since}, {timeout}, {last}, generation {}", idle.generation)
}

fn instant(what: &str, ms: Option<i64>) -> Option<String> {
    ms.map(|ms| format!("{what} {}", clock::instant(ms).strftime("%Y-%m-%dT%H:%M:%SZ")))
}

fn shortened(mut text: String) -> String {
    if text.len() > MAX_NOTE {
        let end = text.floor_char_boundary(MAX_NOTE - "...".len());
        text.truncate(end);
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Generation;

    #[test]
    fn the_note_of_a_hibernation_says_why_it_sleeps() {
        let idle = Idle {
            generation: Generation(1_795_334_400_001),
            since_ms: Some(1_795_334_400_000),
            timeout_ms: Some(1_800_000),
            last_opened_ms: None,
        };
        assert_eq!(
            note(&Happening::Hibernated(idle)),
            "Put to sleep: idle since 2026-11-22T08:00:00Z, idle timeout 1800 s, never connected, generation 1795334400001."
        );
    }

    #[test]
    fn a_note_is_never_longer_than_an_api_server_takes() {
        let reason = "ä".repeat(2000);
        let note = note(&Happening::NotHibernated { reason });
        assert!(note.len() <= MAX_NOTE && note.ends_with("ä..."), "{}", note.len());
    }
}
