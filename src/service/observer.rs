//! What the platform shows, brought into the records: the leader watches, and looks again where a
//! record has seen another version than the watch.
//!
//! The watch is only the fast way. A failover can take back what an event had changed, and the event
//! never comes again: so every review names the version the record has seen.

mod interruptions;
mod together;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{FutureExt, StreamExt};
use tokio::sync::Notify;

use self::interruptions::Interruptions;
use self::together::{Kind, together};
use super::activity::Activity;
use super::gone::{Asked, gone};
use super::tell;
use crate::domain::SessionId;
use crate::domain::platform_object::PlatformObject;
use crate::lease::{self, Leadership};
use crate::lifecycle::Tasks;
use crate::platform::{ListScope, Platform, PlatformError, PlatformEvent};
use crate::store::StoreError;
use crate::store::redis::{Healthy, Heartbeats, Observation, Observed, RedisStore};

/// Observations written at once; each is one script call.
const AT_ONCE: usize = 64;
/// Objects missing in a list that are asked for at once.
const ASKED_AT_ONCE: usize = 16;

type Event = Result<PlatformEvent, PlatformError>;

/// A version that is not newer than one the record has seen.
struct Late {
    object: PlatformObject,
    over: String,
}

/// Watches the platform while this process leads.
#[derive(Clone)]
pub struct Observer {
    store: RedisStore,
    platform: Arc<dyn Platform>,
    activity: Activity,
    /// The newest version of each object that the watch has shown.
    shown: Arc<Mutex<HashMap<SessionId, PlatformObject>>>,
    /// Sessions whose observation could not be written yet.
    unwritten: Arc<Mutex<HashSet<SessionId>>>,
    interruptions: Interruptions,
    relist: Arc<Notify>,
    /// A list could not be worked off; it is asked for again when Redis answers.
    is_list_unfinished: Arc<AtomicBool>,
}

impl Observer {
    /// Watches `platform` and writes into `store`; keeps activities alive by what it has shown.
    #[must_use]
    pub fn new(store: RedisStore, platform: Arc<dyn Platform>, activity: Activity) -> Self {
        Self {
            store,
            platform,
            activity,
            shown: Arc::default(),
            unwritten: Arc::default(),
            interruptions: Interruptions::default(),
            relist: Arc::default(),
            is_list_unfinished: Arc::default(),
        }
    }

    /// Lists anew: Redis lost its data, or another server answers.
    pub fn relist(&self) {
        self.relist.notify_one();
    }

    /// Has the activity on the session's object kept alive, as far as the watch has shown the object.
    pub fn keep_activity(&self, session: &SessionId, heartbeats: Heartbeats) {
        if let Some(shown) = self.lock_shown().get(session) {
            self.activity.keep(shown, heartbeats);
        }
    }

    /// Tells those who look at its object that the session would sleep.
    pub async fn tell_would_hibernate(&self, session: &SessionId) {
        tell::would_hibernate(&self.store, self.platform.as_ref(), session).await;
    }

    /// Observes again where the record has seen another version than the watch.
    pub async fn compare(&self, session: &SessionId, seen: &str) {
        let shown = self
            .lock_shown()
            .get(session)
            .filter(|object| object.version != seen)
            .cloned();
        if let Some(object) = shown {
            self.write(object).await;
        }
    }

    /// The same of many that a look found healthy, some of them at once; and has their activity kept alive.
    pub async fn healthy(&self, found: &[Healthy]) {
        let newer: Vec<PlatformObject> = {
            let shown = self.lock_shown();
            let shown = found
                .iter()
                .filter_map(|found| Some((found, shown.get(&found.session)?)));
            shown
                .inspect(|(found, object)| {
                    if let Some(heartbeats) = found.heartbeats {
                        self.activity.keep(object, heartbeats);
                    }
                })
                .filter(|(found, object)| object.version != found.version)
                .map(|(_, object)| object.clone())
                .collect()
        };
        futures_util::stream::iter(newer)
            .for_each_concurrent(AT_ONCE, |object| self.write(object).map(drop))
            .await;
    }

    /// Writes what could not be written before.
    pub async fn write_late(&self) {
        if self.is_list_unfinished.swap(false, Ordering::Relaxed) {
            self.relist();
        }
        let late: Vec<SessionId> = self
            .unwritten
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .drain()
            .collect();
        for session in late {
            let shown = self.lock_shown().get(&session).cloned();
            if let Some(object) = shown {
                self.write(object).await;
            }
        }
    }

    /// Starts the watch of the leader.
    pub fn start(&self, mut leadership: Leadership, tasks: &Tasks) {
        let (observer, stopping) = (self.clone(), tasks.stopping());
        tasks.spawn_essential("observer", async move {
            while lease::leading(&mut leadership, &stopping).await.is_some() {
                // Sweeps ask too: the first of a term, and each that finds reason to. Whether such a sweep is
                // still to come cannot be told here: the term may have changed while this was watching, and
                // be given up and ours again now. A list begun twice costs little, one never begun everything.
                observer.relist();
                let mut lost = leadership.clone();
                tokio::select! {
                    () = observer.watch_when_asked() => {}
                    () = stopping.cancelled() => break,
                    lost = lost.wait_for(Option::is_none) => if lost.is_err() { break },
                }
            }
            Ok(())
        });
    }

    /// Waits until a list is asked for, then watches until one is asked for again.
    async fn watch_when_asked(&self) {
        self.relist.notified().await;
        loop {
            tokio::select! {
                () = self.watch() => {}
                () = self.relist.notified() => tracing::info!("listing all objects anew"),
            }
        }
    }

    async fn watch(&self) {
        let mut events = self.platform.watch().ready_chunks(AT_ONCE);
        let mut lists: HashMap<ListScope, HashSet<SessionId>> = HashMap::new();
        let mut older: Vec<Late> = Vec::new();
        while let Some(chunk) = events.next().await {
            for group in together(&chunk, kind) {
                match &group[0] {
                    Ok(PlatformEvent::Listed(_)) => {
                        for names in lists.values_mut() {
                            names.extend(objects(group).map(|object| object.session.clone()));
                        }
                        let late = self.bring_in(group).await;
                        older.extend(late.into_iter().flatten());
                    }
                    Ok(PlatformEvent::Changed(_)) => drop(self.bring_in(group).await),
                    Ok(PlatformEvent::ListStarted(scope)) => {
                        lists.insert(scope.clone(), HashSet::new());
                    }
                    Ok(PlatformEvent::ListDone(scope)) => {
                        self.interruptions.are_over();
                        let named = lists.remove(scope).unwrap_or_default();
                        self.list_done(scope, &named, std::mem::take(&mut older)).await;
                    }
                    Ok(PlatformEvent::Deleted(object)) => self.deleted(object).await,
                    Err(error) => self.interruptions.tell(error),
                }
            }
        }
    }

    /// Shows and writes these at once; gives those that are older than what the record has seen.
    async fn bring_in(&self, events: &[Event]) -> Vec<Option<Late>> {
        let objects: Vec<PlatformObject> = objects(events).cloned().collect();
        self.show(&objects);
        let writes = objects.into_iter().map(|object| self.write(object));
        futures_util::future::join_all(writes).await
    }

    /// Only the watch and its lists show: what is written late must not hide what was shown since.
    fn show(&self, objects: &[PlatformObject]) {
        let mut shown = self.lock_shown();
        for object in objects {
            shown.insert(object.session.clone(), object.clone());
        }
    }

    /// Writes one version; gives it back when the record says that it has seen a newer one.
    async fn write(&self, object: PlatformObject) -> Option<Late> {
        let session = object.session.clone();
        let seen = Observation::Object(object.clone());
        match tell::observe(&self.store, self.platform.as_ref(), &session, &seen).await {
            Ok(Observed::Older(over)) if over != object.version => Some(Late { object, over }),
            Ok(_) => None,
            Err(error) => {
                tracing::debug!(%session, %error, "an observation could not be written; it is tried again");
                self.unwritten
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(session);
                None
            }
        }
    }

    async fn deleted(&self, object: &PlatformObject) {
        self.lock_shown().remove(&object.session);
        let seen = Observation::Gone {
            uid: object.uid.clone(),
        };
        if let Err(error) = self.store.session_observe(&object.session, &seen).await {
            // A list does not name it, so it is asked about again.
            tracing::warn!(session = %object.session, %error, "a deletion could not be written");
            self.is_list_unfinished.store(true, Ordering::Relaxed);
        }
        if self.platform.has_successor(&object.session) {
            self.succeed(&object.session).await;
        }
    }

    /// Another object was that session's too, and may not change for long: nothing else would tell of it.
    async fn succeed(&self, session: &SessionId) {
        match self.platform.read(session).await {
            Ok(object) => {
                self.show(std::slice::from_ref(&object));
                self.write(object).await;
            }
            Err(PlatformError::Gone { .. }) => {}
            Err(error) => {
                tracing::debug!(%session, %error, "a workload in place of another could not be read; listing again");
                self.is_list_unfinished.store(true, Ordering::Relaxed);
            }
        }
    }

    /// What a complete list did not name may be gone: each is asked for by itself, since the list says
    /// nothing about objects made since. And versions that went down are checked against a later list.
    async fn list_done(&self, scope: &ListScope, named: &HashSet<SessionId>, older: Vec<Late>) {
        if let Err(error) = self.ask_for_absent(scope, named).await {
            tracing::warn!(%error, "sessions missing in the list could not be asked for; listing again");
            self.is_list_unfinished.store(true, Ordering::Relaxed);
        }
        let Some(first) = older.first() else { return };
        match self.platform.list_version(&first.object.session).await {
            Ok(list_version) => {
                for Late { object, over } in older {
                    let session = object.session.clone();
                    let seen = Observation::Restored {
                        object,
                        over,
                        list_version: list_version.clone(),
                    };
                    if let Err(error) = self.store.session_observe(&session, &seen).await {
                        tracing::debug!(%session, %error, "an observation could not be written");
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "the version of a list could not be asked for"),
        }
    }

    async fn ask_for_absent(&self, scope: &ListScope, named: &HashSet<SessionId>) -> Result<(), StoreError> {
        let known = self.store.sessions().await?;
        let absent = known
            .into_iter()
            .filter(|session| !named.contains(session) && scope.covers(session));
        let mut asked = futures_util::stream::iter(absent)
            .map(|session| async move {
                self.lock_shown().remove(&session);
                gone(&self.store, self.platform.as_ref(), &session).await
            })
            .buffer_unordered(ASKED_AT_ONCE);
        while let Some(answer) = asked.next().await {
            if answer? == Asked::Unanswered {
                // The rest would wait for the same silence, and events with it.
                self.is_list_unfinished.store(true, Ordering::Relaxed);
                break;
            }
        }
        Ok(())
    }

    fn lock_shown(&self) -> std::sync::MutexGuard<'_, HashMap<SessionId, PlatformObject>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn kind(event: &Event) -> Kind<'_> {
    match event {
        Ok(PlatformEvent::Listed(_)) => Kind::Listed,
        Ok(PlatformEvent::Changed(object)) => Kind::Change(&object.session),
        _ => Kind::Alone,
    }
}

/// What was listed, or changed.
fn objects(events: &[Event]) -> impl Iterator<Item = &PlatformObject> {
    events.iter().filter_map(|event| match event {
        Ok(PlatformEvent::Listed(object) | PlatformEvent::Changed(object)) => Some(object),
        _ => None,
    })
}
