//! Half of a thousand connections fall silent at once, with the brakes of an installation.

use std::time::Duration;

use serde_json::{Value, json};

use super::{age_all, assert_slow, counted, look_now_at_all, sample, sum, tracked};
use crate::support::http::Api;
use crate::support::process::ProcessReplica;
use crate::support::{SOON, TestCluster, Timings, eventually, throughout};

/// The idle timeout is the window: what is ended by mistake sleeps soon.
const TIMINGS: Timings = Timings {
    interval: Duration::from_millis(200),
    window: Duration::from_secs(4),
    idle_timeout: Duration::from_secs(4),
};
/// Sessions of each of the two gateways, five connections each.
const SESSIONS: usize = 100;
/// 15 % of a thousand.
const THRESHOLD: u64 = 150;
/// What may expire in a second, since 1 % is less.
const RATE: u64 = 100;

/// An installation, two gateways, and the one of them that will fall silent.
struct Halves {
    cluster: TestCluster,
    replica: ProcessReplica,
    ids: Vec<Value>,
    silent: Vec<String>,
}

fn of_gateway(gateway: usize, each: &Value) -> Value {
    let sessions = (0..SESSIONS).map(|number| (format!("s-{}", gateway * SESSIONS + number), each.clone()));
    Value::Object(sessions.collect())
}

impl Halves {
    async fn connected() -> Self {
        let cluster = TestCluster::builder()
            .replicas(0)
            .default_brakes()
            .timings(TIMINGS)
            .start()
            .await;
        // A process, since its log is judged.
        let replica = cluster.process(&[]).await;
        replica.api.arm().await;
        cluster.end_hold().await;
        cluster.platform.create_many("s", 2 * SESSIONS).await;
        let five = (0..5).map(|id| json!({ "id": format!("c-{id}"), "user_id": "ann" }));
        let five = Value::Array(five.collect());
        let mut halves = Self {
            cluster,
            replica,
            ids: Vec::new(),
            silent: (SESSIONS..2 * SESSIONS)
                .map(|number| format!("s-{number}"))
                .collect(),
        };
        for gateway in 0..2 {
            let answer = halves
                .api()
                .batch("open", &of_gateway(gateway, &five))
                .await
                .expect(200);
            assert_eq!(answer.body["accepted"], 500, "{}", answer.body);
        }
        let ids = json!(["c-0", "c-1", "c-2", "c-3", "c-4"]);
        halves.ids = vec![of_gateway(0, &ids), of_gateway(1, &ids)];
        eventually(SOON, "all run", async || {
            halves.beat(0).await;
            halves.beat(1).await;
            sum(&halves.cluster, "state:running").await == 200
        })
        .await;
        halves
    }

    fn api(&self) -> &Api {
        &self.replica.api
    }

    /// One heartbeat of everybody behind a gateway; gives how many were taken.
    async fn beat(&self, gateway: usize) -> u64 {
        let answer = self
            .api()
            .batch("heartbeat", &self.ids[gateway])
            .await
            .expect(200);
        answer.body["accepted"].as_u64().unwrap()
    }

    /// The second gateway was last heard of a little more than a window ago; waits for the brake.
    async fn half_falls_silent(&self) {
        age_all(
            &self.cluster,
            &self.silent,
            TIMINGS.window + Duration::from_millis(500),
        )
        .await;
        look_now_at_all(&self.cluster, &self.silent).await;
        eventually(SOON, "the brake is on", async || {
            self.beat(0).await;
            let brakes = self.brakes().await;
            if brakes["expiry_hold_until"].is_string() {
                Ok(())
            } else {
                Err(brakes)
            }
        })
        .await;
    }

    async fn brakes(&self) -> Value {
        self.api().get("/v1/stats").await.expect(200).body["brakes"].clone()
    }

    /// Nobody was put to sleep who has connections that did not end.
    async fn nobody_with_connections_sleeps(&self) -> Result<(), String> {
        let patches = self.cluster.platform.all_patches("hibernated").await;
        let names: Vec<String> = patches
            .iter()
            .map(|patch| patch["name"].as_str().unwrap().to_owned())
            .collect();
        if names.is_empty() {
            return Ok(());
        }
        let tracked = tracked(&self.cluster, &names).await;
        let harmed = names.iter().zip(tracked).find(|(_, tracked)| *tracked > 0);
        harmed.map_or(Ok(()), |harmed| Err(format!("{harmed:?} was put to sleep")))
    }

    async fn is_engaged(&self, brake: &str) -> bool {
        let operations = Api::new(format!("http://127.0.0.1:{}", self.replica.operations_port));
        let text = operations.get("/metrics").await.expect(200).body;
        let line = format!("tracker_brake_engaged{{brake=\"{brake}\"}} 1");
        text.as_str().unwrap().contains(&line)
    }

    /// A session of the silent gateway none of whose connections ended.
    async fn a_silent_one(&self) -> String {
        let tracked = tracked(&self.cluster, &self.silent).await;
        let number = tracked.iter().position(|tracked| *tracked == 5).unwrap();
        self.silent[number].clone()
    }

    async fn is_explained(&self) {
        let session = self.a_silent_one().await;
        let answer = self.api().session(&session).await.expect(200).body;
        assert!(answer["sleeps_at"].is_null(), "{answer}");
        assert_eq!(answer["awake_because"], "brake", "{answer}");
        let why = self
            .api()
            .get(&format!("/v1/sessions/{session}/explain"))
            .await
            .expect(200)
            .body;
        assert_eq!(
            (&why["sleeps_at"], &why["because"]),
            (&Value::Null, &json!("brake")),
            "{why}"
        );
        let facts = why["facts"].as_array().unwrap();
        let fact = facts.iter().find(|fact| fact["name"] == "brake_expiry").unwrap();
        assert_eq!(
            (&fact["holds_awake"], &fact["value"]["threshold"]),
            (&json!(true), &json!(THRESHOLD))
        );
        let brakes = self.brakes().await;
        assert!(brakes["expiry_silent"].as_u64() > Some(THRESHOLD), "{brakes}");
        assert_eq!(brakes["expiry_threshold"], THRESHOLD);
        assert!(self.is_engaged("expiry").await);
        assert!(
            self.replica
                .log()
                .contains("many connections went silent at once")
        );
    }
}

/// Invariant 7, race R11.
#[tokio::test]
async fn half_of_the_gateways_gone_for_good_expires_slowly_and_sleeps_slowly() {
    let halves = Halves::connected().await;
    let cluster = &halves.cluster;
    halves.half_falls_silent().await;
    halves.is_explained().await;
    let hold_until: jiff::Timestamp = halves.brakes().await["expiry_hold_until"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let mut samples = vec![sample(cluster).await];
    assert!(samples[0].tracked >= 1_000 - THRESHOLD, "{samples:?}");
    let mut looks = tokio::time::interval(Duration::from_millis(200));
    eventually(SOON * 2, "the silent half expires", async || {
        looks.tick().await;
        assert_eq!(halves.beat(0).await, 500, "the other half lives");
        halves.nobody_with_connections_sleeps().await.unwrap();
        let now = sample(cluster).await;
        if cluster.state().now_ms().await < hold_until.as_millisecond() {
            assert_eq!(now.tracked, samples[0].tracked, "nothing expires during the hold");
        }
        samples.push(now);
        for (_, count) in counted(cluster, 's').await {
            assert!(count <= RATE, "{count} in a second");
        }
        if now.tracked == 500 { Ok(()) } else { Err(now) }
    })
    .await;
    assert_slow(&samples, RATE);

    // Their sessions have been idle for long enough, and sleep as slowly.
    let asleep = async || {
        let patches = cluster.platform.all_patches("hibernated").await;
        patches.iter().filter(|patch| patch["status"] == 200).count()
    };
    eventually(SOON, "ten sleep", async || {
        halves.beat(0).await;
        halves.is_engaged("hibernation").await && asleep().await == 10
    })
    .await;
    eventually(SOON, "the brake on expiries lets go", async || {
        looks.tick().await;
        halves.beat(0).await;
        assert_eq!(
            asleep().await,
            10,
            "10 a minute, since 5 % of those that run is less"
        );
        let brakes = halves.brakes().await;
        if brakes["expiry_slow_until"].is_null() && !halves.is_engaged("expiry").await {
            Ok(())
        } else {
            Err(brakes)
        }
    })
    .await;
    assert!(
        halves
            .replica
            .log()
            .contains("brake off: connections expire as always")
    );
}

/// Invariant 7.
#[tokio::test]
async fn gateway_that_returns_within_the_hold_finds_everybody_awake() {
    let halves = Halves::connected().await;
    halves.half_falls_silent().await;
    let kept = halves.beat(1).await;
    assert!(kept >= 500 - THRESHOLD, "{kept}");
    let five = (0..5).map(|id| json!({ "id": format!("c-{id}"), "user_id": "ann" }));
    let again = of_gateway(1, &Value::Array(five.collect()));
    halves.api().batch("open", &again).await.expect(200);
    let mut looks = tokio::time::interval(Duration::from_millis(200));
    eventually(SOON, "the brake lets go", async || {
        looks.tick().await;
        assert_eq!((halves.beat(0).await, halves.beat(1).await), (500, 500));
        assert!(halves.cluster.platform.all_patches("hibernated").await.is_empty());
        let brakes = halves.brakes().await;
        if brakes["expiry_slow_until"].is_null() {
            Ok(())
        } else {
            Err(brakes)
        }
    })
    .await;
    throughout(Duration::from_secs(1), "everybody stays awake", async || {
        looks.tick().await;
        let beats = (halves.beat(0).await, halves.beat(1).await);
        let patches = halves.cluster.platform.all_patches("hibernated").await;
        if beats == (500, 500) && patches.is_empty() {
            Ok(())
        } else {
            Err((beats, patches))
        }
    })
    .await;
}
