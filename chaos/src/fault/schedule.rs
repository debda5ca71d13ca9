//! When which fault is made: follows from the seed, the length and the kinds alone.
//!
//! Kinds that start no hold are strewn evenly over the run; those that do take turns, each with time enough
//! for its hold to end and for life to go on before the next. Between spans of faults there may be calm ones, in
//! which what the service says of the future can be held against what comes.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use super::Kind;
use crate::history::Effect;

/// One fault to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// From the begin of the run.
    pub at: Duration,
    /// What.
    pub kind: Kind,
    /// Seed of its own choices: target, length, severity.
    pub draw: u64,
}

/// How densely faults are made.
#[derive(Debug, Clone, Copy)]
pub struct Density {
    /// Between two faults of one kind that starts no hold.
    pub every: Duration,
    /// Between two faults that start a hold.
    pub holds_every: Duration,
    /// Spans without a new fault, if any.
    pub calm: Option<Calm>,
}

/// Calm spans.
#[derive(Debug, Clone, Copy)]
pub struct Calm {
    /// How long faults are made before each.
    pub after: Duration,
    /// How long each is.
    pub length: Duration,
}

impl Density {
    /// The time in which faults are made.
    fn busy(self, length: Duration) -> Duration {
        let Some(calm) = self.calm else { return length };
        let round = calm.after + calm.length;
        let rounds = length.div_duration_f64(round).floor();
        let rest = length.saturating_sub(round.mul_f64(rounds));
        calm.after.mul_f64(rounds) + rest.min(calm.after)
    }

    /// An instant of that time, as one of the run.
    fn in_run(self, at: Duration) -> Duration {
        let Some(calm) = self.calm else { return at };
        at + calm.length.mul_f64(at.div_duration_f64(calm.after).floor())
    }
}

/// The faults of a run of this length, in order.
#[must_use]
pub fn plan(seed: u64, length: Duration, kinds: &[Kind], density: Density) -> Vec<Planned> {
    let mut random = StdRng::seed_from_u64(seed);
    let length = density.busy(length);
    let mut planned = Vec::new();
    let (holding, passing): (Vec<Kind>, Vec<Kind>) =
        kinds.iter().partition(|kind| kind.effect() != Effect::None);
    for kind in passing {
        // Not every crash point is reached in its time.
        let times = if kind == Kind::ReplicaCrash { 2.0 } else { 1.0 };
        let count = (times * length.as_secs_f64() / density.every.as_secs_f64())
            .ceil()
            .max(1.0);
        let stratum = length.div_f64(count);
        let mut begin = Duration::ZERO;
        while begin + stratum <= length + Duration::from_millis(1) {
            planned.push(Planned {
                at: begin + stratum.mul_f64(random.random_range(0.0..1.0)),
                kind,
                draw: random.random(),
            });
            begin += stratum;
        }
    }
    let mut turn: Vec<Kind> = Vec::new();
    let mut at = density.holds_every.mul_f64(random.random_range(0.4..0.8));
    while !holding.is_empty() && at < length {
        if turn.is_empty() {
            turn.clone_from(&holding);
            turn.shuffle(&mut random);
        }
        let kind = turn.pop().expect("it was filled");
        planned.push(Planned {
            at,
            kind,
            draw: random.random(),
        });
        at += density.holds_every;
    }
    for fault in &mut planned {
        fault.at = density.in_run(fault.at);
    }
    planned.sort_by_key(|fault| fault.at);
    planned
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: Calm = Calm {
        after: Duration::from_secs(120),
        length: Duration::from_secs(30),
    };
    const DENSITY: Density = Density {
        every: Duration::from_secs(14),
        holds_every: Duration::from_secs(20),
        calm: Some(CALM),
    };

    #[test]
    fn the_same_seed_gives_the_same_schedule_and_another_seed_another() {
        let minute = Duration::from_secs(60);
        let of = |seed| plan(seed, minute, &Kind::ALL, DENSITY);
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
    }

    #[test]
    fn ten_minutes_hold_at_least_thirty_of_each_kind_without_and_three_of_each_with_a_hold() {
        let planned = plan(1, Duration::from_secs(600), &Kind::ALL, DENSITY);
        for kind in Kind::ALL {
            let count = planned.iter().filter(|fault| fault.kind == kind).count();
            let wanted = if kind.effect() == Effect::None { 30 } else { 3 };
            assert!(count >= wanted, "{}: {count}", kind.word());
        }
    }

    #[test]
    fn no_fault_is_made_in_a_calm_span() {
        let planned = plan(1, Duration::from_secs(600), &Kind::ALL, DENSITY);
        let round = CALM.after + CALM.length;
        let since_round = |at: Duration| Duration::from_nanos_u128(at.as_nanos() % round.as_nanos());
        assert!(planned.iter().all(|fault| since_round(fault.at) < CALM.after));
        assert!(planned.iter().any(|fault| fault.at > 3 * round));
    }
}
