//! Every promise and race that must be shown is named in a test, and every test that `docs/guarantees.md` names exists.

use std::collections::BTreeSet;

use super::source::{none, sources};

/// The others belong to parts of the service that are still to come.
const INVARIANTS: [u8; 14] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15];
const RACES: [u8; 23] = [
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 21, 22, 23, 24,
];

/// Names of tests are long sentences; other words in backticks are not.
const LONG: usize = 30;

#[test]
fn every_promise_and_race_is_named_in_a_test() {
    let mut named: BTreeSet<String> = BTreeSet::new();
    for source in sources("rs")
        .into_iter()
        .filter(|source| source.path.starts_with("tests/"))
    {
        for line in source
            .text
            .lines()
            .map(str::trim)
            .filter(|line| line.starts_with("/// "))
        {
            let lower = line.to_lowercase();
            for (kind, letter) in [("invariant", 'i'), ("race", 'r')] {
                if let Some(at) = lower.find(kind) {
                    // Up to the other kind, which may follow on the same line.
                    let rest = &lower[at + kind.len()..];
                    let rest = rest.split("race").next().unwrap_or(rest);
                    let numbers = rest
                        .split(|c: char| !c.is_ascii_digit())
                        .filter(|word| !word.is_empty());
                    named.extend(numbers.map(|number| format!("{letter}{number}")));
                }
            }
        }
    }
    let wanted = INVARIANTS
        .iter()
        .map(|number| format!("i{number}"))
        .chain(RACES.iter().map(|number| format!("r{number}")));
    let missing: Vec<String> = wanted.filter(|name| !named.contains(name)).collect();
    none(
        "each invariant (i) and race (r) is named in the first line of a test",
        &missing,
    );
}

#[test]
fn tests_named_in_the_guarantees_exist() {
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/guarantees.md"));
    let document = document.expect("docs/guarantees.md is part of the repository");
    let functions: BTreeSet<String> = (sources("rs").iter())
        .flat_map(|source| source.text.lines())
        .filter_map(|line| line.split_once("fn ")?.1.split_once('('))
        .map(|(name, _)| name.to_owned())
        .collect();
    let words = document.split('`').skip(1).step_by(2);
    let is_test =
        |word: &&str| word.len() > LONG && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let missing: Vec<String> = words
        .filter(is_test)
        .filter(|name| !functions.contains(*name))
        .map(str::to_owned)
        .collect();
    none("docs/guarantees.md names only tests that exist", &missing);
}
