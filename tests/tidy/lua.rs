//! Rules of the folder `lua/`: what a script must say of itself, that every script is known and called by its
//! name, and that `lua/README.md` lists them all. That they run is shown by the tests with a server.

use std::collections::BTreeSet;

use super::source::{Source, none, read, sources};

/// A script blocks the server and is read as one piece; the shared steps of a session are the one exception.
const LINES: usize = 90;
const LINES_OF: [(&str, usize); 1] = [("lua/include/session.lua", 170)];

/// Arguments beyond these are packed into one.
const MOST_ARGUMENTS: usize = 6;

const REGISTRY: &str = "src/store/redis/script.rs";
const CODES: &str = "src/store/redis/code.rs";
const README: &str = "lua/README.md";

/// Scripts and includes.
fn scripts() -> (Vec<Source>, Vec<Source>) {
    sources("lua")
        .into_iter()
        .partition(|source| !source.path.starts_with("lua/include/"))
}

fn name(source: &Source) -> String {
    let file = source
        .path
        .rsplit_once('/')
        .map_or(source.path.as_str(), |(_, file)| file);
    file.trim_end_matches(".lua").to_owned()
}

/// The comment a script begins with.
fn header(source: &Source) -> Vec<&str> {
    source
        .text
        .lines()
        .take_while(|line| line.starts_with("--"))
        .collect()
}

/// Texts between `before` and `after`, within one line.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Vec<&'a str> {
    let lines = text.lines().flat_map(|line| line.split(before).skip(1));
    lines
        .filter_map(|rest| rest.split_once(after))
        .map(|(found, _)| found)
        .collect()
}

fn both_ways(rule: &str, here: &BTreeSet<String>, there: &BTreeSet<String>) {
    let missing = here
        .difference(there)
        .map(|name| format!("{name}: missing there"));
    let extra = there.difference(here).map(|name| format!("{name}: only there"));
    none(rule, &missing.chain(extra).collect::<Vec<_>>());
}

#[test]
fn scripts_are_short() {
    let mut breaches = Vec::new();
    for source in sources("lua") {
        let own = LINES_OF.iter().find(|(path, _)| *path == source.path);
        let limit = own.map_or(LINES, |(_, lines)| *lines);
        let lines = source.text.lines().count();
        if lines > limit {
            breaches.push(format!("{}: {lines} lines, at most {limit}", source.path));
        }
    }
    none("a script does one thing", &breaches);
}

#[test]
fn every_script_is_registered_and_every_registered_one_exists() {
    let registry = read(REGISTRY);
    let registered = between(&registry, " = \"", "\";")
        .into_iter()
        .map(str::to_owned)
        .collect();
    let known_includes: BTreeSet<String> = between(&registry, "lua/include/", ".lua\"")
        .into_iter()
        .map(str::to_owned)
        .collect();
    let (scripts, includes) = scripts();
    both_ways(
        "lua/ against the registry",
        &scripts.iter().map(name).collect(),
        &registered,
    );
    both_ways(
        "lua/include/ against the registry",
        &includes.iter().map(name).collect(),
        &known_includes,
    );
    let used = scripts.iter().flat_map(|source| source.text.lines());
    let used = used
        .filter_map(|line| line.strip_prefix("--@include "))
        .map(str::to_owned)
        .collect();
    both_ways(
        "lua/include/ against what the scripts include",
        &known_includes,
        &used,
    );
}

#[test]
fn scripts_are_called_subject_and_verb() {
    let breaches: Vec<String> = (scripts().0.iter().map(name))
        .filter(|name| name.split('_').count() != 2)
        .collect();
    none("a script is called <subject>_<verb>", &breaches);
}

#[test]
fn headers_name_the_keys_and_arguments_that_the_body_takes() {
    let mut breaches = Vec::new();
    for source in scripts().0 {
        let header = header(&source);
        let body: String = source
            .text
            .lines()
            .skip(header.len())
            .map(|line| format!("{line}\n"))
            .collect();
        for kind in ["KEYS", "ARGV"] {
            let open = format!("{kind}[");
            let said: Vec<&str> = header
                .iter()
                .filter_map(|line| line.strip_prefix("-- ")?.strip_prefix(&*open)?.split(']').next())
                .collect();
            if said == ["i"] {
                // Any number of them: the body takes the list as a whole.
                if !body.contains(kind) {
                    breaches.push(format!("{}: {kind} is not used", source.path));
                }
                continue;
            }
            let wanted: Vec<String> = (1..=said.len()).map(|number| number.to_string()).collect();
            if said != wanted {
                breaches.push(format!("{}: {kind} in the header are {said:?}", source.path));
            }
            let taken: BTreeSet<&str> = between(&body, &open, "]").into_iter().collect();
            if taken != said.iter().copied().collect() {
                breaches.push(format!(
                    "{}: {kind} in the body are {taken:?}, in the header {said:?}",
                    source.path
                ));
            }
            if kind == "ARGV" && said.len() > MOST_ARGUMENTS {
                breaches.push(format!("{}: more than {MOST_ARGUMENTS} arguments", source.path));
            }
        }
    }
    none("the header lists exactly what the body takes", &breaches);
}

#[test]
fn keys_and_arguments_get_a_name_in_the_first_lines() {
    let mut breaches = Vec::new();
    for source in scripts().0 {
        let body = source.text.lines().enumerate().skip(header(&source).len());
        for (number, line) in body.skip_while(|(_, line)| line.starts_with("local ")) {
            if line.contains("KEYS[") || line.contains("ARGV[") {
                breaches.push(format!("{}:{}", source.path, number + 1));
            }
        }
    }
    none("the body never says ARGV[6]", &breaches);
}

#[test]
fn headers_say_what_is_returned_emitted_and_paid() {
    let mut breaches = Vec::new();
    for source in scripts().0 {
        let header = header(&source).join("\n");
        for word in ["Returns ", "Emits ", "Cost "] {
            if !header.contains(word) {
                breaches.push(format!("{}: no {word:?}", source.path));
            }
        }
    }
    for include in scripts().1 {
        if !include.text.starts_with("-- Included ") {
            breaches.push(format!("{}: must begin with where it is included", include.path));
        }
    }
    none("a reader needs nothing but the header", &breaches);
}

#[test]
fn the_readme_lists_every_script_and_every_code() {
    let readme = read(README);
    let rows = |columns: usize| {
        let rows = readme.lines().filter(|line| line.starts_with("| "));
        let cells = rows.map(|row| {
            row.trim_matches('|')
                .split(" | ")
                .map(str::trim)
                .collect::<Vec<_>>()
        });
        cells
            .filter(move |cells| cells.len() >= columns)
            .collect::<Vec<_>>()
    };
    let listed = rows(2).into_iter().filter_map(|cells| {
        cells[0]
            .strip_prefix('`')?
            .strip_suffix(".lua`")
            .map(str::to_owned)
    });
    let (scripts, includes) = scripts();
    let files = scripts
        .iter()
        .map(name)
        .chain(includes.iter().map(|file| format!("include/{}", name(file))));
    both_ways(
        "lua/ against the tables of lua/README.md",
        &files.collect(),
        &listed.collect(),
    );

    let enumeration = read(CODES);
    let numbered = enumeration
        .lines()
        .filter_map(|line| line.trim().strip_suffix(',')?.split_once(" = "));
    let word = |variant: &str| between(&enumeration, &format!("(Self::{variant}, \""), "\")").pop();
    let codes = numbered
        .filter_map(|(variant, number)| Some(format!("{number} {}", word(variant)?)))
        .collect();
    let told = rows(3).into_iter().filter_map(|cells| {
        cells[0]
            .parse::<u8>()
            .ok()
            .map(|number| format!("{number} {}", cells[1].trim_matches('`')))
    });
    both_ways(
        "src/store/redis/code.rs against lua/README.md",
        &codes,
        &told.collect(),
    );
}
