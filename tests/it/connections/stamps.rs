//! Heartbeats by stamp: a replica names the time, and the clock of Redis has the last word.

use connection_tracker::store::redis::SessionKey;
use serde_json::json;

use crate::support::proxy::Fault;
use crate::support::redis::RedisChoice;
use crate::support::{SOON, TestCluster, Timings, eventually, user};

/// When Redis last heard of `c` in `s`, in ms.
async fn heard(cluster: &TestCluster) -> i64 {
    let key = cluster.state().session_key("s", SessionKey::Connections);
    let score: String = cluster.redis.get(&["ZSCORE", &key, "c"]).await;
    score.parse().unwrap()
}

async fn started(cluster: TestCluster) -> TestCluster {
    cluster.platform.create("s").await;
    cluster.api().open("s", "c", &user("ann")).await.expect(201);
    cluster
}

/// The stamp was made before the heartbeat was held up: taken at its word, the connection would count for less than its window.
#[tokio::test]
async fn a_heartbeat_held_up_on_its_way_counts_from_when_redis_had_it() {
    let builder = TestCluster::builder().fault_proxies();
    let cluster = started(builder.timings(Timings::SHORT).start().await).await;
    let slack = i64::try_from(Timings::SHORT.window.as_millis()).unwrap() / 20;
    cluster.proxies().redis.set(Fault::Hang);
    let sent_at = cluster.state().now_ms().await;
    let let_through = async {
        eventually(SOON, "the clock of Redis has left the stamp behind", async || {
            cluster.state().now_ms().await > sent_at + 3 * slack
        })
        .await;
        let released_at = cluster.state().now_ms().await;
        cluster.proxies().redis.set(Fault::Pass);
        released_at
    };
    let (answer, released_at) = tokio::join!(cluster.api().heartbeat("s", "c"), let_through);
    answer.expect(200);
    let heard = heard(&cluster).await;
    assert!(
        heard >= released_at,
        "heard {} ms before it was let through",
        released_at - heard
    );
}

/// Another replica was heard meanwhile: what was sent before must not take life away. Its answer is lost, so that nothing
/// puts it right afterwards.
#[tokio::test]
async fn a_heartbeat_that_is_overtaken_takes_nothing_away() {
    let builder = TestCluster::builder().fault_proxies();
    let cluster = started(builder.timings(Timings::SHORT).start().await).await;
    cluster.api().open("s", "d", &user("bob")).await.expect(201);
    // Over a connection that stands already: none could be made without answers.
    cluster.api().heartbeat("s", "d").await.expect(200);
    let (redis, state) = (&cluster.redis, cluster.state());
    let key = state.session_key("s", SessionKey::Connections);
    let score = async |id: &str| -> i64 { redis.get(&["ZSCORE", &key, id]).await };
    redis.cli(&["ZADD", &key, "1", "d"]).await;
    let later = (state.now_ms().await + 60_000).to_string();
    cluster.proxies().redis.set(Fault::Hang);
    let beats = json!({ "s": ["c", "d"] });
    let overtaken = async {
        redis.cli(&["ZADD", &key, &later, "c"]).await;
        cluster.proxies().redis.set(Fault::DropReplies);
        eventually(SOON, "the late one was carried out", async || {
            score("d").await > 1
        })
        .await;
        assert_eq!(score("c").await.to_string(), later);
        cluster.proxies().redis.set(Fault::Pass);
    };
    tokio::join!(cluster.api().batch("heartbeat", &beats), overtaken);
}

/// The script is asked where a stamp cannot tell; when replica and server agree on the time, it is not needed.
#[tokio::test]
async fn a_heartbeat_that_hits_needs_no_script() {
    let cluster = started(TestCluster::one().await).await;
    let calls = async |script: &str| {
        let script = format!("script=\"{script}\"");
        cluster.replicas[0]
            .counter("tracker_redis_calls_total", &script)
            .await
    };
    eventually(SOON, "a heartbeat goes by stamp alone", async || {
        let (stamped, scripts) = (
            calls("heartbeat_stamped").await,
            calls("connection_heartbeat").await,
        );
        let batch = json!({ "s": ["c"] });
        let answer = cluster.api().batch("heartbeat", &batch).await.expect(200);
        assert_eq!(answer.body["accepted"], 1, "{}", answer.body);
        (
            calls("heartbeat_stamped").await,
            calls("connection_heartbeat").await,
        ) == (stamped + 1, scripts)
    })
    .await;
}

/// A step of the server's clock makes every stamp wrong, whichever way it goes.
#[tokio::test]
async fn a_stamp_of_a_clock_that_stepped_is_put_right() {
    let builder = TestCluster::builder().redis(RedisChoice::OwnClock);
    let cluster = started(builder.start().await).await;
    for by_ms in [3_600_000, -3_600_000] {
        cluster.redis.step_clock(by_ms);
        let before = cluster.state().now_ms().await;
        cluster.api().heartbeat("s", "c").await.expect(200);
        let (heard, after) = (heard(&cluster).await, cluster.state().now_ms().await);
        assert!(
            (before..=after).contains(&heard),
            "{before} <= {heard} <= {after}"
        );
    }
}
