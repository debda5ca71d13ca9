//! Every script on a server in cluster mode, and on one that forgets its scripts all the time.

use std::time::Duration;

use connection_tracker::domain::SessionId;
use connection_tracker::store::redis::{Mark, RedisStore, scripts};
use connection_tracker::telemetry::metrics::Metrics;
use reqwest::Method;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::redis::RedisChoice;
use crate::support::{SOON, TestCluster, eventually, user};

const HALF_AN_HOUR: Duration = Duration::from_secs(1_801);

/// The whole product once: no script is left out.
async fn drive(cluster: &TestCluster) {
    let (api, state) = (cluster.api(), cluster.state());
    cluster.platform.create_many("s", 40).await;
    cluster.arm().await;
    cluster.end_hold().await;

    // Many partitions at once: batches go out as pipelines.
    let mut opens = serde_json::Map::new();
    let mut ids = serde_json::Map::new();
    for number in 0..40 {
        let session = format!("s-{number}");
        opens.insert(
            session.clone(),
            json!([{ "id": "c", "user_id": "ann" }, { "id": "d", "user_id": "bob" }]),
        );
        ids.insert(session, json!(["c", "d"]));
    }
    let ids = json!(ids);
    let answer = api.batch("open", &json!(opens)).await.expect(200);
    assert_eq!(
        (&answer.body["accepted"], &answer.body["retry"]),
        (&json!(80), &json!([])),
        "{}",
        answer.body
    );
    for _ in 0..5 {
        let answer = api.batch("heartbeat", &ids).await.expect(200);
        assert_eq!(answer.body["accepted"], 80, "{}", answer.body);
    }
    api.heartbeat("s-1", "never")
        .await
        .expect_problem(404, "connection-not-tracked");
    assert_eq!(api.live("s-1").await, ["c", "d"]);
    api.get("/v1/connections/c")
        .await
        .expect_problem(409, "connection-conflict");
    let counted = eventually(SOON, "everything is counted", async || {
        let counted = api.get("/v1/stats").await.expect(200).body;
        counted["active_connections"].is_u64().then_some(counted)
    })
    .await;
    assert_eq!(
        (&counted["active_connections"], &counted["unique_sessions"]),
        (&json!(80), &json!(40))
    );
    let answer = api.batch("close", &ids).await.expect(200);
    assert_eq!(answer.body["accepted"], 80, "{}", answer.body);
    assert_eq!(api.count("s-1").await, 0);

    // Refused once, then put to sleep: review, confirm, refuse, settle.
    let refusal = json!({ "verb": "patch", "name": "s-1", "times": 1, "action": { "status": 422 } });
    cluster.platform.rule(refusal).await;
    state.age("s-1", HALF_AN_HOUR).await;
    eventually(SOON, "the refusal is recorded", async || {
        state.field("s-1", "refused").await
    })
    .await;
    state.look_now("s-1").await;
    cluster.wait_for_state("s-1", "hibernated").await;

    // Refused once, then woken: claim, confirm, fail, done.
    cluster.platform.fault("patch", 1, json!({ "status": 422 })).await;
    api.open("s-1", "e", &user("ann")).await.expect(201);
    eventually(SOON, "the failure is recorded", async || {
        state.field("s-1", "error").await
    })
    .await;
    state.age("s-1", Duration::from_secs(30)).await;
    cluster.wait_for_state("s-1", "running").await;

    // By hand, and after a loss: rows of Postgres that no connection stands for.
    let session = "/v1/sessions/s-2";
    api.call(
        Method::PUT,
        &format!("{session}/keep-awake"),
        Some(&json!({ "for": "1h" })),
    )
    .await
    .expect(200);
    api.post(&format!("{session}/hibernate"), &json!({ "force": true }))
        .await
        .expect(202);
    cluster.wait_for_state("s-2", "hibernated").await;
    cluster.platform.fault("patch", 1, json!({ "status": 503 })).await;
    api.post(&format!("{session}/wake"), &json!({})).await.expect(202);
    api.get(&format!("{session}/wait?timeout=20ms")).await.expect(202);
    api.get(&format!("{session}/wait?timeout=20s")).await.expect(200);
    state.set_guards("restore", "1").await;
    eventually(SOON, "what Postgres has open was brought back", async || {
        state.guards("restore").await.iter().all(Option::is_none)
    })
    .await;

    // Only the weaker fence has reports, and this platform has the full one.
    let store = RedisStore::new(&cluster.flags(&[]).config(), &Metrics::new()).unwrap();
    let mark = Mark::new(Duration::from_secs(1));
    let session = SessionId::parse("s-1").unwrap();
    store.session_report(&session, &mark).await.unwrap();

    cluster.platform.delete("s-1").await;
    cluster.wait_for_state("s-1", "terminated").await;
    let rows = api.ended("s-0", 2).await;
    assert_eq!(rows.len(), 2);
}

/// Names of the scripts the server never ran, as far as it remembers.
async fn never_ran(cluster: &TestCluster) -> Vec<&'static str> {
    let all = scripts();
    let mut words = vec!["SCRIPT", "EXISTS"];
    words.extend(all.iter().map(|script| script.sha.as_str()));
    let known: Vec<Vec<bool>> = cluster.redis.get_each(&words).await;
    let names = all.iter().map(|script| script.name);
    let missing = |(at, _): &(usize, &str)| known.iter().all(|by_node| !by_node[*at]);
    names.enumerate().filter(missing).map(|(_, name)| name).collect()
}

/// Calls of scripts that failed, but for those whose text was sent after all; and how many those were.
async fn failures(cluster: &TestCluster) -> (u64, u64) {
    let infos: Vec<String> = cluster.redis.get_each(&["INFO", "all"]).await;
    let of_node = |info: &str, line: &str, field: &str| -> u64 {
        let stat = info
            .lines()
            .find_map(|found| found.strip_prefix(line))
            .unwrap_or("");
        let mut fields = stat.split(',').filter_map(|pair| pair.split_once('='));
        fields
            .find(|(name, _)| *name == field)
            .map_or(0, |(_, value)| value.parse().unwrap())
    };
    let number = |line: &str, field: &str| infos.iter().map(|info| of_node(info, line, field)).sum::<u64>();
    let failed = number("cmdstat_evalsha:", "failed_calls") + number("cmdstat_eval:", "failed_calls");
    let unknown = number("errorstat_NOSCRIPT:", "count");
    assert_eq!(number("errorstat_CROSSSLOT:", "count"), 0);
    (failed - unknown, unknown)
}

#[tokio::test]
async fn every_script_runs_on_a_server_in_cluster_mode() {
    let mut cluster = TestCluster::builder()
        .redis(RedisChoice::OwnCluster)
        .start()
        .await;
    drive(&cluster).await;
    cluster.replicas[0].stop().await.unwrap();
    assert_eq!(never_ran(&cluster).await, Vec::<&str>::new());
    assert_eq!(failures(&cluster).await.0, 0);
}

#[tokio::test]
async fn everything_goes_on_while_the_server_forgets_its_scripts() {
    let cluster = TestCluster::builder().redis(RedisChoice::Own).start().await;
    let done = CancellationToken::new();
    let forget = async {
        let mut times = 0_u32;
        while !done.is_cancelled() {
            cluster.redis.cli(&["SCRIPT", "FLUSH"]).await;
            times += 1;
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        times
    };
    let drive = async {
        drive(&cluster).await;
        done.cancel();
    };
    let ((), times) = tokio::join!(drive, forget);
    let (failed, unknown) = failures(&cluster).await;
    assert_eq!(failed, 0);
    assert!(
        unknown > u64::from(times),
        "it was felt: {times} times forgotten, {unknown} times told"
    );
}

/// Key by key: cluster mode refuses a call whose KEYS lie in two slots, but only where it is made.
#[tokio::test]
async fn nothing_is_kept_outside_the_slots_of_its_partition() {
    let cluster = TestCluster::builder()
        .redis(RedisChoice::OwnCluster)
        .start()
        .await;
    cluster.platform.create_many("s", 40).await;
    for number in 0..40 {
        cluster
            .api()
            .open(&format!("s-{number}"), "c", &user("ann"))
            .await
            .expect(201);
    }
    let keys: Vec<Vec<String>> = cluster.redis.get_each(&["KEYS", "*"]).await;
    let keys = keys.concat();
    let prefix = keys
        .iter()
        .find_map(|key| key.strip_suffix(":meta"))
        .unwrap()
        .to_owned();
    for key in keys {
        let slot: u16 = cluster.redis.get(&["CLUSTER", "KEYSLOT", &key]).await;
        let rest = key.strip_prefix(&prefix).unwrap();
        let Some(tag) = rest.strip_prefix(":{") else {
            assert!(
                [":meta", ":leader", ":gateways", ":brake"].contains(&rest),
                "{key}"
            );
            continue;
        };
        // Wakes of the whole installation: a slot of their own, in no partition.
        if tag.starts_with("w}:") {
            continue;
        }
        let partition: u16 = tag[..3].parse().unwrap();
        assert_eq!(slot / 64, partition, "{key}");
        if let Some(session) = rest.split(":session:").nth(1) {
            let slot: u16 = cluster.redis.get(&["CLUSTER", "KEYSLOT", session]).await;
            assert_eq!(slot / 64, partition, "{session} belongs there");
        }
    }
    assert_eq!(failures(&cluster).await.0, 0);
}
