//! Fingerprints of states, 64 bits: an exploration of ten million states mistakes one for another with a probability of three in a
//! million.

use std::hash::{BuildHasherDefault, Hash, Hasher};

use crate::state::State;

/// Multiplies and folds, a word at a time: states are short, and this is what explorations spend their time with.
struct Folding(u64);

const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

impl Folding {
    fn fold(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * u128::from(FACTOR);
        let (low, high) = (product & u128::from(u64::MAX), product >> 64);
        let folded = u64::try_from(low ^ high).expect("both halves have 64 bits");
        // A state of zero would stay zero whatever follows.
        self.0 = folded.wrapping_add(FACTOR).rotate_left(23);
    }
}

impl Hasher for Folding {
    fn finish(&self) -> u64 {
        let mut last = Self(self.0);
        last.fold(FACTOR.rotate_left(32));
        last.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.fold(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.fold(u64::from(number));
    }

    fn write_usize(&mut self, number: usize) {
        self.fold(number as u64);
    }
}

/// The fingerprint of a state.
pub(crate) fn fingerprint(state: &State) -> u64 {
    let mut hasher = Folding(FACTOR);
    state.hash(&mut hasher);
    hasher.finish()
}

/// For maps whose keys are fingerprints: random enough to be their own hash.
#[derive(Default)]
pub(crate) struct Itself(u64);

impl Hasher for Itself {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// Builds [`Itself`].
pub(crate) type ByItself = BuildHasherDefault<Itself>;
