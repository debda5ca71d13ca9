//! The registry as it is compiled in, against the folder and its README.

use std::collections::BTreeMap;
use std::path::PathBuf;

use connection_tracker::store::redis::{Code, Settings, scripts};
use serde_json::Value;

use crate::support::settings::Flags;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("lua")
}

fn readme() -> String {
    std::fs::read_to_string(folder().join("README.md"))
        .expect("lua/README.md has the tables of codes and settings")
}

/// Cells of the rows of every table.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let rows = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix('|')?.strip_suffix('|'));
    rows.map(|row| row.split('|').map(|cell| cell.trim().trim_matches('`')).collect())
        .collect()
}

#[test]
fn every_file_is_registered_as_it_lies_there_and_the_reverse() {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "lua") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            files.insert(name, std::fs::read_to_string(&path).unwrap());
        }
    }
    let registered: BTreeMap<String, String> = scripts()
        .iter()
        .map(|script| (script.name.to_owned(), script.file.to_owned()))
        .collect();
    assert_eq!(files, registered);
}

#[test]
fn the_table_of_codes_in_the_readme_is_the_one_of_the_program() {
    let readme = readme();
    let written: BTreeMap<i64, String> = rows(&readme)
        .into_iter()
        .filter_map(|row| Some((row.first()?.parse().ok()?, (*row.get(1)?).to_owned())))
        .collect();
    let known: BTreeMap<i64, String> = Code::ALL
        .iter()
        .map(|(code, name)| (i64::from(*code as u8), (*name).to_owned()))
        .collect();
    assert_eq!(written, known);
    for (number, _) in written {
        assert!(Code::from_number(number).is_some(), "{number}");
    }
}

#[test]
fn the_table_of_settings_in_the_readme_is_what_scripts_get() {
    let packed: Value = serde_json::from_str(&Settings::new(&Flags::quick().config()).pack("run")).unwrap();
    let mut given: Vec<&str> = packed.as_object().unwrap().keys().map(String::as_str).collect();
    given.sort_unstable();
    let readme = readme();
    let section = readme
        .split("\n## ")
        .find(|text| text.starts_with("Settings"))
        .unwrap();
    let mut written: Vec<&str> = rows(section).into_iter().skip(2).map(|row| row[0]).collect();
    written.sort_unstable();
    assert_eq!(given, written);
}

#[test]
fn scripts_read_only_settings_that_they_are_given() {
    let packed: Value = serde_json::from_str(&Settings::new(&Flags::quick().config()).pack("run")).unwrap();
    for script in scripts() {
        for text in script.source.split("settings.").skip(1) {
            let field: String = text
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '_')
                .collect();
            assert!(
                packed.get(&field).is_some(),
                "{} reads settings.{field}",
                script.name
            );
        }
    }
}

/// A key that is not in KEYS may lie on another node of a cluster, where a single node would not notice.
#[test]
fn scripts_touch_only_keys_they_were_given() {
    for script in scripts() {
        for call in script.source.split("redis.call('").skip(1) {
            let Some((command, rest)) = call.split_once('\'') else {
                panic!("{}: {call}", script.name)
            };
            if command == "TIME" {
                continue;
            }
            let key: String = rest
                .trim_start_matches([',', ' '])
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || "_[]".contains(*c))
                .collect();
            // `key` runs over keys that were given: `for key, .. in pairs({ [deadlines_key] = .. })`.
            let runs_over_given =
                key == "key" && script.source.contains("for key, ") && !script.source.contains(" key = ");
            let is_given = key.ends_with("_key") || runs_over_given;
            assert!(is_given, "{}: {command} of {key:?}", script.name);
        }
    }
}
