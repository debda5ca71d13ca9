//! Rules of this repository that a program can check, read from the text of the files alone: no build, no server.
//!
//! A rule that nobody checks does not hold. What the compiler, clippy and rustfmt check is not repeated here.

#[path = "tidy/guarantees.rs"]
mod guarantees;
#[path = "tidy/lua.rs"]
mod lua;
#[path = "tidy/source.rs"]
mod source;

use std::collections::BTreeSet;
use std::io::Write as _;

use source::{Source, code, group_heads, none, sources, words_after};

/// Longer files are split; from the second number on a hint is printed.
const RUST_LINES: usize = 400;
const RUST_LINES_HINT: usize = 300;

/// Which top-level modules each may import: one direction, nothing points back.
const IMPORTS: [(&str, &[&str]); 12] = [
    ("domain", &[]),
    ("failpoint", &[]),
    ("lifecycle", &[]),
    ("config", &["domain"]),
    ("telemetry", &["config", "domain"]),
    ("store", &["config", "domain", "lifecycle", "telemetry"]),
    ("platform", &["config", "domain", "lifecycle", "telemetry"]),
    ("lease", &["config", "domain", "lifecycle", "telemetry", "store"]),
    (
        "service",
        &[
            "config",
            "domain",
            "lifecycle",
            "telemetry",
            "store",
            "platform",
            "lease",
        ],
    ),
    (
        "http",
        &[
            "config",
            "domain",
            "lifecycle",
            "telemetry",
            "store",
            "platform",
            "lease",
            "service",
        ],
    ),
    (
        "app",
        &[
            "config",
            "domain",
            "lifecycle",
            "telemetry",
            "store",
            "platform",
            "lease",
            "service",
            "http",
        ],
    ),
    (
        "cli",
        &[
            "config",
            "domain",
            "lifecycle",
            "telemetry",
            "store",
            "platform",
            "lease",
            "service",
            "http",
            "app",
        ],
    ),
];

/// May be named wherever a process may have to die: empty but for the fault harness.
const ANYWHERE: &str = "failpoint";

/// Crates that only one part of `src` may know.
const CONFINED: [(&str, &[&str]); 6] = [
    ("axum", &["src/http", "src/app.rs"]),
    ("kube", &["src/platform"]),
    ("k8s_openapi", &["src/platform"]),
    ("sqlx", &["src/store/postgres"]),
    ("jiff_sqlx", &["src/store/postgres"]),
    ("deadpool_redis", &["src/store/redis"]),
];

/// Last parts of the names of keys; only `keys.rs` puts names together.
const KEYS: [&str; 12] = [
    "connections",
    "session",
    "details",
    "guard",
    "deadlines",
    "wakes",
    "history",
    "sessions",
    "counts",
    "leader",
    "gateways",
    "meta",
];

/// Names that say nothing about what lives there.
const EMPTY_NAMES: [&str; 8] = [
    "util", "utils", "helper", "helpers", "common", "manager", "misc", "mod",
];

/// Top-level modules that a file of `src` names, by `crate::` or by enough `super::`.
fn imported(source: &Source) -> BTreeSet<String> {
    let text = code(&source.text, false);
    let inner = source.path.trim_start_matches("src/").trim_end_matches(".rs");
    let to_the_top = "super::".repeat(inner.split('/').count());
    let mut found = BTreeSet::new();
    for prefix in ["crate::", &to_the_top] {
        found.extend(words_after(&text, prefix).into_iter().map(str::to_owned));
        for (at, _) in text.match_indices(&format!("{prefix}{{")) {
            found.extend(
                group_heads(&text[at + prefix.len()..])
                    .into_iter()
                    .map(str::to_owned),
            );
        }
    }
    found.retain(|name| IMPORTS.iter().any(|(module, _)| module == name));
    found
}

#[test]
fn every_rust_file_begins_by_saying_what_lives_in_it() {
    let mut breaches = Vec::new();
    for source in sources("rs") {
        if !source.text.starts_with("//! ") {
            breaches.push(source.path);
        }
    }
    none(
        "the first line must be `//!` and what lives in the file",
        &breaches,
    );
}

#[test]
fn no_rust_file_is_longer_than_can_be_read_at_once() {
    let mut breaches = Vec::new();
    for source in sources("rs") {
        let lines = source.text.lines().count();
        if lines > RUST_LINES {
            breaches.push(format!("{}: {lines} lines", source.path));
        } else if lines > RUST_LINES_HINT {
            // Not by a macro: the harness would keep it back where the test passes.
            let hint = format!("hint: {} has {lines} lines; is it two things?\n", source.path);
            let _ = std::io::stderr().write_all(hint.as_bytes());
        }
    }
    none(&format!("at most {RUST_LINES} lines; split the file"), &breaches);
}

#[test]
fn modules_are_named_after_what_lives_in_them() {
    let mut breaches = Vec::new();
    for source in sources("rs").into_iter().chain(sources("lua")) {
        let has_empty_name = |part: &str| {
            let stem = part.split('.').next().unwrap_or(part);
            EMPTY_NAMES.contains(&stem) || stem.starts_with("new_")
        };
        if source.path.split('/').any(has_empty_name) {
            breaches.push(source.path);
        }
    }
    none(
        "no module is called mod, utils, helpers, common, manager or the like",
        &breaches,
    );
}

#[test]
fn imports_point_one_way() {
    let mut breaches = Vec::new();
    for source in sources("rs") {
        let Some(inner) = source.path.strip_prefix("src/") else {
            continue;
        };
        let module = inner.split(['/', '.']).next().unwrap();
        if ["lib", "main"].contains(&module) {
            continue;
        }
        let Some((_, allowed)) = IMPORTS.iter().find(|(name, _)| *name == module) else {
            breaches.push(format!(
                "{}: module {module} has no place in IMPORTS",
                source.path
            ));
            continue;
        };
        for name in imported(&source) {
            if name != module && name != ANYWHERE && !allowed.contains(&name.as_str()) {
                breaches.push(format!("{}: {module} may not import {name}", source.path));
            }
        }
    }
    none(
        "config, domain -> store, platform -> lease, service -> http -> app -> cli",
        &breaches,
    );
}

#[test]
fn foreign_crates_stay_in_their_part() {
    let mut breaches = Vec::new();
    for source in sources("rs") {
        let text = code(&source.text, false);
        for (name, places) in CONFINED {
            let is_used = !words_after(&text, &format!("{name}::")).is_empty();
            if source.path.starts_with("src/") && is_used && !source.is_below(places) {
                breaches.push(format!(
                    "{}: {name} belongs to {}",
                    source.path,
                    places.join(", ")
                ));
            }
        }
    }
    none(
        "axum, kube, sqlx and the Redis driver each have one place",
        &breaches,
    );
}

#[test]
fn only_keys_rs_knows_the_names_of_redis_keys() {
    let mut breaches = Vec::new();
    for source in sources("rs") {
        if !source.path.starts_with("src/") || source.path == "src/store/redis/keys.rs" {
            continue;
        }
        let text = code(&source.text, true);
        for key in KEYS {
            let is_path = |at: usize| text[..at].ends_with(':');
            let ends = [":", "\""].map(|end| format!(":{key}{end}"));
            if ends
                .iter()
                .any(|name| text.match_indices(name).any(|(at, _)| !is_path(at)))
            {
                breaches.push(format!("{}: a literal with :{key}", source.path));
            }
        }
    }
    none("keys are built in src/store/redis/keys.rs", &breaches);
}

#[test]
fn lints_are_expected_with_a_reason_and_never_allowed() {
    let mut breaches = Vec::new();
    for source in sources("rs") {
        let text: String = code(&source.text, false).split_whitespace().collect();
        if text.contains("[allow(") {
            breaches.push(source.path);
        }
    }
    none("write #[expect(lint, reason = \"...\")]", &breaches);
}

#[test]
fn lines_end_where_their_text_ends() {
    let mut breaches = Vec::new();
    for source in sources("rs")
        .into_iter()
        .chain(sources("lua"))
        .chain(sources("sql"))
    {
        for (number, line) in source.text.lines().enumerate() {
            if line.ends_with([' ', '\t']) || line.contains('\t') {
                breaches.push(format!("{}:{}", source.path, number + 1));
            }
        }
    }
    none("no trailing spaces and no tabs", &breaches);
}
