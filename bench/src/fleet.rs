//! The connections of a run: which there are and which are open now, in blocks of one batch each.
//!
//! Nothing is kept of a single connection but of those that could not be opened: a million of them are a few kilobytes.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::names::Names;

/// Session and id of a connection.
pub(crate) type Pair = (String, String);

/// Connections, in blocks.
#[derive(Debug)]
pub struct Fleet {
    /// What they are called.
    pub names: Names,
    connections: usize,
    block: usize,
    blocks: Vec<Block>,
    /// Connections that the service would not have.
    excluded: Mutex<HashSet<usize>>,
    has_excluded: AtomicBool,
    open: AtomicUsize,
}

#[derive(Debug, Default)]
struct Block {
    is_tried: AtomicBool,
    is_beating: AtomicBool,
    life: AtomicU8,
}

impl Fleet {
    /// `connections` connections in blocks of `block`; none is open yet.
    #[must_use]
    pub fn new(names: Names, connections: usize, block: usize) -> Self {
        let block = block.max(1);
        Self {
            names,
            connections,
            block,
            blocks: (0..connections.div_ceil(block))
                .map(|_| Block::default())
                .collect(),
            excluded: Mutex::default(),
            has_excluded: AtomicBool::new(false),
            open: AtomicUsize::new(0),
        }
    }

    /// How many connections there are to be.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections
    }

    /// How many blocks they are in.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// How many connections were opened so far.
    #[must_use]
    pub fn opened(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// The numbers of the connections of a block.
    #[must_use]
    pub fn numbers(&self, block: usize) -> Range<usize> {
        let first = block * self.block;
        first..(first + self.block).min(self.connections)
    }

    /// The block of a connection.
    pub(crate) fn block_of(&self, number: usize) -> usize {
        number / self.block
    }

    /// Whether its connections send heartbeats.
    #[must_use]
    pub fn is_beating(&self, block: usize) -> bool {
        self.blocks[block].is_beating.load(Ordering::Acquire)
    }

    /// Whether any of its connections may be open at the service.
    pub(crate) fn is_tried(&self, block: usize) -> bool {
        self.blocks[block].is_tried.load(Ordering::Acquire)
    }

    pub(crate) fn set_tried(&self, block: usize) {
        self.blocks[block].is_tried.store(true, Ordering::Release);
    }

    /// From now on its connections send heartbeats, or fall silent.
    pub fn set_beating(&self, block: usize, is_beating: bool) {
        self.blocks[block].is_beating.store(is_beating, Ordering::Release);
    }

    /// How often its connections were opened anew.
    pub(crate) fn life(&self, block: usize) -> u8 {
        self.blocks[block].life.load(Ordering::Acquire)
    }

    /// Its connections get new ids.
    pub(crate) fn next_life(&self, block: usize) {
        self.blocks[block].life.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn add_opened(&self, count: usize) {
        self.open.fetch_add(count, Ordering::Relaxed);
    }

    fn excluded(&self) -> MutexGuard<'_, HashSet<usize>> {
        self.excluded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The service would not have this one: it sends no heartbeats, which would be refused for nothing.
    pub(crate) fn exclude(&self, number: usize) {
        self.excluded().insert(number);
        self.has_excluded.store(true, Ordering::Release);
    }

    /// Of these, the numbers that were not refused.
    pub(crate) fn present(&self, numbers: Range<usize>) -> Vec<usize> {
        if !self.has_excluded.load(Ordering::Acquire) {
            return numbers.collect();
        }
        let excluded = self.excluded();
        numbers.filter(|number| !excluded.contains(number)).collect()
    }

    /// Session and id of a connection, as it is called now.
    #[must_use]
    pub fn pair(&self, number: usize) -> Pair {
        let life = self.life(self.block_of(number));
        (self.names.session_of(number), self.names.connection(number, life))
    }

    /// Sessions and ids of these, but for those that were refused.
    pub(crate) fn pairs(&self, numbers: Range<usize>) -> Vec<Pair> {
        let present = self.present(numbers).into_iter();
        present.map(|number| self.pair(number)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_hold_every_connection_once_and_the_last_may_be_short() {
        let fleet = Fleet::new(Names::new("s", 4), 25, 10);
        let all: Vec<usize> = (0..fleet.blocks())
            .flat_map(|block| fleet.numbers(block))
            .collect();
        assert_eq!(all, (0..25).collect::<Vec<_>>());
        assert_eq!((fleet.blocks(), fleet.numbers(2)), (3, 20..25));
    }

    #[test]
    fn refused_ones_are_left_out_and_a_new_life_is_a_new_id() {
        let fleet = Fleet::new(Names::new("s", 4), 25, 10);
        fleet.exclude(3);
        let before = fleet.pairs(0..10);
        assert_eq!(before.len(), 9);
        fleet.next_life(0);
        let after = fleet.pairs(0..10);
        assert!(
            before
                .iter()
                .zip(&after)
                .all(|(old, new)| old.0 == new.0 && old.1 != new.1)
        );
    }
}
