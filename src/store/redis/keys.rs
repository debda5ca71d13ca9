//! The only place that builds Redis keys: partitions, their hash tags, the keys of a session.
//!
//! A partition is one hash tag: everything a script touches shares one slot, on a single server and
//! on a cluster alike. Tags are chosen so that their slots are evenly spaced; naive ones would give
//! twelve masters between 11 and 28 partitions each, these give 21 or 22.

use std::fmt;
use std::sync::LazyLock;

use crc16::{State, XMODEM};

use crate::domain::SessionId;

/// Number of partitions; changing it means rebuilding the data.
pub const PARTITIONS: u16 = 256;
/// Bits of a Redis Cluster slot (0..16384) that lie within one partition.
const SLOT_BITS: u32 = 6;

/// The slot function of Redis Cluster, without hash tags: `CLUSTER KEYSLOT` on a cluster-mode server.
fn slot(text: &str) -> u16 {
    State::<XMODEM>::calculate(text.as_bytes()) % 16384
}

/// The slot of a key: of what its first braces hold, where they hold something.
pub(super) fn slot_of(key: &[u8]) -> u16 {
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let rest = &key[open + 1..];
        let close = rest.iter().position(|byte| *byte == b'}')?;
        (close > 0).then(|| &rest[..close])
    });
    State::<XMODEM>::calculate(tag.unwrap_or(key)) % 16384
}

/// Tag of each partition: its number, then the first letters whose slot lies in its range. Frozen:
/// another table would not find the data.
static TAGS: LazyLock<Vec<String>> = LazyLock::new(|| (0..PARTITIONS).map(find_tag).collect());

fn find_tag(partition: u16) -> String {
    let letters = ('a'..='z').map(String::from);
    let pairs = ('a'..='z').flat_map(|a| ('a'..='z').map(move |b| format!("{a}{b}")));
    let triples = ('a'..='z')
        .flat_map(|a| ('a'..='z').flat_map(move |b| ('a'..='z').map(move |c| format!("{a}{b}{c}"))));
    letters
        .chain(pairs)
        .chain(triples)
        .map(|suffix| format!("{partition:03}{suffix}"))
        .find(|tag| slot(tag) >> SLOT_BITS == partition)
        .expect("18,278 suffixes spread over 256 ranges reach each of them; a test walks all")
}

/// One of the [`PARTITIONS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition(u16);

impl Partition {
    /// The partition of a session: `CRC16(session id) mod 16384 / 64`.
    #[must_use]
    pub fn of(session: &SessionId) -> Self {
        Self(slot(session.as_str()) >> SLOT_BITS)
    }

    /// Every partition.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..PARTITIONS).map(Self)
    }

    /// Its number, 0 to 255.
    #[must_use]
    pub fn number(self) -> u16 {
        self.0
    }

    /// Its hash tag, without braces.
    #[must_use]
    pub fn tag(self) -> &'static str {
        &TAGS[usize::from(self.0)]
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The keys of a partition, named as in `docs/redis.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionKey {
    /// Hash: epoch, run id, watermark, hold, term, last generation, mode.
    Guard,
    /// Sorted set: session id, earliest time worth a look.
    Deadlines,
    /// Sorted set: `<sid>:<generation>`, when to try.
    Wakes,
    /// Stream: the outbox of Postgres.
    History,
    /// Set: session ids.
    Sessions,
    /// Hash: sessions by state, connections by protocol.
    Counts,
}

/// The keys of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionKey {
    /// Hash: the record.
    Session,
    /// Sorted set: connection id, last heartbeat in ms.
    Connections,
    /// Hash: connection id, JSON.
    Details,
}

/// Builds keys with one prefix.
#[derive(Debug, Clone)]
pub struct Keys {
    prefix: String,
}

impl Keys {
    /// Keys that begin with `prefix`.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
        }
    }

    /// A key of a partition.
    #[must_use]
    pub fn of_partition(&self, partition: Partition, key: PartitionKey) -> String {
        let name = match key {
            PartitionKey::Guard => "guard",
            PartitionKey::Deadlines => "deadlines",
            PartitionKey::Wakes => "wakes",
            PartitionKey::History => "history",
            PartitionKey::Sessions => "sessions",
            PartitionKey::Counts => "counts",
        };
        format!("{}:{{{}}}:{name}", self.prefix, partition.tag())
    }

    /// A key of a session.
    #[must_use]
    pub fn of_session(&self, session: &SessionId, key: SessionKey) -> String {
        self.within(Partition::of(session), session, key)
    }

    /// A key of a session whose partition is known: a heartbeat finds it once, before it is gathered.
    pub(super) fn within(&self, partition: Partition, session: &SessionId, key: SessionKey) -> String {
        let name = match key {
            SessionKey::Session => "}:session:",
            SessionKey::Connections => "}:connections:",
            SessionKey::Details => "}:details:",
        };
        [&self.prefix, ":{", partition.tag(), name, session.as_str()].concat()
    }

    /// The nine keys of the scripts of a session, in the order their headers give.
    #[must_use]
    pub fn of_record(&self, session: &SessionId) -> Vec<String> {
        let partition = Partition::of(session);
        vec![
            self.of_partition(partition, PartitionKey::Guard),
            self.of_session(session, SessionKey::Session),
            self.of_session(session, SessionKey::Connections),
            self.of_session(session, SessionKey::Details),
            self.of_partition(partition, PartitionKey::Deadlines),
            self.of_partition(partition, PartitionKey::Wakes),
            self.of_partition(partition, PartitionKey::History),
            self.of_partition(partition, PartitionKey::Sessions),
            self.of_partition(partition, PartitionKey::Counts),
        ]
    }

    /// Hash: the lease of the sweeper.
    #[must_use]
    pub fn leader(&self) -> String {
        format!("{}:leader", self.prefix)
    }

    /// Hash: the ledger of the brakes.
    #[must_use]
    pub fn brake(&self) -> String {
        format!("{}:brake", self.prefix)
    }

    /// Sorted set: wakes in flight over the installation. Shares its slot with the queue.
    #[must_use]
    pub fn waking(&self) -> String {
        format!("{}:{{w}}:waking", self.prefix)
    }

    /// Sorted set: wakes that wait for a slot.
    #[must_use]
    pub fn wake_queue(&self) -> String {
        format!("{}:{{w}}:wake-queue", self.prefix)
    }

    /// Sorted set: name of a gateway, when it last called.
    #[must_use]
    pub fn gateways(&self) -> String {
        format!("{}:gateways", self.prefix)
    }

    /// String: layout number and partition count.
    #[must_use]
    pub fn meta(&self) -> String {
        format!("{}:meta", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_tag_lies_in_the_slots_of_its_partition_and_begins_with_its_number() {
        for partition in Partition::all() {
            let tag = partition.tag();
            assert!(tag.starts_with(&format!("{partition:03}")), "{tag}");
            assert_eq!(slot(tag) / 64, partition.number(), "{tag}");
        }
    }

    proptest! {
        #[test]
        fn a_key_names_its_session_and_no_other(
            one in "[A-Za-z0-9][A-Za-z0-9._~-]{0,127}",
            other in "[A-Za-z0-9][A-Za-z0-9._~-]{0,127}",
        ) {
            let (Ok(one), Ok(other)) = (SessionId::parse(&one), SessionId::parse(&other)) else {
                return Ok(());
            };
            let keys = Keys::new("ct");
            let (mine, theirs) = (keys.of_record(&one), keys.of_record(&other));
            let partition = Partition::of(&one);
            prop_assert!(partition.number() < PARTITIONS);
            for key in &mine {
                // The first braces decide the slot; no id can hold any.
                let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
                prop_assert_eq!(tag, Some(partition.tag()), "{}", key);
            }
            for place in 1..4 {
                prop_assert_eq!(mine[place].rsplit(':').next(), Some(one.as_str()));
                prop_assert_eq!(mine[place] == theirs[place], one == other);
            }
        }
    }

    #[test]
    fn the_table_of_tags_is_frozen() {
        let all: String = Partition::all().map(Partition::tag).collect::<Vec<_>>().join(",");
        assert_eq!(State::<XMODEM>::calculate(all.as_bytes()), 33852, "{all}");
    }

    #[test]
    fn the_slot_function_is_the_one_of_redis_cluster() {
        // CLUSTER KEYSLOT foo = 12182, of the Redis documentation.
        assert_eq!(slot("foo"), 12182);
        for key in ["foo", "{foo}", "a{foo}b{bar}"] {
            assert_eq!(slot_of(key.as_bytes()), 12182, "{key}");
        }
        assert_eq!(slot_of(b"{}foo"), slot("{}foo"), "empty braces hold nothing");
    }
}
