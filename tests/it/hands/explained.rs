//! Why a session is awake: each fact that holds it, for a table of situations.

use std::time::Duration;

use serde_json::json;

use super::{explain, holding, keep};
use crate::sessions::steps::{asleep, look, running};
use crate::support::{TestCluster, eventually, user};

/// Invariant 14.
#[tokio::test]
async fn each_fact_is_told_and_holds_exactly_when_it_does() {
    let cluster = TestCluster::one().await;
    let api = cluster.api();
    running(&cluster, "s1").await;
    asleep(&cluster, "asleep").await;
    let never = json!({ "state": "running", "idleTimeout": "never" });
    cluster.platform.create_with("never", never).await;
    cluster.wait_for_state("never", "running").await;

    let first = explain(api, "s1").await;
    let names: Vec<_> = first["facts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fact| fact["name"].clone())
        .collect();
    assert_eq!(
        names,
        [
            "state",
            "connections",
            "idle_timeout",
            "mode",
            "eligible",
            "hold",
            "brake_expiry",
            "brake_hibernation",
            "keep_awake",
            "contested",
            "refused",
            "next_look"
        ]
    );
    assert_eq!(holding(&first), ["idle_timeout", "mode", "hold"], "{first}");
    assert_eq!(
        (&first["because"], &first["sleeps_at"]),
        (&"hold".into(), &json!(null))
    );
    cluster.end_hold().await;
    let observing = explain(api, "s1").await;
    assert_eq!(holding(&observing), ["idle_timeout", "mode"], "{observing}");
    assert_eq!(observing["because"], "observe", "{observing}");

    // Armed without adopting: what was there before is not covered.
    let act = json!({ "mode": "act", "changed_by": "test" });
    api.post("/v1/admin/mode", &act).await.expect(200);
    let foreign = eventually(crate::support::SOON, "the mode is copied", async || {
        let explained = explain(api, "s1").await;
        (explained["because"] == "not_eligible").then_some(explained)
    })
    .await;
    assert_eq!(holding(&foreign), ["idle_timeout", "eligible"], "{foreign}");
    cluster.arm().await;
    eventually(crate::support::SOON, "it is adopted", async || {
        explain(api, "s1").await["because"] == "idle_timeout"
    })
    .await;
    assert_eq!(holding(&explain(api, "s1").await), ["idle_timeout"]);
    let forever = explain(api, "never").await;
    assert_eq!(forever["because"], "never", "{forever}");
    assert_eq!(holding(&forever), ["idle_timeout"], "{forever}");
    let sleeping = explain(api, "asleep").await;
    assert_eq!(sleeping["because"], "asleep", "{sleeping}");
    assert_eq!(sleeping["to_sleep"], json!([]), "{sleeping}");

    keep(
        api,
        "s1",
        json!({ "for": "1h", "by": "ann", "reason": "a render" }),
    )
    .await
    .expect(200);
    let kept = explain(api, "s1").await;
    assert_eq!(holding(&kept), ["idle_timeout", "keep_awake"], "{kept}");
    let facts = kept["facts"].as_array().unwrap();
    let fact = facts.iter().find(|fact| fact["name"] == "keep_awake").unwrap();
    assert_eq!(
        (&fact["value"]["by"], &fact["value"]["reason"]),
        (&"ann".into(), &"a render".into())
    );
    api.open("s1", "c1", &user("ann")).await.expect(201);
    cluster.wait_for_state("s1", "running").await;
    let used = explain(api, "s1").await;
    assert!(holding(&used).contains(&"connections"), "{used}");
    assert_eq!(
        (&used["because"], &used["sleeps_at"]),
        (&"connected".into(), &json!(null))
    );
    api.close("s1", "c1").await.expect(204);
    // Kept awake for an hour only: once all of it is over, nothing holds it and it sleeps.
    cluster.state().age("s1", Duration::from_secs(7200)).await;
    look(&cluster, "s1").await;
    cluster.wait_for_state("s1", "hibernated").await;
}
