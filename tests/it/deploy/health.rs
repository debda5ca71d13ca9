//! `connection-tracker healthcheck`, for images with nothing else in them to ask with.

use std::process::Command;

use crate::support::{TestCluster, free_port};

/// Exit code and what was said.
async fn healthcheck(arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = tokio::process::Command::from(Command::new(env!("CARGO_BIN_EXE_connection-tracker")));
    command.arg("healthcheck").args(arguments);
    let output = command.output().await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[tokio::test]
async fn a_replica_that_serves_is_healthy_and_one_that_is_gone_is_not() {
    let cluster = TestCluster::builder().replicas(0).start().await;
    let mut replica = cluster.process(&[]).await;
    // As an image has it: on every address, asked on its own host.
    let address = format!("0.0.0.0:{}", replica.operations_port);
    for arguments in [
        &["--operations-address", &address][..],
        &["--operations-address", &address, "--ready"],
    ] {
        assert_eq!(healthcheck(arguments).await, (Some(0), String::new()));
    }
    replica.kill();
    let (code, said) = healthcheck(&["--operations-address", &address]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("is `serve` running here?"), "{said}");
}

#[tokio::test]
async fn a_replica_without_its_schema_is_alive_and_not_ready_and_says_what_to_do() {
    let cluster = TestCluster::builder().replicas(0).start().await;
    let nowhere = format!("postgres://127.0.0.1:{}/none", free_port());
    let flags = cluster.flags(&[("postgres-url", &nowhere)]);
    let replica = crate::support::process::ProcessReplica::spawn(&flags).await;
    let address = format!("127.0.0.1:{}", replica.operations_port);
    assert_eq!(healthcheck(&["--operations-address", &address]).await.0, Some(0));
    let (code, said) = healthcheck(&["--operations-address", &address, "--ready"]).await;
    assert_eq!(code, Some(1));
    assert!(
        said.contains("503") && said.contains("connection-tracker migrate"),
        "{said}"
    );
}
