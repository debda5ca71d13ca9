//! `docs/configuration.md` is what `connection-tracker serve --help` says: made from the doc comments of `src/config`,
//! written anew with `UPDATE=1 cargo test --test configuration`.

use std::fmt::Write as _;
use std::fs;

use clap::{Arg, CommandFactory};
use connection_tracker::cli::Cli;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");
/// Stands before and after the tables.
const MARKER: &str = "<!-- configuration -->";

fn settings() -> Vec<Arg> {
    let mut cli = Cli::command();
    // Makes the settings of the whole program known to its commands.
    cli.build();
    let serve = cli.find_subcommand("serve").expect("there is a command serve");
    let is_setting = |arg: &&Arg| !["help", "version"].contains(&arg.get_id().as_str());
    serve.get_arguments().filter(is_setting).cloned().collect()
}

fn row(arg: &Arg) -> String {
    let variable = arg
        .get_env()
        .expect("every setting can come from the environment");
    let words = |values: Vec<String>| values.join(", ");
    let defaults = arg.get_default_values().iter();
    let default = words(
        defaults
            .map(|value| format!("`{}`", value.to_string_lossy()))
            .collect(),
    );
    let mut meaning = arg
        .get_help()
        .expect("every setting says what it means")
        .to_string();
    let possible: Vec<_> = arg
        .get_possible_values()
        .iter()
        .map(|value| value.get_name().to_owned())
        .collect();
    if arg.get_action().takes_values() && !possible.is_empty() {
        let _ = write!(meaning, " ({})", words(possible));
    }
    format!(
        "| `{}` | {default} | {} |",
        variable.to_string_lossy(),
        meaning.replace('|', "\\|")
    )
}

/// A table for each section, in the order of the help.
fn tables() -> String {
    let mut text = String::new();
    let mut section = None;
    for arg in settings() {
        let heading = arg.get_help_heading().unwrap_or("Log and traces").to_owned();
        if section.as_ref() != Some(&heading) {
            let _ = write!(
                text,
                "\n## {heading}\n\n| Variable | Default | Meaning |\n|---|---|---|\n"
            );
            section = Some(heading);
        }
        let _ = writeln!(text, "{}", row(&arg));
    }
    text.push('\n');
    text
}

#[test]
fn the_page_shows_every_setting_as_the_help_does() {
    let page = fs::read_to_string(PAGE).unwrap();
    let parts: Vec<&str> = page.split(MARKER).collect();
    assert_eq!(
        parts.len(),
        3,
        "docs/configuration.md must hold {MARKER} before and after the tables"
    );
    let wanted = tables();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(PAGE, [parts[0], &wanted, parts[2]].join(MARKER)).unwrap();
        return;
    }
    let differing: Vec<_> = wanted
        .lines()
        .filter(|line| !parts[1].lines().any(|other| other == *line))
        .collect();
    assert!(
        parts[1] == wanted,
        "docs/configuration.md is not what the settings are; run UPDATE=1 cargo test --test configuration. Missing or \
         out of place: {differing:#?}"
    );
}

#[test]
fn every_variable_has_the_one_prefix_and_belongs_to_one_setting() {
    let mut seen = Vec::new();
    for arg in settings() {
        let variable = arg.get_env().unwrap().to_string_lossy().into_owned();
        assert!(variable.starts_with("TRACKER_"), "{variable}");
        assert!(!seen.contains(&variable), "{variable} is read twice");
        seen.push(variable);
    }
}

#[test]
fn every_setting_with_a_secret_in_it_is_hidden_in_the_help() {
    for arg in settings() {
        let variable = arg.get_env().unwrap().to_string_lossy().into_owned();
        let is_secret = ["PASSWORD", "TOKEN", "SECRET"]
            .iter()
            .any(|word| variable.contains(word))
            || ["TRACKER_REDIS_URL", "TRACKER_POSTGRES_URL"].contains(&&*variable);
        assert_eq!(arg.is_hide_env_values_set(), is_secret, "{variable}");
    }
}
