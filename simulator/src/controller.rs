//! Plays the controllers of sessions and workloads: follows what an object wants and writes its
//! `status`, with the delays of real ones. What each kind wants and shows is in `session` and `workload`.
//!
//! Level-triggered: each object has at most one task, made for what the object wants now. Another
//! wish, or another object of that name, cancels it. So a stop that is taken back in time never
//! happens, and a start that is interrupted begins anew.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

mod session;
mod workload;

use crate::{
    app::{App, lock},
    kind::{Kind, Role},
    store::{Glance, Key},
};

/// How often an object really started and stopped: a session's phase went to and from Running, a
/// workload's first replica became ready and its last one went.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Counts {
    pub(crate) starts: u64,
    pub(crate) stops: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Controller {
    tasks: Mutex<HashMap<Place, Task>>,
    /// Outlives the objects, so that a test can ask after a deletion.
    counts: Mutex<BTreeMap<Place, Counts>>,
}

/// An object among those of all kinds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    /// Plural of its kind.
    pub(crate) resource: String,
    pub(crate) key: Key,
}

/// What the controller works towards for an object.
#[derive(Debug)]
struct Task {
    uid: String,
    goal: Goal,
    cancel: CancellationToken,
}

/// What an object wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    Session(session::State),
    Workload(workload::Wish),
}

/// How far the controller is on its way to a goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The wish was seen.
    Begin,
    /// It has come true.
    Reach,
}

impl Goal {
    /// None when the kind has no controller, or the object wants nothing that one knows.
    fn of(kind: &Kind, glance: &Glance) -> Option<Self> {
        match kind.role {
            Role::Session => session::State::parse(glance.spec.state.as_deref()).map(Self::Session),
            Role::Deployment | Role::StatefulSet => Some(Self::Workload(workload::Wish {
                role: kind.role,
                replicas: glance.spec.replicas?,
                generation: glance.metadata.generation?,
            })),
            Role::Custom | Role::TokenReview | Role::Event | Role::Namespace | Role::Definition => None,
        }
    }

    fn is_start(self) -> bool {
        match self {
            Self::Session(state) => state == session::State::Running,
            Self::Workload(wish) => wish.replicas > 0,
        }
    }

    fn write(self, object: &mut Value, step: Step, app: &App, key: &Key) {
        match self {
            Self::Session(state) => state.write(object, step, app, key),
            Self::Workload(wish) => wish.write(object, step),
        }
    }

    fn is_up(self, object: &Value) -> bool {
        match self {
            Self::Session(_) => session::is_up(object),
            Self::Workload(_) => workload::is_up(object),
        }
    }
}

impl Controller {
    /// Looks at an object after a change, whichever it was.
    pub(crate) fn consider(&self, app: &Arc<App>, kind: &Arc<Kind>, key: &Key) {
        let mut tasks = lock(&self.tasks);
        // Read under the lock of the tasks: of two changes at once, the later look sees both.
        let glance = app.store.get(kind.index, key).map(|record| record.glance());
        let wanted = glance.and_then(|glance| {
            let goal = Goal::of(kind, &glance)?;
            Some((glance.metadata.uid, goal))
        });
        let place = Place::new(kind, key);
        let Some((uid, goal)) = wanted else {
            if let Some(task) = tasks.remove(&place) {
                task.cancel.cancel();
            }
            return;
        };
        if tasks
            .get(&place)
            .is_some_and(|task| task.uid == uid && task.goal == goal)
        {
            return;
        }
        let cancel = app.stopping.child_token();
        let task = Task {
            uid: uid.clone(),
            goal,
            cancel: cancel.clone(),
        };
        if let Some(before) = tasks.insert(place, task) {
            before.cancel.cancel();
        }
        let (app, kind, key) = (Arc::clone(app), Arc::clone(kind), key.clone());
        app.tasks.clone().spawn(async move {
            cancel
                .run_until_cancelled(reach(&app, &kind, &key, &uid, goal))
                .await;
        });
    }

    /// The counts of one resource, name and namespace, or of all.
    pub(crate) fn counts(
        &self,
        resource: Option<&str>,
        namespace: Option<&str>,
        name: Option<&str>,
    ) -> Vec<(Place, Counts)> {
        lock(&self.counts)
            .iter()
            .filter(|(place, _)| {
                resource.is_none_or(|resource| resource == place.resource)
                    && namespace.is_none_or(|namespace| namespace == place.key.namespace)
                    && name.is_none_or(|name| name == place.key.name)
            })
            .map(|(place, counts)| (place.clone(), *counts))
            .collect()
    }

    /// The sums over all objects.
    pub(crate) fn totals(&self) -> Counts {
        lock(&self.counts)
            .values()
            .fold(Counts::default(), |sum, counts| Counts {
                starts: sum.starts + counts.starts,
                stops: sum.stops + counts.stops,
            })
    }
}

impl Place {
    fn new(kind: &Kind, key: &Key) -> Self {
        Self {
            resource: kind.plural.clone(),
            key: key.clone(),
        }
    }
}

/// Brings one object to what it wants; dropped when it wants something else.
async fn reach(app: &Arc<App>, kind: &Kind, key: &Key, uid: &str, goal: Goal) {
    write_status(app, kind, key, uid, goal, Step::Begin);
    let share = rand::random::<f64>();
    let begun = Instant::now();
    let mut settings = app.settings.subscribe();
    loop {
        // Judged again when the settings change, so that a long delay can be shortened under way.
        let delay = {
            let settings = settings.borrow_and_update();
            if goal.is_start() {
                settings.start_delay(share)
            } else {
                settings.stop_delay(share)
            }
        };
        tokio::select! {
            () = tokio::time::sleep_until(begun + delay) => break,
            _ = settings.changed() => {}
        }
    }
    write_status(app, kind, key, uid, goal, Step::Reach);
}

/// Writes the status unless the object meanwhile wants something else; counts what really changed.
fn write_status(app: &App, kind: &Kind, key: &Key, uid: &str, goal: Goal, step: Step) {
    let written = app.store.modify(kind.index, key, |object| {
        // Fields of a strange shape count as absent.
        let glance = Glance::deserialize(object).unwrap_or_default();
        if glance.metadata.uid != uid || Goal::of(kind, &glance) != Some(goal) {
            return Err(());
        }
        let mut next = object.clone();
        goal.write(&mut next, step, app, key);
        if next == *object {
            return Err(());
        }
        let is_up = [goal.is_up(object), goal.is_up(&next)];
        let mut counts = lock(&app.controller.counts);
        let counts = counts.entry(Place::new(kind, key)).or_default();
        counts.starts += u64::from(is_up == [false, true]);
        counts.stops += u64::from(is_up == [true, false]);
        Ok(next)
    });
    if let Some(Ok(written)) = written {
        tracing::debug!(
            resource = kind.plural,
            namespace = key.namespace,
            name = key.name,
            ?goal,
            ?step,
            version = written.record.version,
            "status"
        );
    }
}

/// The status of an object that has already reached what it wants, for many objects made at once.
pub(crate) fn settle(object: &mut Value, app: &App, kind: &Kind, key: &Key) {
    let glance = Glance::deserialize(&*object).unwrap_or_default();
    if let Some(goal) = Goal::of(kind, &glance) {
        goal.write(object, Step::Reach, app, key);
    }
}
