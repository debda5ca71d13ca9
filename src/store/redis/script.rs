//! The registry of scripts: every file of `lua/`, embedded, completed and hashed once.
//!
//! Completing a script replaces `--@include name` by `lua/include/name.lua` and puts the reply codes
//! it names in front. Redis keeps scripts by the hash of the completed text.

use std::borrow::Cow;
use std::sync::LazyLock;

use deadpool_redis::redis;

use super::code::Code;
use crate::failpoint::returned;

/// One script, ready to be called.
#[derive(Debug)]
pub struct Script {
    /// File name without its ending; the same word names the store's method and the metric's label.
    pub name: &'static str,
    /// Text of the file as it lies in `lua/`.
    pub file: &'static str,
    /// Text sent to the server.
    pub source: String,
    /// SHA-1 of that text, in hexadecimal.
    pub sha: String,
    /// Whether its first argument is the settings of the connection it is called on.
    pub takes_settings: bool,
}

macro_rules! scripts {
    ($($constant:ident = $name:literal;)*) => {
        $(
            #[doc = concat!("`lua/", $name, ".lua`")]
            pub(super) static $constant: LazyLock<Script> =
                LazyLock::new(|| complete($name, include_str!(concat!("../../../lua/", $name, ".lua"))));
        )*

        /// Every registered script.
        #[must_use]
        pub fn all() -> Vec<&'static Script> {
            vec![$(&*$constant),*]
        }
    };
}

scripts! {
    CONNECTION_OPEN = "connection_open";
    CONNECTION_HEARTBEAT = "connection_heartbeat";
    CONNECTION_CLASSIFY = "connection_classify";
    CONNECTION_CLOSE = "connection_close";
    CONNECTION_COUNT = "connection_count";
    CONNECTION_LIST = "connection_list";
    CONNECTION_READ = "connection_read";
    SESSION_READ = "session_read";
    SESSION_CENSUS = "session_census";
    SESSION_SKIM = "session_skim";
    SESSION_REVIEW = "session_review";
    SESSION_CONFIRM = "session_confirm";
    SESSION_SETTLE = "session_settle";
    SESSION_REPORT = "session_report";
    SESSION_REFUSE = "session_refuse";
    SESSION_OBSERVE = "session_observe";
    SESSION_WAKE = "session_wake";
    SESSION_HIBERNATE = "session_hibernate";
    SESSION_KEEP = "session_keep";
    SESSION_RESTORE = "session_restore";
    WAKE_CLAIM = "wake_claim";
    WAKE_CONFIRM = "wake_confirm";
    WAKE_DONE = "wake_done";
    WAKE_FAIL = "wake_fail";
    SLOT_TAKE = "slot_take";
    SLOT_RELEASE = "slot_release";
    SLOT_PLACE = "slot_place";
    PARTITION_SWEEP = "partition_sweep";
    PARTITION_WATERMARK = "partition_watermark";
    PARTITION_MODE = "partition_mode";
    PARTITION_RESTORED = "partition_restored";
    BRAKE_TAKE = "brake_take";
    BRAKE_READ = "brake_read";
    PARTITION_STATS = "partition_stats";
    LEASE_ACQUIRE = "lease_acquire";
    LEASE_RELEASE = "lease_release";
    LEASE_READ = "lease_read";
    GATEWAY_SEEN = "gateway_seen";
    GATEWAY_LIST = "gateway_list";
}

/// Text that several scripts share; each file of `lua/include/`.
const INCLUDES: [(&str, &str); 18] = [
    ("acting", include_str!("../../../lua/include/acting.lua")),
    ("due", include_str!("../../../lua/include/due.lua")),
    ("expire", include_str!("../../../lua/include/expire.lua")),
    ("guard", include_str!("../../../lua/include/guard.lua")),
    ("hands", include_str!("../../../lua/include/hands.lua")),
    ("idle", include_str!("../../../lua/include/idle.lua")),
    ("activity", include_str!("../../../lua/include/activity.lua")),
    ("limit", include_str!("../../../lua/include/limit.lua")),
    (
        "overdue_wake",
        include_str!("../../../lua/include/overdue_wake.lua"),
    ),
    ("prediction", include_str!("../../../lua/include/prediction.lua")),
    (
        "provisional",
        include_str!("../../../lua/include/provisional.lua"),
    ),
    ("ready", include_str!("../../../lua/include/ready.lua")),
    ("seen", include_str!("../../../lua/include/seen.lua")),
    ("session", include_str!("../../../lua/include/session.lua")),
    ("slots", include_str!("../../../lua/include/slots.lua")),
    ("terminated", include_str!("../../../lua/include/terminated.lua")),
    ("tombstones", include_str!("../../../lua/include/tombstones.lua")),
    ("version", include_str!("../../../lua/include/version.lua")),
];

/// The text of a file of `lua/`, which is part of this binary; but for the scripts a test of the tests breaks.
fn text(path: &str, embedded: &'static str) -> Cow<'static, str> {
    match returned!("scripts-from") {
        None => Cow::Borrowed(embedded),
        Some(directory) => std::fs::read_to_string(format!("{directory}/{path}"))
            .map(Cow::Owned)
            .expect("whoever turns the point on has copied all scripts there"),
    }
}

fn complete(name: &'static str, file: &'static str) -> Script {
    let body: String = text(&format!("{name}.lua"), file)
        .lines()
        .map(|line| match line.strip_prefix("--@include ") {
            Some(wanted) => INCLUDES
                .iter()
                .find(|(include, _)| *include == wanted)
                .map(|(_, embedded)| strip_comments(&text(&format!("include/{wanted}.lua"), embedded)))
                .expect("scripts include only files of lua/include; a test completes every script"),
            None => format!("{}\n", strip_comment(line)),
        })
        .collect();
    let codes: String = Code::ALL
        .iter()
        .filter(|(_, code)| names(&body, code))
        .map(|(code, word)| format!("local {word} = {}\n", *code as u8))
        .collect();
    let source = codes + &body;
    let sha = redis::Script::new(&source).get_hash().to_owned();
    Script {
        name,
        file,
        sha,
        takes_settings: file.contains("\n-- ARGV[1] settings JSON\n"),
        source,
    }
}

/// Comments are for the reader of the file; without them the server keeps about half the text.
fn strip_comments(text: &str) -> String {
    text.lines()
        .map(|line| format!("{}\n", strip_comment(line)))
        .collect()
}

fn strip_comment(line: &str) -> &str {
    if line.trim_start().starts_with("--") {
        ""
    } else {
        line
    }
}

/// Whether `body` holds `word` as a whole word.
fn names(body: &str, word: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
    body.match_indices(word).any(|(at, _)| {
        !body[..at].chars().next_back().is_some_and(inner)
            && !body[at + word.len()..].chars().next().is_some_and(inner)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_completes_with_the_codes_it_names() {
        for script in all() {
            assert!(!script.source.contains("--@include"), "{}", script.name);
            let defined = Code::ALL
                .iter()
                .filter(|(code, word)| {
                    script
                        .source
                        .contains(&format!("local {word} = {}\n", *code as u8))
                })
                .count();
            assert!(defined > 0, "{} answers no code", script.name);
            assert_eq!(script.sha.len(), 40);
        }
    }
}
