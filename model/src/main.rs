//! `big`: the larger worlds, as a table. `trace RULE`: what happens without a rule. Nothing of the model lives here.

mod worlds;

use std::io::{self, Write};
use std::time::Instant;

use connection_tracker_model::{Fence, Protocol, Rules, Size, explore};

use worlds::WORLDS;

/// More states than any world listed here has; a state takes about 60 bytes.
const LIMIT: usize = 40_000_000;

const USAGE: &str = "usage: connection-tracker-model big | trace RULE | rules";

/// Worlds in which a missing rule is looked for, the small ones first.
fn small() -> Vec<Size> {
    let one = Size::SMALLEST;
    let mut worlds = vec![
        one,
        Size {
            connections: 2,
            ..one
        },
        Size { sweepers: 2, ..one },
        Size { hands: 1, ..one },
        Size { losses: 1, ..one },
        Size {
            annotations: 1,
            ..one
        },
        Size {
            start_limits: 2,
            ..one
        },
        Size {
            start_limits: 1,
            connections: 2,
            ..one
        },
        Size { failovers: 1, ..one },
        Size { hands: 2, ..one },
        Size {
            starts_slowly: true,
            connections: 2,
            ..one
        },
    ];
    for mut world in worlds.clone() {
        world.fence = Fence::Timeout;
        worlds.push(world);
    }
    worlds.push(Size {
        fence: Fence::Timeout,
        starts_slowly: true,
        ..one
    });
    worlds
}

fn table(out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "| World | States | Depth | Time | Result |")?;
    writeln!(out, "|---|---|---|---|---|")?;
    for (name, size) in WORLDS {
        let began = Instant::now();
        let found = explore(&Protocol::whole(size), LIMIT, false);
        let seconds = began.elapsed().as_secs_f32();
        let result = match (found.broken.first(), found.is_cut) {
            (Some((property, trace)), _) => format!("{property}\n{trace}"),
            (None, true) => "cut off".to_owned(),
            (None, false) => "holds".to_owned(),
        };
        writeln!(
            out,
            "| {name} | {} | {} | {seconds:.1} s | {result} |",
            found.states, found.depth
        )?;
        out.flush()?;
    }
    Ok(())
}

fn trace(out: &mut impl Write, rule: &str) -> io::Result<()> {
    let Some(rules) = Rules::ALL.without(rule) else {
        return writeln!(out, "there is no rule {rule}; `rules` names them");
    };
    for size in small() {
        let found = explore(&Protocol { size, rules }, 2_000_000, false);
        if let Some((property, trace)) = found.broken.first() {
            return writeln!(out, "without {rule}, in {size:?}\n{property}\n{trace}");
        }
    }
    writeln!(out, "no small world needs {rule}; see tests/second_lines.rs")
}

fn main() -> io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut out = io::stdout().lock();
    match words[..] {
        ["big"] => table(&mut out),
        ["trace", rule] => trace(&mut out, rule),
        ["rules"] => Rules::NAMES.iter().try_for_each(|name| writeln!(out, "{name}")),
        _ => writeln!(out, "{USAGE}"),
    }
}
