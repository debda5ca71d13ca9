//! Objects of other kinds: fields at other paths, in other words.

use serde_json::{Value, json};

use super::{Desired, Fields, Namespaces, Parser, fields, object};
use crate::domain::platform_object::{IdleTimeout, PlatformObject};
use crate::platform::kubernetes::object::Read as _;

const SUSPEND: [&str; 4] = [
    "--kubernetes-state-path=spec.suspend",
    "--kubernetes-running-word=false",
    "--kubernetes-hibernated-word=true",
    "--kubernetes-terminated-word=",
];

fn read(fields: Fields, condition: Option<&str>, change: &Value) -> Result<PlatformObject, String> {
    let parser = Parser {
        namespaces: Namespaces::new(&[], "default").unwrap(),
        fields,
        ready_condition: condition.map(str::to_owned),
    };
    let parsed = parser.read("default", &object(change));
    parsed
        .map(|parsed| parsed.object)
        .map_err(|error| error.to_string())
}

#[test]
fn a_boolean_field_can_say_whether_a_session_runs() {
    let suspended = |spec: Value| read(fields(&SUSPEND), None, &json!({ "spec": spec }));
    let desired = |spec: Value| suspended(spec).unwrap().desired;
    assert_eq!(desired(json!({ "suspend": true })), Desired::Hibernated);
    assert_eq!(desired(json!({ "suspend": false })), Desired::Running);
    // Left out by whoever wrote it.
    assert_eq!(desired(json!({})), Desired::Running);
    for odd in [json!("true"), json!(1)] {
        assert_eq!(
            suspended(json!({ "suspend": odd })).unwrap_err(),
            format!("object default/x: spec.suspend is {odd}, not false or true")
        );
    }
}

#[test]
fn a_missing_field_is_never_taken_as_at_rest() {
    let enabled = [
        "--kubernetes-state-path=spec.enabled",
        "--kubernetes-running-word=true",
        "--kubernetes-hibernated-word=false",
        "--kubernetes-terminated-word=",
    ];
    assert_eq!(
        read(fields(&enabled), None, &json!({})).unwrap_err(),
        "object default/x: spec.enabled is missing"
    );
}

#[test]
fn a_patch_sets_the_configured_field_and_nothing_else() {
    let patch = |flags: &[&str], desired| fields(flags).state_patch(desired);
    assert_eq!(
        patch(&[], Desired::Hibernated),
        Some(json!({"spec": {"state": "hibernated"}}))
    );
    assert_eq!(
        patch(&SUSPEND, Desired::Hibernated),
        Some(json!({"spec": {"suspend": true}}))
    );
    assert_eq!(
        patch(&SUSPEND, Desired::Running),
        Some(json!({"spec": {"suspend": false}}))
    );
    assert_eq!(patch(&SUSPEND, Desired::Terminated), None);
    let deep = [
        "--kubernetes-state-path=spec.power.replicas",
        "--kubernetes-running-word=1",
        "--kubernetes-hibernated-word=0",
    ];
    assert_eq!(
        patch(&deep, Desired::Running),
        Some(json!({"spec": {"power": {"replicas": 1}}}))
    );
}

#[test]
fn timeout_phase_and_url_are_read_where_they_are_configured() {
    let elsewhere = fields(&[
        "--kubernetes-idle-timeout-path=spec.policy.idle",
        "--kubernetes-phase-path=status.stage",
        "--kubernetes-ready-word=Up",
        "--kubernetes-url-path=status.links.web",
    ]);
    let change = json!({
        "spec": {"policy": {"idle": "45m"}},
        "status": {"phase": "Down", "stage": "Up", "links": {"web": "https://y.example"}},
    });
    let found = read(elsewhere.clone(), None, &change).unwrap();
    assert!(found.is_ready);
    assert_eq!(found.idle_timeout, Some(IdleTimeout::AfterMs(2_700_000)));
    assert_eq!(found.phase.as_deref(), Some("Up"));
    assert_eq!(found.url.as_deref(), Some("https://y.example"));
    assert!(!read(elsewhere, None, &json!({})).unwrap().is_ready);
}

#[test]
fn without_a_word_for_ready_the_condition_alone_decides() {
    let by_condition = fields(&["--kubernetes-ready-word=", "--kubernetes-phase-path="]);
    let is_ready = |status: &str| {
        let change = json!({"status": {"phase": "Odd", "conditions": [{"type": "Ready", "status": status}]}});
        read(by_condition.clone(), Some("Ready"), &change)
            .unwrap()
            .is_ready
    };
    assert!(is_ready("True") && !is_ready("False"));
}

#[test]
fn fields_that_are_not_used_are_not_read() {
    let none = fields(&[
        "--kubernetes-idle-timeout-path=",
        "--kubernetes-url-path=",
        "--kubernetes-terminated-word=",
    ]);
    let found = read(none.clone(), None, &json!({})).unwrap();
    assert_eq!((found.idle_timeout, found.url), (None, None));
    let ended = read(none, None, &json!({"spec": {"state": "terminated"}})).unwrap_err();
    assert!(
        ended.ends_with("is \"terminated\", not running or hibernated"),
        "{ended}"
    );
}
