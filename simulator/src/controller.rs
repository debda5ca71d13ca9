//! Plays the session controller: follows `spec.state` and writes `status`, with the delays of a real one.
//!
//! Level-triggered: each object has at most one task, made for the state the object wants now. Another
//! state, or another object of that name, cancels it. So a stop that is taken back in time never
//! happens, and a start that is interrupted begins anew.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
};

use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    app::{App, lock},
    object::now_in_seconds,
    store::Key,
};

/// How often an object really started and stopped: transitions of the phase to and from Running.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Counts {
    pub(crate) starts: u64,
    pub(crate) stops: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Controller {
    goals: Mutex<HashMap<Key, Goal>>,
    /// Outlives the objects, so that a test can ask after a deletion.
    counts: Mutex<BTreeMap<Key, Counts>>,
}

/// What the controller works towards for an object.
#[derive(Debug)]
struct Goal {
    uid: String,
    state: State,
    cancel: CancellationToken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    Hibernated,
    Terminated,
}

impl State {
    fn parse(text: Option<&str>) -> Option<Self> {
        match text? {
            "running" => Some(Self::Running),
            "hibernated" => Some(Self::Hibernated),
            "terminated" => Some(Self::Terminated),
            _ => None,
        }
    }

    fn phase(self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Hibernated => "Hibernated",
            Self::Terminated => "Terminated",
        }
    }
}

impl Controller {
    /// Looks at an object after a change, whichever it was.
    pub(crate) fn consider(&self, app: &Arc<App>, key: &Key) {
        let mut goals = lock(&self.goals);
        // Read under the lock of the goals: of two changes at once, the later look sees both.
        let glance = app
            .store
            .get(app.sessions().index, key)
            .map(|record| record.glance());
        let wanted = glance.and_then(|glance| {
            let state = State::parse(glance.spec.state.as_deref())?;
            Some((glance.metadata.uid, state))
        });
        let Some((uid, state)) = wanted else {
            if let Some(goal) = goals.remove(key) {
                goal.cancel.cancel();
            }
            return;
        };
        if goals
            .get(key)
            .is_some_and(|goal| goal.uid == uid && goal.state == state)
        {
            return;
        }
        let cancel = app.stopping.child_token();
        let goal = Goal {
            uid: uid.clone(),
            state,
            cancel: cancel.clone(),
        };
        if let Some(before) = goals.insert(key.clone(), goal) {
            before.cancel.cancel();
        }
        let (app, key) = (Arc::clone(app), key.clone());
        app.tasks.clone().spawn(async move {
            cancel.run_until_cancelled(reach(&app, &key, &uid, state)).await;
        });
    }

    /// The counts of one name and namespace, or of all.
    pub(crate) fn counts(&self, namespace: Option<&str>, name: Option<&str>) -> Vec<(Key, Counts)> {
        lock(&self.counts)
            .iter()
            .filter(|(key, _)| {
                namespace.is_none_or(|namespace| namespace == key.namespace)
                    && name.is_none_or(|name| name == key.name)
            })
            .map(|(key, counts)| (key.clone(), *counts))
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

/// Brings one object to the state it wants; dropped when it wants another.
async fn reach(app: &Arc<App>, key: &Key, uid: &str, state: State) {
    if state == State::Running {
        write_status(app, key, uid, state, "Pending");
    }
    let share = rand::random::<f64>();
    let begun = Instant::now();
    let mut settings = app.settings.subscribe();
    loop {
        // Judged again when the settings change, so that a long delay can be shortened under way.
        let delay = {
            let settings = settings.borrow_and_update();
            if state == State::Running {
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
    write_status(app, key, uid, state, state.phase());
}

/// Writes the phase unless the object meanwhile wants something else; counts what really changed.
fn write_status(app: &App, key: &Key, uid: &str, state: State, phase: &str) {
    let written = app.store.modify(app.sessions().index, key, |object| {
        let is_ours =
            object["metadata"]["uid"] == uid && State::parse(object["spec"]["state"].as_str()) == Some(state);
        let before = object["status"]["phase"].as_str().unwrap_or_default().to_owned();
        if !is_ours || before == phase || (phase == "Pending" && before == "Running") {
            return Err(());
        }
        let mut next = object.clone();
        set_status(&mut next, app, key, phase);
        let is_running = [before == "Running", phase == "Running"];
        let mut counts = lock(&app.controller.counts);
        let counts = counts.entry(key.clone()).or_default();
        counts.starts += u64::from(is_running == [false, true]);
        counts.stops += u64::from(is_running == [true, false]);
        Ok(next)
    });
    if let Some(Ok(written)) = written {
        tracing::debug!(
            namespace = key.namespace,
            name = key.name,
            phase,
            version = written.record.version,
            "phase"
        );
    }
}

fn set_status(object: &mut Value, app: &App, key: &Key, phase: &str) {
    let ready = if phase == "Running" { "True" } else { "False" };
    if !object["status"].is_object() {
        object["status"] = json!({});
    }
    let status = &mut object["status"];
    status["phase"] = json!(phase);
    if phase == "Running" {
        // Kept through hibernation, as the real controller does.
        status["url"] = json!(format!("http://{}.{}", key.name, app.options.url_domain));
        status["podName"] = json!(format!("{}-0", key.name));
    }
    let mut conditions = match status["conditions"].take() {
        Value::Array(conditions) => conditions,
        _ => Vec::new(),
    };
    let before = conditions
        .iter()
        .position(|condition| condition["type"] == "Ready")
        .map(|at| conditions.remove(at));
    let since = before
        .filter(|condition| condition["status"] == ready)
        .and_then(|condition| condition["lastTransitionTime"].as_str().map(str::to_owned))
        .unwrap_or_else(now_in_seconds);
    conditions.push(json!({
        "type": "Ready", "status": ready, "reason": phase, "message": "", "lastTransitionTime": since,
    }));
    status["conditions"] = json!(conditions);
}

/// The status of an object that has already reached what it wants, for many objects made at once.
pub(crate) fn settle(object: &mut Value, app: &App, key: &Key) {
    if let Some(state) = State::parse(object["spec"]["state"].as_str()) {
        set_status(object, app, key, state.phase());
    }
}
