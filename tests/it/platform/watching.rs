//! The watch: lists, changes, and going on after every kind of interruption.

use connection_tracker::config::KubernetesConfig;
use connection_tracker::domain::platform_object::{Desired, PlatformObject};
use connection_tracker::domain::{Generation, SessionId};
use connection_tracker::platform::{CustomResource, ListScope, Platform, PlatformError, PlatformEvent};
use connection_tracker_simulator::{GoneAs, Options, Schema, Settings};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use serde_json::json;

use super::{Bench, id, within};

type Step = Result<PlatformEvent, PlatformError>;

/// A watch, with its deadlines.
struct Watching(BoxStream<'static, Step>);

impl Watching {
    async fn next(&mut self) -> Step {
        within("the next event", self.0.next())
            .await
            .expect("a watch does not end")
    }

    /// The steps up to the first that fits, which is the last of them.
    async fn until(&mut self, what: &str, fits: impl Fn(&Step) -> bool) -> Vec<Step> {
        let mut steps = Vec::new();
        within(what, async {
            loop {
                let step = self.next().await;
                let is_last = fits(&step);
                steps.push(step);
                if is_last {
                    return;
                }
            }
        })
        .await;
        steps
    }
}

fn is_done(step: &Step) -> bool {
    matches!(step, Ok(PlatformEvent::ListDone(_)))
}

fn listed(steps: &[Step]) -> Vec<&SessionId> {
    let mut sessions: Vec<_> = steps
        .iter()
        .filter_map(|step| match step {
            Ok(PlatformEvent::Listed(object)) => Some(&object.session),
            _ => None,
        })
        .collect();
    sessions.sort();
    sessions
}

fn changed(step: &Step) -> Option<&PlatformObject> {
    match step {
        Ok(PlatformEvent::Changed(object)) => Some(object),
        _ => None,
    }
}

/// Writes the object whatever its version is.
async fn write(platform: &CustomResource, session: &SessionId, desired: Desired, generation: u64) {
    within("a write without conflict", async {
        loop {
            let version = platform.read(session).await.unwrap().version;
            match platform
                .write(session, desired, Generation(generation), &version)
                .await
            {
                Ok(_) => return,
                Err(PlatformError::Conflict { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    })
    .await;
}

#[tokio::test]
async fn the_watch_lists_and_then_follows() {
    let bench = Bench::start().await;
    let platform = bench.platform().await;
    bench.create("default", "x", "running").await;
    bench.create("default", "y", "hibernated").await;
    let mut watch = Watching(platform.watch());
    let steps = watch.until("the list", is_done).await;
    assert!(matches!(&steps[0], Ok(PlatformEvent::ListStarted(scope)) if *scope == ListScope::all()));
    assert_eq!(listed(&steps), [&id("x"), &id("y")]);

    write(&platform, &id("x"), Desired::Hibernated, 5).await;
    let is_ours = |step: &Step| changed(step).is_some_and(|object| object.annotation == Some(Generation(5)));
    let steps = watch.until("our write", is_ours).await;
    assert_eq!(
        changed(steps.last().unwrap()).unwrap().desired,
        Desired::Hibernated
    );

    bench.delete("default", "x").await;
    let steps = watch
        .until("the deletion", |step| {
            matches!(step, Ok(PlatformEvent::Deleted(_)))
        })
        .await;
    match steps.last() {
        Some(Ok(PlatformEvent::Deleted(object))) => {
            assert_eq!((&object.session, object.desired), (&id("x"), Desired::Terminated));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_watch_whose_version_is_too_old_lists_anew() {
    for gone_as in [GoneAs::Event, GoneAs::Http] {
        let settings = Settings {
            gone_as,
            ..Settings::default()
        };
        let bench = Bench::with(Options {
            settings,
            ..Options::default()
        })
        .await;
        let platform = bench.platform().await;
        bench.create("default", "x", "hibernated").await;
        let mut watch = Watching(platform.watch());
        watch.until("the list", is_done).await;

        // While the watch cannot be resumed, things happen that are then forgotten.
        bench.fault("watch", 1, json!({"status": 503})).await;
        bench.order("watch/drop", &json!({})).await;
        watch.until("the refusal", Result::is_err).await;
        bench.delete("default", "x").await;
        bench.create("default", "y", "running").await;
        bench.order("watch/compact", &json!({})).await;

        let steps = watch.until("a new list", is_done).await;
        assert!(
            steps.iter().any(Result::is_err),
            "{gone_as:?}: the gap is told: {steps:?}"
        );
        assert_eq!(listed(&steps), [&id("y")], "{gone_as:?}");
        bench.create("default", "z", "running").await;
        watch
            .until("a change", |step| {
                changed(step).is_some_and(|object| object.session == id("z"))
            })
            .await;
    }
}

#[tokio::test]
async fn a_watch_that_is_cut_resumes_without_a_list() {
    let bench = Bench::start().await;
    let platform = bench.platform().await;
    bench.create("default", "x", "hibernated").await;
    let mut watch = Watching(platform.watch());
    watch.until("the list", is_done).await;
    for (generation, path) in [(5, "watch/drop"), (6, "watch/drop?graceful=true")] {
        bench.order(path, &json!({})).await;
        write(&platform, &id("x"), Desired::Running, generation).await;
        let is_ours = |step: &Step| {
            changed(step).is_some_and(|object| object.annotation == Some(Generation(generation)))
        };
        let steps = watch.until("our write", is_ours).await;
        assert!(!steps.iter().any(is_done), "{steps:?}");
    }
    assert_eq!(bench.requests("list").await, 1);
}

#[tokio::test]
async fn a_list_that_fails_is_told_and_begun_again() {
    let bench = Bench::start().await;
    let platform = bench.platform().await;
    bench.create("default", "x", "running").await;
    bench.fault("list", 1, json!({"status": 500})).await;
    let mut watch = Watching(platform.watch());
    let steps = watch.until("the list", is_done).await;
    assert_eq!(steps.iter().filter(|step| step.is_err()).count(), 1, "{steps:?}");
    assert_eq!(listed(&steps), [&id("x")]);
}

#[tokio::test]
async fn a_list_that_hangs_is_given_up_and_begun_again() {
    let bench = Bench::start().await;
    let platform = bench.platform().await;
    bench.create("default", "x", "running").await;
    bench.fault("list", 1, json!({"hang": true})).await;
    let mut watch = Watching(platform.watch());
    let steps = watch.until("the list", is_done).await;
    assert_eq!(steps.iter().filter(|step| step.is_err()).count(), 1, "{steps:?}");
    assert_eq!(listed(&steps), [&id("x")]);
    assert_eq!(bench.requests("list").await, 2);
}

#[tokio::test]
async fn each_namespace_lists_by_itself() {
    let bench = Bench::start().await;
    let config = KubernetesConfig {
        kubernetes_namespaces: vec!["a".into(), "b".into()],
        ..bench.config()
    };
    let platform = CustomResource::connect(&config).await.unwrap();
    bench.create("a", "x", "running").await;
    bench.create("b", "x", "running").await;
    bench.create("elsewhere", "x", "running").await;
    let (a, b) = (ListScope::with_prefix("a~"), ListScope::with_prefix("b~"));

    // One of them cannot be listed: the other is not held up.
    let rule = json!({"verb": "list", "namespace": "a", "times": 0, "action": {"status": 403}});
    bench.order("faults", &rule).await;
    let mut watch = Watching(platform.watch());
    let steps = watch.until("the list of b", is_done).await;
    assert!(
        matches!(steps.last(), Some(Ok(PlatformEvent::ListDone(scope))) if *scope == b),
        "{steps:?}"
    );
    assert_eq!(listed(&steps), [&id("b~x")]);
    assert!(b.covers(&id("b~x")) && !b.covers(&id("a~x")));

    bench.clear_faults().await;
    let steps = watch.until("the list of a", is_done).await;
    assert!(
        matches!(steps.last(), Some(Ok(PlatformEvent::ListDone(scope))) if *scope == a),
        "{steps:?}"
    );
    assert_eq!(listed(&steps), [&id("a~x")]);
}

#[tokio::test]
async fn an_object_that_cannot_be_understood_is_passed_over() {
    let bench = Bench::with(Options {
        schema: Schema::Open,
        ..Options::default()
    })
    .await;
    let platform = bench.platform().await;
    bench.create_with("default", "odd", json!({})).await;
    bench
        .create_with("default", "x", json!({"state": "running"}))
        .await;
    let mut watch = Watching(platform.watch());
    assert_eq!(listed(&watch.until("the list", is_done).await), [&id("x")]);

    bench.delete("default", "odd").await;
    let is_odd = |step: &Step| match step {
        Ok(PlatformEvent::Deleted(object)) => object.session == id("odd"),
        _ => false,
    };
    watch.until("its deletion, which needs no state", is_odd).await;
}
