//! The files of this repository as text, and the little of Rust's syntax that the rules need.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Where our own text lies; a folder that does not exist yet is passed over.
const FOLDERS: [&str; 8] = [
    "src",
    "bench",
    "client",
    "simulator",
    "tests",
    "examples",
    "benches",
    "lua",
];

/// One file.
pub(crate) struct Source {
    /// From the top of the repository, with `/`.
    pub(crate) path: String,
    /// As it lies there.
    pub(crate) text: String,
}

impl Source {
    /// Whether it is one of `places`, or lies in one.
    pub(crate) fn is_below(&self, places: &[&str]) -> bool {
        places.iter().any(|place| {
            let rest = self.path.strip_prefix(place);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || rest == ".rs")
        })
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn relative(path: &Path) -> String {
    let below = path
        .strip_prefix(root())
        .expect("all our folders lie below the top");
    below.to_str().expect("all our names are text").to_owned()
}

/// Every file of that ending below our folders.
pub(crate) fn sources(ending: &str) -> Vec<Source> {
    fn walk(folder: &Path, ending: &str, found: &mut Vec<Source>) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for path in entries.map(|entry| entry.expect("a folder of ours can be listed").path()) {
            if path.is_dir() {
                if !path.ends_with("target") {
                    walk(&path, ending, found);
                }
            } else if path.extension().is_some_and(|extension| extension == ending) {
                found.push(Source {
                    text: fs::read_to_string(&path)
                        .unwrap_or_else(|error| panic!("{}: {error}", path.display())),
                    path: relative(&path),
                });
            }
        }
    }
    let mut found = Vec::new();
    for folder in FOLDERS {
        walk(&root().join(folder), ending, &mut found);
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(
        !found.is_empty(),
        "no .{ending} file was found: the test looks in the wrong place"
    );
    found
}

/// Ends the test with every breach, so that one run shows all of them.
pub(crate) fn none(rule: &str, breaches: &[String]) {
    let mut text = String::new();
    for breach in breaches {
        let _ = write!(text, "\n  {breach}");
    }
    assert!(breaches.is_empty(), "{rule}:{text}");
}

/// The text without comments, and without the contents of literals where `keeps_literals` is false.
pub(crate) fn code(text: &str, keeps_literals: bool) -> String {
    let bytes: Vec<char> = text.chars().collect();
    let starts = |at: usize, what: &str| {
        what.chars()
            .enumerate()
            .all(|(i, c)| bytes.get(at + i) == Some(&c))
    };
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let before = at.checked_sub(1).map(|i| bytes[i]);
        let is_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let hashes = (bytes[at + 1..].iter()).take_while(|c| **c == '#').count();
        let (end, is_literal) = if starts(at, "//") {
            (find(&bytes, at, "\n").saturating_sub(1), false)
        } else if starts(at, "/*") {
            (find(&bytes, at + 2, "*/"), false)
        } else if bytes[at] == 'r' && !is_word && bytes.get(at + 1 + hashes) == Some(&'"') {
            let close = format!("\"{}", "#".repeat(hashes));
            (find(&bytes, at + 2 + hashes, &close), true)
        } else if bytes[at] == '"' {
            (end_of_string(&bytes, at), true)
        } else if starts(at, "'\\") || (bytes[at] == '\'' && bytes.get(at + 2) == Some(&'\'')) {
            (find(&bytes, at + 2, "'"), true)
        } else {
            out.push(bytes[at]);
            at += 1;
            continue;
        };
        if is_literal && keeps_literals {
            out.extend(&bytes[at..end]);
        }
        at = end.max(at + 1);
    }
    out
}

/// Just behind the next `what` from `at`, or the end.
fn find(chars: &[char], at: usize, what: &str) -> usize {
    let what: Vec<char> = what.chars().collect();
    let found = chars[at.min(chars.len())..]
        .windows(what.len())
        .position(|window| window == what);
    found.map_or(chars.len(), |offset| at + offset + what.len())
}

fn end_of_string(chars: &[char], start: usize) -> usize {
    let mut at = start + 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

/// Words in front of which `prefix` stands, as whole words.
pub(crate) fn words_after<'a>(text: &'a str, prefix: &str) -> Vec<&'a str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(prefix)
        .filter(|(at, _)| {
            !text[..*at]
                .chars()
                .next_back()
                .is_some_and(|c| is_word(c) || c == ':')
        })
        .map(|(at, _)| {
            let rest = &text[at + prefix.len()..];
            &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())]
        })
        .collect()
}

/// First words of the entries of `{a::b, c, d::{e, f}}`, which begins at the start of `text`.
pub(crate) fn group_heads(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut heads) = (0, 0, Vec::new());
    for (at, c) in text.char_indices() {
        let is_end = depth == 1 && (c == ',' || c == '}');
        if is_end {
            heads.push(text[start..at].split("::").next().unwrap_or("").trim());
        }
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if is_end || (depth == 1 && c == '{') {
            start = at + 1;
        }
    }
    heads
}
