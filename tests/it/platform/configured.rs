//! Objects of another shape than the default: fields at other paths, in other words, from end to end.

use connection_tracker::domain::Generation;
use connection_tracker::domain::platform_object::Desired;
use connection_tracker::platform::{CustomResource, Platform};
use connection_tracker_simulator::{Options, Schema};
use serde_json::{Value, json};

use super::{Bench, id};
use crate::sessions::steps::fall_asleep;
use crate::support::{TestCluster, user};

const SUSPEND: [(&str, &str); 4] = [
    ("kubernetes-state-path", "spec.suspend"),
    ("kubernetes-running-word", "false"),
    ("kubernetes-hibernated-word", "true"),
    ("kubernetes-terminated-word", ""),
];

#[tokio::test]
async fn a_write_sets_the_configured_field_and_leaves_the_rest_of_the_specification() {
    let bench = Bench::with(Options {
        schema: Schema::Open,
        ..Options::default()
    })
    .await;
    let platform = CustomResource::connect(&bench.config_with(&SUSPEND))
        .await
        .unwrap();
    let spec = json!({"template": "firefox", "power": {"profile": "small"}});
    bench.create_with("default", "x", spec.clone()).await;
    let x = id("x");
    let read = platform.read(&x).await.unwrap();
    assert_eq!(read.desired, Desired::Running);
    let mut version = read.version;
    for (desired, suspend) in [(Desired::Hibernated, true), (Desired::Running, false)] {
        let generation = Generation(17 + u64::from(suspend));
        let written = platform.write(&x, desired, generation, &version).await.unwrap();
        assert_eq!((written.desired, written.annotation), (desired, Some(generation)));
        let found: Value = bench.read("default", "x").await["spec"].clone();
        let mut wanted = spec.clone();
        wanted["suspend"] = json!(suspend);
        assert_eq!(found, wanted);
        version = written.version;
    }
}

#[tokio::test]
async fn sessions_that_are_suspended_by_a_boolean_sleep_and_wake() {
    let builder = SUSPEND
        .iter()
        .fold(TestCluster::builder(), |builder, (flag, value)| {
            builder.set(flag, value)
        });
    let cluster = builder.start().await.armed().await;
    // `spec.state` stays `running`, so that the simulator's controller says that it runs.
    cluster.platform.create("s1").await;
    cluster.wait_for_state("s1", "running").await;
    fall_asleep(&cluster, "s1").await;
    let spec = cluster.platform.read("s1").await["spec"].clone();
    assert_eq!(
        (&spec["suspend"], &spec["state"]),
        (&json!(true), &json!("running"))
    );

    cluster.api().open("s1", "c1", &user("ann")).await.expect(201);
    cluster.wait_for_state("s1", "running").await;
    let spec = cluster.platform.read("s1").await["spec"].clone();
    assert_eq!(
        (&spec["suspend"], &spec["state"]),
        (&json!(false), &json!("running"))
    );
}
