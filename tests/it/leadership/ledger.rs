//! What was acknowledged to users, and the judgement of what the platform accepted by it.

use std::fmt::Write;

use serde_json::Value;

/// Now, in ms, by the clock the simulator's log has too: that of this machine.
pub(super) fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// One connection as its gateway saw it. Instants in ms.
#[derive(Debug, Clone)]
pub(super) struct Life {
    pub(super) session: String,
    pub(super) id: String,
    /// When the answer to the open had come.
    pub(super) acknowledged: i64,
    /// Whether that answer said that the session runs.
    pub(super) ran: bool,
    /// When the open and the heartbeats that were acknowledged had been sent.
    pub(super) signs: Vec<i64>,
    /// When the close was sent, or the last thing was heard of one that vanished.
    pub(super) left: Option<i64>,
}

impl Life {
    /// Whether it certainly counted at that instant: acknowledged, not left, and heard of within the window.
    fn is_live(&self, at: i64, window_ms: i64) -> bool {
        let is_fresh = self.signs.iter().any(|sign| (at - window_ms..=at).contains(sign));
        self.acknowledged < at && self.left.is_none_or(|left| left > at) && is_fresh
    }
}

/// Patches of the service that the platform accepted: (instant, towards hibernated?).
fn accepted(log: &[Value]) -> Vec<(i64, bool)> {
    let ours = log.iter().filter(|entry| {
        let agent = entry["user_agent"].as_str().unwrap_or_default();
        agent.starts_with("connection-tracker/") && entry["verb"] == "patch" && entry["status"] == 200
    });
    ours.map(|entry| (entry["at_ms"].as_i64().unwrap(), entry["state"] == "hibernated"))
        .collect()
}

/// The hibernations that hurt somebody, in words; empty when there is none.
///
/// A connection is safe once its session ran at its open, or a wake was accepted after it. Before that the
/// patch of an older decision may still land: the session is waking then, and its user is told so.
pub(super) fn hurt(lives: &[Life], session: &str, log: &[Value], window_ms: i64) -> String {
    let mut hurt = String::new();
    let accepted = accepted(log);
    for (at, _) in accepted.iter().filter(|(_, is_hibernation)| *is_hibernation) {
        for life in lives
            .iter()
            .filter(|life| life.session == session && life.is_live(*at, window_ms))
        {
            let was_woken = accepted
                .iter()
                .any(|(wake, is_hibernation)| !is_hibernation && (life.acknowledged..*at).contains(wake));
            if life.ran || was_woken {
                writeln!(hurt, "hibernated at {at} under {life:?}; its log: {log:#?}").unwrap();
            }
        }
    }
    hurt
}
