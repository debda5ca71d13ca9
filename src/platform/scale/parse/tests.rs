//! Every row of reading a workload.

use serde_json::json;

use super::*;
use crate::domain::Generation;
use crate::domain::platform_object::IdleTimeout;

fn workloads() -> Workloads {
    Workloads {
        namespaces: Namespaces::new(&[], "default").unwrap(),
        label: "connection-tracker.dev/session".to_owned(),
        is_annotated: true,
    }
}

/// A workload with `change` laid over its parts; a null takes a field away.
fn workload(change: &Value) -> DynamicObject {
    let whole = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "name": "desktop-7", "namespace": "default", "uid": "u1", "resourceVersion": "42", "generation": 3,
            "creationTimestamp": "2026-11-22T08:00:00Z",
            "labels": {"connection-tracker.dev/session": "x"},
            "annotations": {},
        },
        "spec": {"replicas": 1},
        "status": {"replicas": 1, "readyReplicas": 1, "observedGeneration": 3},
    });
    object::with_change(whole, change)
}

fn read(change: &Value) -> Parsed {
    workloads().read("default", &workload(change)).unwrap()
}

#[test]
fn the_label_names_the_session_and_not_the_name() {
    let parsed = read(&json!({}));
    assert_eq!(parsed.object.session.as_str(), "x");
    assert_eq!(parsed.name, "default/desktop-7");
    assert_eq!(
        (parsed.object.desired, parsed.object.is_ready),
        (Desired::Running, true)
    );
    assert_eq!(parsed.object.phase.as_deref(), Some("1 of 1 ready"));
    assert!(parsed.oddities.is_empty());
}

#[test]
fn a_workload_whose_label_names_no_session_is_an_error_that_names_it() {
    for labels in [json!(null), json!({"connection-tracker.dev/session": ""})] {
        let object = workload(&json!({"metadata": {"labels": labels}}));
        let error = workloads().read("default", &object).unwrap_err().to_string();
        assert!(
            error.starts_with("object default/desktop-7: its label"),
            "{error}"
        );
    }
}

#[test]
fn no_replicas_is_at_rest_and_none_given_is_one() {
    let at_rest = read(&json!({"spec": {"replicas": 0}}));
    assert_eq!(
        (at_rest.object.desired, at_rest.object.is_ready),
        (Desired::Hibernated, false)
    );
    assert_eq!(
        read(&json!({"spec": {"replicas": null}})).object.desired,
        Desired::Running
    );
    assert_eq!(
        read(&json!({"spec": {"replicas": 3}})).object.desired,
        Desired::Running
    );
}

#[test]
fn it_is_ready_with_a_ready_replica_of_the_present_specification() {
    for (status, is_ready) in [
        (json!({"readyReplicas": null}), false),
        (json!({"readyReplicas": 0}), false),
        (json!({"readyReplicas": 2}), true),
        (json!({"observedGeneration": 2}), false),
        (json!({"observedGeneration": null}), false),
    ] {
        assert_eq!(
            read(&json!({"status": status})).object.is_ready,
            is_ready,
            "{status}"
        );
    }
}

#[test]
fn a_pod_of_a_stateful_set_that_still_ends_makes_it_not_ready() {
    for (counts, is_ready) in [
        (json!({}), false),
        (json!({"currentReplicas": 1}), true),
        (json!({"currentReplicas": 0, "updatedReplicas": 1}), true),
        (json!({"currentReplicas": 0, "updatedReplicas": 0}), false),
    ] {
        let of_stateful_set = json!({"spec": {"podManagementPolicy": "OrderedReady"}, "status": counts});
        assert_eq!(read(&of_stateful_set).object.is_ready, is_ready, "{counts}");
    }
}

#[test]
fn one_that_is_being_deleted_or_was_is_terminated() {
    let ending = read(&json!({"metadata": {"deletionTimestamp": "2026-11-22T09:00:00Z"}}));
    assert_eq!(ending.object.desired, Desired::Terminated);
    let deleted = workloads()
        .read_deleted("default", &workload(&json!({})))
        .unwrap();
    assert_eq!(deleted.object.desired, Desired::Terminated);
}

#[test]
fn what_it_had_before_is_what_it_gets_back() {
    let of = |wanted: u32, saved: Option<&str>| {
        let annotations = json!({(REPLICAS_ANNOTATION): saved});
        let object =
            workload(&json!({"spec": {"replicas": wanted}, "metadata": {"annotations": annotations}}));
        replicas(&object).running()
    };
    assert_eq!(of(0, Some("3")), 3);
    assert_eq!(of(2, Some("3")), 2);
    assert_eq!(of(0, None), 1);
    for odd in ["0", "-1", "many"] {
        assert_eq!(of(0, Some(odd)), 1, "{odd}");
        let annotations = json!({(REPLICAS_ANNOTATION): odd});
        assert_eq!(
            read(&json!({"metadata": {"annotations": annotations}}))
                .oddities
                .len(),
            1
        );
    }
}

#[test]
fn annotations_give_idle_timeout_url_and_generation() {
    let parsed = read(&json!({"metadata": {"annotations": {
        (IDLE_TIMEOUT_ANNOTATION): "90m", (URL_ANNOTATION): "https://x.example",
        "connection-tracker.dev/generation": "17",
    }}}));
    assert_eq!(parsed.object.idle_timeout, Some(IdleTimeout::AfterMs(5_400_000)));
    assert_eq!(parsed.object.url.as_deref(), Some("https://x.example"));
    assert_eq!(parsed.object.annotation, Some(Generation(17)));
    let odd = read(&json!({"metadata": {"annotations": {(IDLE_TIMEOUT_ANNOTATION): "soon"}}}));
    assert_eq!(odd.object.idle_timeout, Some(IdleTimeout::Never));
    assert!(
        odd.oddities[0].text.contains("idle-timeout"),
        "{:?}",
        odd.oddities
    );
}

#[test]
fn where_only_the_subresource_is_written_an_annotation_means_nothing() {
    let weak = Workloads {
        is_annotated: false,
        ..workloads()
    };
    let annotated =
        workload(&json!({"metadata": {"annotations": {"connection-tracker.dev/generation": "17"}}}));
    assert_eq!(weak.read("default", &annotated).unwrap().object.annotation, None);
}
