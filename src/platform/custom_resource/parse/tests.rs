//! Every row of reading an object: what is taken, what is absent, what is an error.

mod configured;
mod random;

use clap::Parser as _;
use serde_json::json;

use super::*;
use crate::config::KubernetesConfig;
use crate::domain::Generation;
use crate::domain::platform_object::IdleTimeout;
use crate::platform::kubernetes::object::GENERATION_ANNOTATION;

/// The fields of the settings with these flags.
fn fields(flags: &[&str]) -> Fields {
    #[derive(clap::Parser)]
    struct CommandLine {
        #[command(flatten)]
        config: KubernetesConfig,
    }
    let line = std::iter::once("test").chain(flags.iter().copied());
    Fields::new(&CommandLine::parse_from(line).config)
}

fn parser(ready_condition: Option<&str>) -> Parser {
    Parser {
        namespaces: Namespaces::new(&[], "default").unwrap(),
        fields: fields(&[]),
        ready_condition: ready_condition.map(str::to_owned),
    }
}

/// A whole object with `change` merged into it; a null takes a field away.
fn object(change: &Value) -> DynamicObject {
    let whole = json!({
        "apiVersion": "stream.space/v1alpha1",
        "kind": "Session",
        "metadata": {
            "name": "x", "namespace": "default", "uid": "u1", "resourceVersion": "42",
            "creationTimestamp": "2026-11-22T08:00:00Z",
            "annotations": {(GENERATION_ANNOTATION): "17", "other": "y"},
        },
        "spec": {"state": "running", "user": "ann", "template": "firefox", "idleTimeout": "30m"},
        "status": {"phase": "Running", "url": "https://x.example"},
    });
    object::with_change(whole, change)
}

fn read(change: &Value) -> Parsed {
    parser(None).read("default", &object(change)).unwrap()
}

fn error(change: &Value) -> String {
    parser(None)
        .read("default", &object(change))
        .unwrap_err()
        .to_string()
}

#[test]
fn a_whole_object_is_read_without_oddities() {
    let parsed = read(&json!({}));
    assert_eq!(parsed.name, "default/x");
    assert!(parsed.oddities.is_empty(), "{:?}", parsed.oddities);
    assert_eq!(
        parsed.object,
        PlatformObject {
            session: crate::domain::SessionId::parse("x").unwrap(),
            uid: "u1".into(),
            version: "42".into(),
            desired: Desired::Running,
            is_ready: true,
            is_probing: false,
            has_twins: false,
            annotation: Some(Generation(17)),
            idle_timeout: Some(IdleTimeout::AfterMs(1_800_000)),
            created_at_ms: 1_795_334_400_000,
            url: Some("https://x.example".into()),
            activity_at_ms: None,
            phase: Some("Running".into()),
        }
    );
}

#[test]
fn the_state_is_one_of_three_words() {
    for (word, desired) in [
        ("running", Desired::Running),
        ("hibernated", Desired::Hibernated),
        ("terminated", Desired::Terminated),
    ] {
        assert_eq!(read(&json!({"spec": {"state": word}})).object.desired, desired);
    }
}

#[test]
fn a_state_that_is_missing_or_unknown_is_an_error_that_names_the_object() {
    assert_eq!(
        error(&json!({"spec": {"state": null}})),
        "object default/x: spec.state is missing"
    );
    assert_eq!(
        error(&json!({"spec": null})),
        "object default/x: spec.state is missing"
    );
    assert_eq!(
        error(&json!({"spec": {"state": "Running"}})),
        "object default/x: spec.state is \"Running\", not running, hibernated or terminated"
    );
    assert_eq!(
        error(&json!({"spec": {"state": 1}})),
        "object default/x: spec.state is 1, not a word"
    );
}

#[test]
fn an_object_without_identity_is_an_error() {
    for field in ["name", "uid", "resourceVersion", "creationTimestamp"] {
        let text = error(&json!({"metadata": {field: null}}));
        assert!(text.ends_with(&format!("metadata.{field} is missing")), "{text}");
    }
    for version in ["", "0", "00", "abc", "-1", "0x1f"] {
        let text = error(&json!({"metadata": {"resourceVersion": version}}));
        assert!(text.contains("not a decimal number"), "{text}");
    }
    assert!(error(&json!({"metadata": {"name": "close"}})).contains("cannot be a session id"));
}

#[test]
fn an_object_being_deleted_is_terminated_whatever_its_state() {
    for state in [json!("running"), json!("nonsense"), Value::Null] {
        let change = json!({
            "metadata": {"deletionTimestamp": "2026-11-22T09:00:00Z"},
            "spec": {"state": state},
        });
        let object = read(&change).object;
        assert_eq!((object.desired, object.is_ready), (Desired::Terminated, false));
    }
}

#[test]
fn a_deleted_object_is_terminated_whatever_its_state() {
    for state in [json!("running"), json!("nonsense"), Value::Null] {
        let object = object(&json!({"spec": {"state": state}}));
        let parsed = parser(None).read_deleted("default", &object).unwrap();
        assert_eq!(
            (parsed.object.desired, parsed.object.is_ready),
            (Desired::Terminated, false)
        );
        assert_eq!(parsed.object.version, "42");
    }
}

#[test]
fn ready_is_phase_running_of_an_object_that_shall_run() {
    for (change, is_ready) in [
        (json!({}), true),
        (json!({"status": {"phase": "Pending"}}), false),
        (json!({"status": {"phase": "running"}}), false),
        (json!({"status": null}), false),
        (json!({"spec": {"state": "hibernated"}}), false),
        (json!({"spec": {"state": "terminated"}}), false),
    ] {
        assert_eq!(read(&change).object.is_ready, is_ready, "{change}");
    }
}

#[test]
fn a_configured_condition_must_be_true_beside_the_phase() {
    let ready = |conditions: Value| {
        let object = object(&json!({"status": {"conditions": conditions}}));
        parser(Some("Ready"))
            .read("default", &object)
            .unwrap()
            .object
            .is_ready
    };
    assert!(ready(
        json!([{"type": "PVCBound", "status": "False"}, {"type": "Ready", "status": "True"}])
    ));
    assert!(!ready(json!([{"type": "Ready", "status": "False"}])));
    assert!(!ready(json!([{"type": "Ready", "status": "Unknown"}])));
    assert!(!ready(json!([{"type": "PVCBound", "status": "True"}])));
    assert!(!ready(json!([])));
    assert!(!ready(Value::Null));
}

#[test]
fn an_annotation_that_is_no_usable_number_is_absent_and_odd() {
    let annotated = |text: &str| read(&json!({"metadata": {"annotations": {(GENERATION_ANNOTATION): text}}}));
    let most = Generation::MAX_ANNOTATION - 1;
    assert_eq!(annotated("1").object.annotation, Some(Generation(1)));
    assert_eq!(
        annotated(&most.to_string()).object.annotation,
        Some(Generation(most))
    );
    for text in [
        "",
        "0",
        "-1",
        "+1",
        "1.5",
        "1e3",
        "x",
        " 1",
        "9007199253692416",
        "99999999999999999999999",
    ] {
        let parsed = annotated(text);
        assert_eq!(parsed.object.annotation, None, "{text:?}");
        assert_eq!(parsed.oddities.len(), 1, "{text:?}");
    }
    let parsed = read(&json!({"metadata": {"annotations": null}}));
    assert!(parsed.object.annotation.is_none() && parsed.oddities.is_empty());
}

#[test]
fn an_idle_timeout_that_does_not_parse_is_never_and_odd() {
    let timed = |value: Value| read(&json!({"spec": {"idleTimeout": value}}));
    for value in [json!("soon"), json!("30"), json!(30), json!(["30m"]), json!(true)] {
        let parsed = timed(value.clone());
        assert_eq!(parsed.object.idle_timeout, Some(IdleTimeout::Never), "{value}");
        assert_eq!(parsed.oddities.len(), 1, "{value}");
    }
    for value in ["0", "0s", "never", "", "-5m"] {
        let parsed = timed(json!(value));
        assert_eq!(parsed.object.idle_timeout, Some(IdleTimeout::Never), "{value:?}");
        assert!(parsed.oddities.is_empty(), "{value:?}");
    }
    assert_eq!(timed(Value::Null).object.idle_timeout, None);
    assert_eq!(
        timed(json!("1h30m")).object.idle_timeout,
        Some(IdleTimeout::AfterMs(5_400_000))
    );
}

#[test]
fn url_and_phase_are_absent_until_the_platform_says_them() {
    let parsed = read(&json!({"status": {"url": "", "phase": null}}));
    assert_eq!((parsed.object.url, parsed.object.phase), (None, None));
}

#[test]
fn a_phase_of_an_earlier_specification_is_not_ready() {
    let ready = |seen: Value, generation: Value| {
        let change = json!({"metadata": {"generation": generation}, "status": {"observedGeneration": seen}});
        read(&change).object.is_ready
    };
    assert!(ready(json!(3), json!(3)) && ready(json!(4), json!(3)));
    assert!(!ready(json!(2), json!(3)));
    // Controllers that do not say what they have seen are believed.
    assert!(ready(json!(null), json!(3)));
}
