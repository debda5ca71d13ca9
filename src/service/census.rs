//! The census: live connections of the whole installation (or of a scope), counted by the clock of Redis,
//! on demand, one count at a time, and never more often than it is cheap.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::domain::access::Scope;
use crate::domain::{SessionId, clock};
use crate::lifecycle::Tasks;
use crate::store::StoreError;
use crate::store::redis::{Partition, RedisStore};

/// How long a census is shown again; longer where counting takes long, so that it takes up at most a tenth
/// of the time whoever asks how often.
const FRESH_FOR: Duration = Duration::from_secs(3);
const FRESH_PER_EFFORT: u32 = 10;
/// How long a caller waits for a count before it is shown the one before, or none.
const WAIT: Duration = Duration::from_secs(4);
/// Partitions counted at once: hides the way to the server, and leaves it time for others.
const AT_ONCE: usize = 4;
/// Sessions with most connections that are kept for the list.
const TOP: usize = 10_000;
/// Scopes with a census of their own; beyond it all are forgotten and counted anew.
const SCOPES: usize = 64;

/// What a census found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Census {
    /// When it began, by the clock of this process, for people.
    pub counted_at_ms: i64,
    /// How long it took.
    pub took: Duration,
    /// Sessions with a record.
    pub sessions: u64,
    /// Connections tracked, those stale and not yet expired among them.
    pub tracked: u64,
    /// Live connections.
    pub live: u64,
    /// Those among them that count only because of a hold.
    pub unconfirmed: u64,
    /// Sessions with at least one live connection.
    pub connected_sessions: u64,
    /// Idle sessions that would sleep now in mode act with adopt all.
    pub would_sleep: u64,
    /// Those among them that sleep without it.
    pub are_eligible: u64,
    /// Sessions by the word of their state.
    pub states: BTreeMap<String, u64>,
    /// Sessions with most live connections, those with most first; at most 10,000.
    pub top: Vec<(u32, SessionId)>,
}

type Latest = Option<(Instant, Arc<Result<Census, StoreError>>)>;

/// One scope.
struct Counted {
    latest: watch::Sender<Latest>,
    is_counting: AtomicBool,
}

/// By the prefixes of the scope; `None`: every session.
type Scopes = HashMap<Option<Vec<String>>, Arc<Counted>>;

/// Lets the next count begin, however this one ends.
struct Counting(Arc<Counted>);

impl Drop for Counting {
    fn drop(&mut self) {
        self.0.is_counting.store(false, Ordering::Release);
    }
}

/// Counts; clones share what was counted.
#[derive(Clone)]
pub struct Censuses {
    store: RedisStore,
    tasks: Tasks,
    scopes: Arc<Mutex<Scopes>>,
}

impl Censuses {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(store: RedisStore, tasks: Tasks) -> Self {
        Self {
            store,
            tasks,
            scopes: Arc::default(),
        }
    }

    /// The census of a scope: a fresh one, else the one before if counting takes long, else `None`.
    pub async fn census(&self, scope: &Scope) -> Option<Arc<Result<Census, StoreError>>> {
        let counted = self.of(scope);
        let mut latest = counted.latest.subscribe();
        let asked = Instant::now();
        if let Some((until, census)) = latest.borrow_and_update().as_ref()
            && asked < *until
        {
            return Some(Arc::clone(census));
        }
        self.count(scope, &counted);
        // The count goes on when the caller leaves: the next one finds it.
        let _ = tokio::time::timeout(WAIT, latest.changed()).await;
        let latest = latest.borrow();
        latest.as_ref().map(|(_, census)| Arc::clone(census))
    }

    fn of(&self, scope: &Scope) -> Arc<Counted> {
        let mut scopes = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        let key = scope.prefixes().map(<[String]>::to_vec);
        if scopes.len() >= SCOPES && !scopes.contains_key(&key) {
            scopes.clear();
        }
        let counted = scopes.entry(key).or_insert_with(|| {
            Arc::new(Counted {
                latest: watch::Sender::new(None),
                is_counting: AtomicBool::new(false),
            })
        });
        Arc::clone(counted)
    }

    /// Starts a count unless one is on its way.
    fn count(&self, scope: &Scope, counted: &Arc<Counted>) {
        if counted.is_counting.swap(true, Ordering::AcqRel) {
            return;
        }
        let (store, scope, counted) = (self.store.clone(), scope.clone(), Arc::clone(counted));
        let counting = Counting(Arc::clone(&counted));
        self.tasks.spawn("census", async move {
            let began = Instant::now();
            let census = take(&store, &scope, began).await;
            let fresh_for = if census.is_ok() {
                (began.elapsed() * FRESH_PER_EFFORT).max(FRESH_FOR)
            } else {
                // Redis is away: the next caller asks again.
                Duration::ZERO
            };
            if let Ok(census) = &census
                && scope == Scope::All
            {
                let would_sleep = i64::try_from(census.would_sleep).unwrap_or(i64::MAX);
                store.metrics().sweep.would_sleep.set(would_sleep);
            }
            // Before the result is told, so that whoever finds it too old may start the next.
            drop(counting);
            let until = Instant::now() + fresh_for;
            counted.latest.send_replace(Some((until, Arc::new(census))));
        });
    }
}

async fn take(store: &RedisStore, scope: &Scope, began: Instant) -> Result<Census, StoreError> {
    let mut census = Census {
        counted_at_ms: clock::wall_now().as_millisecond(),
        took: Duration::ZERO,
        sessions: 0,
        tracked: 0,
        live: 0,
        unconfirmed: 0,
        connected_sessions: 0,
        would_sleep: 0,
        are_eligible: 0,
        states: BTreeMap::new(),
        top: Vec::new(),
    };
    // The least of those kept on top, so that it gives way.
    let mut top: BinaryHeap<Reverse<(u32, Reverse<SessionId>)>> = BinaryHeap::new();
    let mut slices = futures_util::stream::iter(Partition::all())
        .map(|partition| async move {
            let mut sessions = store.session_ids(partition).await?;
            sessions.retain(|session| scope.covers(session));
            store.session_census(partition, &sessions).await
        })
        .buffer_unordered(AT_ONCE);
    while let Some(slice) = slices.next().await {
        let slice = slice?;
        census.sessions += slice.sessions;
        census.tracked += slice.tracked;
        census.live += slice.live;
        census.unconfirmed += slice.unconfirmed;
        census.connected_sessions += slice.connected.len() as u64;
        census.would_sleep += slice.would_sleep;
        census.are_eligible += slice.are_eligible;
        for (state, sessions) in slice.states {
            *census.states.entry(state).or_default() += sessions;
        }
        for (session, live) in slice.connected {
            top.push(Reverse((live, Reverse(session))));
            if top.len() > TOP {
                top.pop();
            }
        }
    }
    let ordered = top.into_sorted_vec().into_iter();
    census.top = ordered
        .map(|Reverse((live, Reverse(session)))| (live, session))
        .collect();
    census.took = began.elapsed();
    Ok(census)
}
