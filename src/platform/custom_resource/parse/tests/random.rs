//! Objects nobody would write: whatever an object holds, it is read or an error that names it.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{object, parser};
use crate::domain::Generation;
use crate::domain::platform_object::{Desired, IdleTimeout};
use crate::platform::kubernetes::object::{GENERATION_ANNOTATION, Read as _, is_version};

/// Any JSON, with what is hard to read among it.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        proptest::sample::select(vec![
            "",
            "running",
            "hibernated",
            "terminated",
            "Running",
            "True",
            "never",
            "\0"
        ])
        .prop_map(Value::from),
        ".{0,30}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 30, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map("type|status|state|phase|.{0,5}", inner, 0..5)
                .prop_map(Value::from_iter),
        ]
    })
}

/// Lists in lists, this deep.
fn deep(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| json!([inner]))
}

proptest! {
    #[test]
    fn any_specification_and_status_is_read_or_an_error_that_names_the_object(
        spec in value(),
        state in value(),
        timeout in value(),
        phase in value(),
        conditions in value(),
        depth in prop_oneof![Just(0_usize), Just(200)],
    ) {
        let whole = json!({ "state": state, "idleTimeout": timeout, "deep": deep(depth), "more": spec });
        let status = json!({ "phase": phase, "conditions": conditions, "url": spec });
        for spec in [whole, spec] {
            let object = object(&json!({ "spec": spec, "status": status }));
            match parser(Some("Ready")).read("default", &object) {
                Ok(parsed) => {
                    let read = parsed.object;
                    prop_assert!(!read.is_ready || read.desired == Desired::Running);
                    if let Some(IdleTimeout::AfterMs(ms)) = read.idle_timeout {
                        prop_assert!(ms > 0);
                    }
                }
                Err(error) => prop_assert!(error.to_string().starts_with("object default/x: "), "{}", error),
            }
            let deleted = parser(None).read_deleted("default", &object).unwrap();
            prop_assert_eq!(deleted.object.desired, Desired::Terminated);
        }
    }

    #[test]
    fn any_annotation_and_version_is_a_number_or_absent(
        annotation in "[0-9]{0,25}|.{0,20}|[+-]?[0-9]{1,17}(\\.0|e3)?",
        version in "[0-9]{0,30}|.{0,20}",
    ) {
        let object = object(&json!({ "metadata": {
            "resourceVersion": version,
            "annotations": { (GENERATION_ANNOTATION): annotation },
        } }));
        match parser(None).read("default", &object) {
            Ok(parsed) => {
                prop_assert!(is_version(&version));
                let lawful = annotation.parse::<u64>().ok().filter(|number| {
                    annotation.bytes().all(|byte| byte.is_ascii_digit())
                        && (1..Generation::MAX_ANNOTATION).contains(number)
                });
                prop_assert_eq!(parsed.object.annotation, lawful.map(Generation));
                prop_assert_eq!(parsed.oddities.is_empty(), lawful.is_some());
            }
            Err(error) => prop_assert!(!is_version(&version), "{}", error),
        }
    }
}
