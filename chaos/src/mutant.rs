//! Deliberate faults of the service: what the harness must notice, or it is worth nothing.
//!
//! Each breaks one rule of the protocol in an otherwise unchanged build, by a failpoint or by another text of a
//! script, and names the faults and settings under which that hurts somebody soon.

mod scripts;

use std::collections::BTreeMap;

use tempfile::TempDir;

use crate::fault::Kind;

/// One deliberate fault.
#[derive(Debug)]
pub struct Mutant {
    /// Its name.
    pub name: &'static str,
    /// What is broken.
    pub broken: &'static str,
    /// How it is noticed.
    pub noticed: &'static str,
    /// By which invariants.
    pub invariants: &'static [u8],
    /// Failpoints of every replica.
    failpoints: &'static [&'static str],
    /// Scripts that are changed: file, text, what stands there instead.
    scripts: &'static [(&'static str, &'static str, &'static str)],
    /// By how many ms the clock of each replica is wrong, where that matters.
    clocks_ms: &'static [i64],
    /// Faults under which it hurts.
    pub kinds: &'static [Kind],
    /// Flags of the service under which it hurts.
    flags: &'static [(&'static str, &'static str)],
}

const NONE: Mutant = Mutant {
    name: "",
    broken: "",
    noticed: "",
    invariants: &[],
    failpoints: &[],
    scripts: &[],
    clocks_ms: &[],
    kinds: &[],
    flags: &[],
};

/// All of them.
pub const ALL: [Mutant; 13] = [
    Mutant {
        name: "no_resource_version",
        broken: "patches carry no resourceVersion",
        noticed: "a late hibernation lands under a user",
        invariants: &[1, 8],
        failpoints: &["patch-without-version=return"],
        kinds: &[Kind::PlatformHoldsPatches],
        ..NONE
    },
    Mutant {
        name: "no_generation",
        broken: "patches carry no generation, so that a wake of a running object changes nothing",
        noticed: "a late hibernation lands under a user",
        invariants: &[1],
        failpoints: &["patch-without-generation=return"],
        kinds: &[Kind::PlatformHoldsPatches],
        ..NONE
    },
    Mutant {
        name: "no_confirm",
        broken: "a hibernation is sent without being confirmed",
        noticed: "a patch is sent although somebody came before, or a hold began",
        invariants: &[8],
        scripts: &[
            (
                "session_confirm.lua",
                "if record.state ~= 'hibernating' or record.generation ~= generation then return { OVER } end",
                "",
            ),
            (
                "session_confirm.lua",
                "if holding or mode ~= 'act' or live_count() > 0 then",
                "if false then",
            ),
        ],
        kinds: &[Kind::PlatformSlowReads],
        ..NONE
    },
    Mutant {
        name: "wake_does_not_write",
        broken: "a wake of an object that runs already writes nothing",
        noticed: "a late hibernation lands under a user",
        invariants: &[1],
        failpoints: &["wake-without-write=return"],
        kinds: &[Kind::PlatformHoldsPatches],
        ..NONE
    },
    Mutant {
        name: "count_without_expiry",
        broken: "connections count however long they have been silent",
        noticed: "a count that no order of the calls explains",
        invariants: &[3],
        scripts: &[
            (
                "include/session.lua",
                "  if holding then return redis.call('ZCARD', connections_key) end",
                "  if true then return redis.call('ZCARD', connections_key) end",
            ),
            (
                "connection_count.lua",
                "redis.call('ZCOUNT', connections_key, '(' .. int(now - settings.window_ms), '+inf')",
                "redis.call('ZCARD', connections_key)",
            ),
        ],
        kinds: &[Kind::ReplicaFreeze],
        ..NONE
    },
    Mutant {
        name: "expiry_leaves_a_tombstone",
        broken: "an expired connection leaves a tombstone, as a closed one does",
        noticed: "a user who never left is refused as closed",
        invariants: &[9],
        scripts: &[(
            "include/expire.lua",
            "tonumber(silent[i + 1]), 'expired')",
            "tonumber(silent[i + 1]), 'expired', settings.tombstone_ms)",
        )],
        kinds: &[Kind::GatewayCut],
        ..NONE
    },
    Mutant {
        name: "heartbeat_without_xx",
        broken: "a heartbeat adds the connection it does not find",
        noticed: "a heartbeat after the close is taken",
        invariants: &[3, 9],
        scripts: &[(
            "connection_heartbeat.lua",
            "'XX', 'CH', score, id)",
            "'CH', score, id)",
        )],
        kinds: &[Kind::LinkDelay],
        ..NONE
    },
    Mutant {
        name: "stamp_at_its_word",
        broken: "a heartbeat with a stamp older than the window is acknowledged, and may lower a score",
        noticed: "connections that beat in time are expired",
        invariants: &[1, 3, 9],
        failpoints: &["stamp-at-its-word=return", "stamp-wrong-by=return(-8000)"],
        kinds: &[Kind::ReplicaKill],
        ..NONE
    },
    Mutant {
        name: "replica_wall_clock",
        broken: "the clock of a replica decides who is live, and two of three are wrong",
        noticed: "connections that beat in time are expired",
        invariants: &[3, 9],
        scripts: &[
            (
                "include/expire.lua",
                "local oldest = int(now - settings.window_ms)",
                "local oldest = int(now + (settings.replica_clock_ms or 0) - settings.window_ms)",
            ),
            (
                "include/session.lua",
                "'(' .. int(now - settings.window_ms), '+inf')",
                "'(' .. int(now + (settings.replica_clock_ms or 0) - settings.window_ms), '+inf')",
            ),
        ],
        clocks_ms: &[0, 20_000, -20_000],
        kinds: &[Kind::ReplicaKill],
        flags: &[("sweeper-lease", "always")],
        ..NONE
    },
    Mutant {
        name: "no_hold",
        broken: "no hold after a loss, a gap, a step of the clock or another server",
        noticed: "hibernations and expiries before the hold is over",
        invariants: &[1, 6],
        scripts: &[(
            "include/guard.lua",
            "if now + duration > hold_until then",
            "if false then",
        )],
        kinds: &[Kind::RedisFlush, Kind::ClockForward, Kind::RedisFreeze],
        ..NONE
    },
    Mutant {
        name: "trim_before_commit",
        broken: "history is trimmed before Postgres has committed it",
        noticed: "acknowledged opens without a row",
        invariants: &[4],
        failpoints: &["trim-before-commit=return"],
        kinds: &[Kind::PostgresDown, Kind::PostgresFull, Kind::ReplicaKill],
        ..NONE
    },
    Mutant {
        name: "brake_off",
        broken: "the brake grants whatever is asked for",
        noticed: "more hibernations in a minute than the brake lets through",
        invariants: &[7],
        scripts: &[(
            "brake_take.lua",
            "math.min(demand.hibernate, math.max(0, limit - sums.h))",
            "demand.hibernate",
        )],
        kinds: &[Kind::LinkDelay],
        flags: &[
            ("brake-hibernations-per-minute", "10"),
            ("brake-hibernations-percent", "0"),
        ],
        ..NONE
    },
    Mutant {
        name: "claim_not_durable",
        broken: "whoever claims a wake takes it off the list",
        noticed: "an acknowledged open never ends in a running session",
        invariants: &[2, 13],
        scripts: &[(
            "wake_claim.lua",
            "redis.call('ZADD', wakes_key, 'XX', string.format('%.0f', now + claim), entry)",
            "redis.call('ZREM', wakes_key, entry)",
        )],
        kinds: &[Kind::ReplicaKill, Kind::PlatformErrors],
        ..NONE
    },
];

/// What makes a replica one of these.
#[derive(Debug)]
pub struct Made {
    /// Failpoints of each replica, by its number.
    pub failpoints: Vec<Vec<String>>,
    /// Flags of all.
    pub flags: BTreeMap<String, String>,
    /// Scripts they read; gone when dropped.
    _scripts: Option<TempDir>,
}

impl Mutant {
    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|mutant| mutant.name == name)
    }

    /// What makes `replicas` processes of it.
    ///
    /// # Errors
    /// The scripts no longer hold the text that it changes.
    pub fn make(&self, replicas: usize) -> anyhow::Result<Made> {
        let mut all: Vec<String> = self.failpoints.iter().map(|&point| point.to_owned()).collect();
        let directory = if self.scripts.is_empty() {
            None
        } else {
            Some(scripts::changed(self.scripts)?)
        };
        if let Some(directory) = &directory {
            all.push(format!("scripts-from=return({})", directory.path().display()));
        }
        let of_replica = |number: usize| {
            let mut failpoints = all.clone();
            if let Some(ms) = self.clocks_ms.get(number % self.clocks_ms.len().max(1)) {
                failpoints.push(format!("replica-clock=return({ms})"));
            }
            failpoints
        };
        let flags = self.flags.iter();
        Ok(Made {
            failpoints: (0..replicas).map(of_replica).collect(),
            flags: flags
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            _scripts: directory,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mutant_can_be_made_of_the_scripts_as_they_are() {
        for mutant in &ALL {
            let made = mutant
                .make(3)
                .unwrap_or_else(|error| panic!("{}: {error:#}", mutant.name));
            assert!(
                made.failpoints.iter().all(|of_replica| !of_replica.is_empty()),
                "{} changes nothing",
                mutant.name
            );
        }
    }
}
