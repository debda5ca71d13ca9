//! Points at which the fault harness has a process die, or a rule of the protocol broken on purpose.
//!
//! Nothing of this is in a build without the feature `failpoints`: the macros are empty there. With it, the environment
//! variable `FAILPOINTS` says what happens where, as `name=action;name=action` in the words of the crate `fail`.
//!
//! Crash points die when their action is `return`. Where they are: before and after each script
//! (`<script>-before`, `<script>-after`), each call of the platform (`platform-read-..`, `platform-write-..`),
//! and what [`POINTS`] lists. The broken rules are `BROKEN`.

/// Crash points beside those of scripts and of the platform's calls.
pub const POINTS: [&str; 6] = [
    "history-commit-before",
    "history-commit-after",
    "history-trim-before",
    "history-trim-after",
    "mode-written-before",
    "mode-written-after",
];

/// Rules that can be broken, and how.
pub const BROKEN: [(&str, &str); 8] = [
    (
        "patch-without-version",
        "a patch carries no resourceVersion, so it never conflicts",
    ),
    (
        "patch-without-generation",
        "a patch carries no generation, and none is heeded",
    ),
    (
        "wake-without-write",
        "a wake of an object that runs already is called done and nothing is written",
    ),
    (
        "trim-before-commit",
        "history is taken off the stream before Postgres has committed it",
    ),
    (
        "scripts-from",
        "scripts are read from the directory that is given",
    ),
    (
        "replica-clock",
        "scripts get the given number of milliseconds by which this replica's clock is wrong",
    ),
    (
        "stamp-wrong-by",
        "stamps of heartbeats are wrong by the given number of milliseconds",
    ),
    (
        "stamp-at-its-word",
        "stamps are not checked, and may lower a score",
    ),
];

/// Dies here, as by kill -9, when the point is on.
macro_rules! crash_point {
    ($name:expr) => {
        $crate::failpoint::crash(|| {
            fail::fail_point!(&$name, |_| true);
            false
        })
    };
}

/// Whether a rule is broken here.
macro_rules! is_broken {
    ($name:expr) => {
        $crate::failpoint::ask(|| {
            fail::fail_point!($name, |_| true);
            false
        })
    };
}

/// What the action of a point returns, where it is on.
macro_rules! returned {
    ($name:expr) => {
        $crate::failpoint::ask(|| -> Option<String> {
            fail::fail_point!($name, |text| text);
            None
        })
    };
}

pub(crate) use {crash_point, is_broken, returned};

/// A failpoint returns from the function it stands in: this closure.
#[inline]
pub(crate) fn ask<T>(point: impl FnOnce() -> T) -> T {
    point()
}

/// Not by an unwinding end: nothing is flushed, closed or given back.
#[inline]
pub(crate) fn crash(is_hit: impl FnOnce() -> bool) {
    if is_hit() {
        std::process::abort();
    }
}

/// Reads `FAILPOINTS`; what it says holds as long as what is returned. Nothing where the feature is off.
#[must_use]
pub fn from_environment() -> Option<fail::FailScenario<'static>> {
    fail::has_failpoints().then(fail::FailScenario::setup)
}
