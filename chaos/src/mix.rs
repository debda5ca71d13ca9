//! Which faults, how densely, on what kind of installation: the whole run, and short ones that follow from their seed.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};

use crate::fault::Kind;
use crate::fault::schedule::{Calm, Density};
use crate::history::Effect;

/// Kinds without a hold in a short run: few enough that each comes several times and they meet.
const FEW: usize = 9;
/// Long enough for the last faults to end, and then for a session to fall asleep as it was said to.
const CALM: Calm = Calm {
    after: Duration::from_secs(120),
    length: Duration::from_secs(30),
};

/// What a run is made of, beside its seed and length.
#[derive(Debug, Clone)]
pub struct Mix {
    /// The kinds of faults.
    pub kinds: Vec<Kind>,
    /// How densely they are made.
    pub density: Density,
    /// Flags of the service over those of every run.
    pub flags: BTreeMap<String, String>,
}

/// Everything, as a run that counts has it. By every other seed all processes lead, for good.
#[must_use]
pub fn whole(seed: u64) -> Mix {
    Mix {
        kinds: Kind::ALL.to_vec(),
        density: Density {
            every: Duration::from_secs(14),
            holds_every: Duration::from_secs(20),
            calm: Some(CALM),
        },
        flags: lease(if seed.is_multiple_of(2) { "always" } else { "redis" }),
    }
}

fn lease(kind: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("sweeper-lease".to_owned(), kind.to_owned())])
}

/// A part of everything, drawn by the seed, close together: for runs of half a minute.
#[must_use]
pub fn short(seed: u64, length: Duration) -> Mix {
    let mut random = StdRng::seed_from_u64(seed ^ 0x5EED);
    let (mut holding, mut passing): (Vec<Kind>, Vec<Kind>) =
        Kind::ALL.iter().partition(|kind| kind.effect() != Effect::None);
    holding.shuffle(&mut random);
    passing.shuffle(&mut random);
    let mut kinds: Vec<Kind> = passing.into_iter().take(FEW).collect();
    // A fault that starts a hold costs half of a short run: not in every one.
    if random.random_bool(0.5) {
        kinds.extend(holding.first());
    }
    let kind = *["redis", "redis", "always"]
        .choose(&mut random)
        .expect("it is not empty");
    Mix {
        kinds,
        density: Density {
            every: Duration::from_secs(6),
            holds_every: length,
            calm: None,
        },
        flags: lease(kind),
    }
}

/// These kinds alone, close together: to aim a run at one weakness.
#[must_use]
pub fn aimed(kinds: &[Kind], flags: BTreeMap<String, String>) -> Mix {
    Mix {
        kinds: kinds.to_vec(),
        density: Density {
            every: Duration::from_secs(3),
            holds_every: Duration::from_secs(16),
            calm: None,
        },
        flags,
    }
}
