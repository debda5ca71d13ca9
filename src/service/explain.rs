//! Why a session is awake or asleep: each fact with its value, what must happen for it to sleep, and when.

use serde_json::{Value, json};

use super::sessions::{SessionView, Sleep};
use crate::domain::clock::instant;
use crate::domain::mode::Mode;

/// One fact, and whether it alone keeps the session from sleeping now.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// What it is about: one word of a fixed list.
    pub name: &'static str,
    /// Its value, with the unit in the name of each field.
    pub value: Value,
    /// Whether it keeps the session awake now.
    pub holds_awake: bool,
}

/// An explanation.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// In one sentence.
    pub summary: String,
    /// Each fact.
    pub facts: Vec<Fact>,
    /// What must happen for it to sleep, in order.
    pub to_sleep: Vec<String>,
}

/// What the one who asks may see beside the session itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// Numbers of the whole installation.
    pub installation: bool,
    /// Who did something by hand, and why.
    pub people: bool,
}

/// Explains what was read.
#[must_use]
pub fn explain(view: &SessionView, sight: Sight) -> Explanation {
    let facts = facts(view, sight);
    Explanation {
        summary: summary(view),
        to_sleep: to_sleep(view),
        facts,
    }
}

fn seconds(ms: i64) -> String {
    match ms / 1000 {
        s if s >= 3600 && s % 3600 == 0 => format!("{} h", s / 3600),
        s if s >= 60 && s % 60 == 0 => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}

fn summary(view: &SessionView) -> String {
    let record = &view.record;
    match &view.sleep {
        Sleep::At(at) => format!(
            "nobody is connected; it sleeps at {} ({}) unless somebody comes",
            instant(*at),
            record.because.replace('_', " ")
        ),
        Sleep::Not(reason) => match reason.as_str() {
            "connected" => format!("awake: {} live connections", record.active),
            "hold" => "awake: after a disturbance nothing is put to sleep until the hold is over".to_owned(),
            "brake" => "awake: a brake holds back what would sleep or expire; it cannot be said when".to_owned(),
            "observe" => "awake: the service only observes".to_owned(),
            "not_eligible" => {
                "awake: no connection was reported since the service was armed, so its gateway may not report at all"
                    .to_owned()
            }
            "never" => "awake: its idle timeout is never".to_owned(),
            "asleep" => format!("asleep since {}", record.ms("since").map(instant).unwrap_or_default()),
            "waking" if record.is_probing() => {
                "waking: the platform says it runs, and nothing listens there yet".to_owned()
            }
            "waking" => "waking: the platform starts it".to_owned(),
            "terminated" => "ended".to_owned(),
            other => format!("awake: {other}"),
        },
    }
}

fn facts(view: &SessionView, sight: Sight) -> Vec<Fact> {
    let record = &view.record;
    let at = |ms: Option<i64>| ms.map(|ms| instant(ms).to_string());
    let ahead = |field: &str| record.ms(field).filter(|until| *until > record.now_ms);
    let text = |field: &str| record.fields.get(field).cloned();
    let fact = |name, value, holds_awake| Fact {
        name,
        value,
        holds_awake,
    };
    let idle_due = record
        .idle_since_ms
        .zip(view.idle_timeout_ms)
        .map(|(since, timeout)| since + timeout);
    let brakes = &view.brakes;
    let of_all = |number: Option<i64>| number.filter(|_| sight.installation);
    let person = |field: &str| text(field).filter(|_| sight.people);
    let waits = record.stale > 0 && brakes.expiry_slow_until_ms.is_some();
    vec![
        fact(
            "state",
            json!({ "state": record.state, "since": at(record.ms("since")), "generation": record.generation }),
            false,
        ),
        fact(
            "connections",
            json!({ "live": record.active, "unconfirmed": record.unconfirmed, "silent": record.stale,
                    "last_connection_at": at(record.ms("last_opened")), "last_disconnect_at": at(record.ms("last_disconnect")) }),
            record.active > 0,
        ),
        fact(
            "idle_timeout",
            json!({ "timeout_ms": view.idle_timeout_ms, "from": view.idle_timeout_from,
                    "idle_since": at(record.idle_since_ms), "over_at": at(idle_due) }),
            view.idle_timeout_ms.is_none() || idle_due.is_some_and(|due| due > record.now_ms),
        ),
        fact(
            "mode",
            json!({ "mode": record.mode }),
            record.mode == Mode::Observe,
        ),
        fact(
            "eligible",
            json!({ "eligible": record.is_eligible }),
            record.mode == Mode::Act && !record.is_eligible,
        ),
        fact(
            "hold",
            json!({ "until": at(record.hold_until_ms) }),
            record.hold_until_ms.is_some(),
        ),
        fact(
            "brake_expiry",
            json!({ "hold_until": at(brakes.expiry_hold_until_ms), "slow_until": at(brakes.expiry_slow_until_ms),
                    "silent_connections": of_all(brakes.expiry_stale), "threshold": of_all(brakes.expiry_threshold) }),
            waits,
        ),
        fact(
            "brake_hibernation",
            json!({ "until": at(brakes.hibernation_held_until_ms), "per_minute": of_all(brakes.hibernation_limit) }),
            brakes.hibernation_held_until_ms.is_some(),
        ),
        fact(
            "keep_awake",
            json!({ "until": at(ahead("awake_until")), "by": person("awake_by"), "reason": person("awake_reason") }),
            ahead("awake_until").is_some(),
        ),
        fact(
            "contested",
            json!({ "left_alone_until": at(ahead("contested_until")) }),
            ahead("contested_until").is_some(),
        ),
        fact(
            "refused",
            json!({ "refusals": record.ms("refused"), "not_before": at(ahead("not_before")), "error": text("error") }),
            ahead("not_before").is_some(),
        ),
        fact("next_look", json!({ "at": at(record.deadline_ms) }), false),
    ]
}

fn to_sleep(view: &SessionView) -> Vec<String> {
    let record = &view.record;
    let mut steps = Vec::new();
    if matches!(&view.sleep, Sleep::Not(reason) if reason == "asleep" || reason == "terminated") {
        return steps;
    }
    if record.hold_until_ms.is_some() {
        steps.push("the hold ends".to_owned());
    }
    if record.mode == Mode::Observe {
        steps.push("somebody arms the service (POST /v1/admin/mode)".to_owned());
    } else if !record.is_eligible {
        steps.push("a connection is reported once, or the service is armed with adopt all".to_owned());
    }
    if record.active > 0 {
        steps.push(format!("its {} connections end", record.active));
    }
    if record.stale > 0 {
        steps.push(format!("its {} silent connections expire", record.stale));
    }
    match view.idle_timeout_ms {
        None => steps.push("it gets an idle timeout".to_owned()),
        Some(timeout) => steps.push(format!("nobody is connected for {}", seconds(timeout))),
    }
    if record
        .ms("awake_until")
        .is_some_and(|until| until > record.now_ms)
    {
        steps.push("it is no longer kept awake".to_owned());
    }
    steps
}
