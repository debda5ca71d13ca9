//! A way from the first state to a broken one, in words.

use std::fmt;

use crate::fingerprint::fingerprint;
use crate::state::{Object, State, Sweeper, Waker};
use crate::{Protocol, Step};

/// Steps, and the state after each.
#[derive(Debug)]
pub struct Trace {
    first: State,
    steps: Vec<(Step, State)>,
}

impl Trace {
    /// Walks the way of `fingerprints` again, this time keeping who is who.
    pub(crate) fn replayed(protocol: &Protocol, fingerprints: &[u64]) -> Self {
        let first = protocol.first_state();
        let mut steps: Vec<(Step, State)> = Vec::new();
        for expected in &fingerprints[1..] {
            let before = steps.last().map_or(&first, |(_, state)| state);
            let mut possible = Vec::new();
            protocol.enabled(before, &mut possible);
            let taken = possible.into_iter().find_map(|step| {
                let next = protocol.after(before, step);
                let mut ordered = next.clone();
                protocol.order(&mut ordered);
                (fingerprint(&ordered) == *expected).then_some((step, next))
            });
            steps.push(taken.expect("a state that was reached once is reached again"));
        }
        Self { first, steps }
    }

    /// The steps alone.
    pub fn steps(&self) -> impl Iterator<Item = Step> {
        self.steps.iter().map(|(step, _)| *step)
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "    {:<48} {}", "", Line(&self.first))?;
        for (number, (step, state)) in self.steps.iter().enumerate() {
            writeln!(
                formatter,
                "{:>3} {:<48} {}",
                number + 1,
                step.to_string(),
                Line(state)
            )?;
        }
        Ok(())
    }
}

/// One state in one line; what says nothing is left out. Generations are `g`, versions `v`, both as ranks of the moment.
struct Line<'a>(&'a State);

impl fmt::Display for Line<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0;
        match state.redis.record {
            None => write!(formatter, "unknown")?,
            Some(record) => {
                let fenced = if record.fenced { " fenced" } else { "" };
                write!(
                    formatter,
                    "{:?} g{}{fenced} seen v{}",
                    record.state, record.generation, record.version
                )?;
            }
        }
        if let Some(entry) = state.redis.wake_entry {
            write!(formatter, " wake g{entry}")?;
        }
        if state.redis.acting != 0 {
            write!(formatter, " acting {:b}", state.redis.acting)?;
        }
        if state.redis.is_holding {
            write!(formatter, " hold")?;
        }
        write!(
            formatter,
            " | object {} | {:?}",
            Seen(state.object),
            state.connections
        )?;
        for patch in &state.network {
            let what = if patch.hibernates { "hibernate" } else { "wake" };
            write!(
                formatter,
                " | patch {what} g{} on v{}",
                patch.generation, patch.version
            )?;
        }
        for sweeper in state.sweepers.iter().filter(|sweeper| **sweeper != Sweeper::Idle) {
            write!(formatter, " | sweeper {}", place(&format!("{sweeper:?}")))?;
        }
        for waker in state.wakers.iter().filter(|waker| **waker != Waker::Idle) {
            write!(formatter, " | waker {}", place(&format!("{waker:?}")))?;
        }
        Ok(())
    }
}

/// The name of the place alone; what was read or decided there shows in the steps before.
fn place(debugged: &str) -> &str {
    debugged.split_once(' ').map_or(debugged, |(name, _)| name)
}

struct Seen(Object);

impl fmt::Display for Seen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Object {
            runs,
            is_ready,
            annotation,
            version,
        } = self.0;
        let what = match (runs, is_ready) {
            (false, _) => "at rest",
            (true, false) => "starts",
            (true, true) => "runs",
        };
        write!(formatter, "{what} g{annotation} v{version}")
    }
}
