//! Statistics of the installation: what is counted, who holds, leads and reports, and how far the history
//! is behind. Read on demand, used again for a moment, so that a dashboard cannot load Redis.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use moka::future::Cache;

use super::TrackError;
use super::census::{Census, Censuses};
use super::listing::known_until;
use crate::domain::access::Scope;
use crate::domain::mode::ModeRecord;
use crate::lifecycle::Tasks;
use crate::store::StoreError;
use crate::store::postgres::Postgres;
use crate::store::redis::{Brakes, GatewayList, LeaseHolder, PartitionStats, RedisStore};

/// How long an overview is used again: it costs one small script in each partition.
const FRESH_FOR: Duration = Duration::from_secs(2);
/// Gateways that are shown.
const GATEWAYS: u32 = 1_000;
/// How long Postgres may take: its part is left out rather than waited for.
const POSTGRES_LIMIT: Duration = Duration::from_secs(2);

/// A time in which nothing expires and nothing hibernates, over all partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holds {
    /// Partitions that hold.
    pub partitions: u32,
    /// When the last of them ends, ms.
    pub until_ms: i64,
    /// When the first of them began, ms.
    pub since_ms: Option<i64>,
    /// Partitions by the reason of their hold.
    pub reasons: BTreeMap<String, u32>,
}

/// What the partitions say, added up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Earliest clock of a partition, ms.
    pub now_ms: i64,
    /// Partitions by the mode in force there.
    pub modes: BTreeMap<String, u32>,
    /// The hold, while there is one.
    pub holds: Option<Holds>,
    /// Connections by protocol, as the scripts keep count.
    pub protocols: BTreeMap<String, i64>,
    /// Entries of the history that wait for Postgres.
    pub history: u64,
    /// Everything before this instant is in Postgres, ms.
    pub known_until_ms: i64,
    /// Entries of the history that were not taken because a stream was full.
    pub dropped: u64,
    /// Sessions whose time to be looked at has come.
    pub overdue: u64,
    /// Wakes that are filed and not yet written to their object.
    pub wakes: u64,
}

/// One gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayStats {
    /// Its name; empty for connections that name none.
    pub name: String,
    /// When it last called, ms; `None` when that was not within a day.
    pub last_call_ms: Option<i64>,
    /// How long ago that was, ms.
    pub silent_ms: Option<i64>,
    /// Connections it holds, as the history knows; `None` when Postgres cannot be asked.
    pub open: Option<i64>,
}

/// The installation at one moment, but for what only a census knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// What the partitions say.
    pub totals: Totals,
    /// The brakes.
    pub brakes: Brakes,
    /// Who sweeps; `None` when nobody does.
    pub leader: Option<LeaseHolder>,
    /// When the leader began.
    pub leader_since: Option<Timestamp>,
    /// The mode as it was last set; `None` when it never was, or Postgres cannot be asked.
    pub mode: Option<ModeRecord>,
    /// Gateways, those that called last first.
    pub gateways: Vec<GatewayStats>,
    /// Gateways known, of which the list may show a part.
    pub gateways_known: u64,
    /// Entries that could not be written, counted up to 10,000; `None` when Postgres cannot be asked.
    pub dead_letters: Option<i64>,
    /// Why the parts of Postgres are missing.
    pub postgres_missing: Option<&'static str>,
}

/// Statistics.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The installation.
    pub overview: Arc<Overview>,
    /// What was counted; why not, when it was not.
    pub census: Result<Arc<Result<Census, StoreError>>, &'static str>,
}

/// Reads statistics.
#[derive(Clone)]
pub struct Stats {
    store: RedisStore,
    postgres: Postgres,
    censuses: Censuses,
    overviews: Cache<(), Arc<Overview>>,
}

impl Stats {
    /// Puts the use case together.
    #[must_use]
    pub fn new(store: RedisStore, postgres: Postgres, tasks: Tasks) -> Self {
        Self {
            censuses: Censuses::new(store.clone(), tasks),
            store,
            postgres,
            overviews: Cache::builder().max_capacity(1).time_to_live(FRESH_FOR).build(),
        }
    }

    /// The installation, and what is counted of the sessions within `scope`.
    ///
    /// # Errors
    /// [`TrackError::Store`] when Redis cannot be asked. Postgres may be away: its parts are missing then.
    pub async fn read(&self, scope: &Scope) -> Result<Snapshot, TrackError> {
        // Boxed: what several calls of Postgres keep is large, and most callers find it made.
        let overview = Box::pin(self.overviews.try_get_with((), async {
            let partitions = self.store.partition_stats_all().await?;
            Ok(Arc::new(Box::pin(self.overview(&partitions)).await?))
        }));
        let (overview, census) = tokio::join!(overview, self.censuses.census(scope));
        let overview = overview.map_err(|error: Arc<StoreError>| error.again())?;
        Ok(Snapshot {
            overview,
            census: census.ok_or("counting takes longer than a request may; ask again in some seconds"),
        })
    }

    /// What is counted of the sessions within `scope`; `None` when it could not be, or takes longer than a
    /// request may.
    pub async fn census(&self, scope: &Scope) -> Option<Arc<Census>> {
        let census = self.censuses.census(scope).await?;
        census
            .as_ref()
            .as_ref()
            .ok()
            .map(|census| Arc::new(census.clone()))
    }

    async fn overview(&self, partitions: &[PartitionStats]) -> Result<Overview, StoreError> {
        let (leader, seen, brakes) = tokio::join!(
            self.store.lease_read(),
            self.store.gateway_list(GATEWAYS as usize),
            self.store.brake_read()
        );
        let (leader, seen, brakes) = (leader?, seen?, brakes?);
        let from_postgres = async {
            let (history, mode, since) = tokio::join!(
                self.postgres.history_stats(GATEWAYS),
                self.postgres.mode(),
                async {
                    match &leader {
                        Some(leader) => self.postgres.term_won_at(leader.term, &leader.holder).await,
                        None => Ok(None),
                    }
                }
            );
            Ok::<_, StoreError>((history?, mode?, since?))
        };
        let from_postgres = match tokio::time::timeout(POSTGRES_LIMIT, from_postgres).await {
            Ok(Ok(found)) => Some(found),
            Ok(Err(error)) => {
                tracing::debug!(%error, "statistics without the part of Postgres");
                None
            }
            Err(_) => None,
        };
        let missing = from_postgres
            .is_none()
            .then_some("Postgres cannot be asked now; live state is not affected");
        let (history, mode, leader_since) = match from_postgres {
            Some((history, mode, since)) => (Some(history), mode, since),
            None => (None, None, None),
        };
        let open = history.as_ref().map(|history| &*history.open_by_gateway);
        Ok(Overview {
            totals: add_up(partitions),
            gateways: gateways(&seen, open),
            gateways_known: seen.known,
            brakes,
            leader,
            leader_since,
            mode,
            dead_letters: history.map(|history| history.dead_letters),
            postgres_missing: missing,
        })
    }
}

fn add_up(partitions: &[PartitionStats]) -> Totals {
    let mut totals = Totals {
        now_ms: partitions.iter().map(|stats| stats.now_ms).min().unwrap_or(0),
        known_until_ms: known_until(partitions).unwrap_or(0),
        ..Totals::default()
    };
    for stats in partitions {
        let mode = stats.guard.get("mode").map_or("observe", String::as_str);
        *totals.modes.entry(mode.to_owned()).or_default() += 1;
        for (name, count) in &stats.counts {
            if let Some(protocol) = name.strip_prefix("protocol:") {
                *totals.protocols.entry(protocol.to_owned()).or_default() += count;
            }
        }
        totals.history += stats.history;
        totals.dropped += stats
            .number("history_dropped")
            .map_or(0, |dropped| u64::try_from(dropped).unwrap_or(0));
        totals.overdue += stats.overdue;
        totals.wakes += stats.wakes;
        hold(&mut totals.holds, stats);
    }
    totals.protocols.retain(|_, count| *count > 0);
    totals
}

fn hold(holds: &mut Option<Holds>, stats: &PartitionStats) {
    let Some(until_ms) = stats.number("hold_until").filter(|until| *until > stats.now_ms) else {
        return;
    };
    let since_ms = stats.number("hold_since");
    let holds = holds.get_or_insert_with(|| Holds {
        partitions: 0,
        until_ms,
        since_ms,
        reasons: BTreeMap::new(),
    });
    holds.partitions += 1;
    holds.until_ms = holds.until_ms.max(until_ms);
    holds.since_ms = holds.since_ms.into_iter().chain(since_ms).min();
    let reason = stats.guard.get("hold_reason").map_or("unknown", String::as_str);
    *holds.reasons.entry(reason.to_owned()).or_default() += 1;
}

/// Those that called, then those that hold connections and have not called within a day.
fn gateways(seen: &GatewayList, open: Option<&[(String, i64)]>) -> Vec<GatewayStats> {
    let mut held: HashMap<&str, i64> = open
        .unwrap_or_default()
        .iter()
        .map(|(name, count)| (name.as_str(), *count))
        .collect();
    let mut gateways: Vec<GatewayStats> = seen
        .seen
        .iter()
        .map(|(name, at)| GatewayStats {
            name: name.clone(),
            last_call_ms: Some(*at),
            silent_ms: Some((seen.now_ms - at).max(0)),
            open: open.map(|_| held.remove(name.as_str()).unwrap_or(0)),
        })
        .collect();
    let silent = open.unwrap_or_default().iter();
    gateways.extend(
        silent
            .filter(|(name, _)| held.contains_key(name.as_str()))
            .map(|(name, count)| GatewayStats {
                name: name.clone(),
                last_call_ms: None,
                silent_ms: None,
                open: Some(*count),
            }),
    );
    gateways
}
