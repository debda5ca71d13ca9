//! A thousand live connections, and sessions in every other state, for something to strike: what gateways
//! built on the client keep alive, and what may not be lost of it.

use std::time::Duration;

use connection_tracker_client::{Connections, Handle, OpenRequest, Verdict};
use futures_util::FutureExt;
use futures_util::future::join_all;
use serde_json::json;
use sqlx::PgPool;

use crate::support::redis::RedisChoice;
use crate::support::{SOON, TestCluster, Timings, eventually, throughout, user};

/// Live connections, all of one gateway.
pub(super) const CONNECTIONS: usize = 1_000;
/// Over so many sessions, five each.
pub(super) const SESSIONS: usize = 200;
/// Sessions whose only user leaves right before the strike: due within the hold, but for the hold. Few, so that
/// no bound on hibernations a minute delays them after it.
const LEFT: usize = 6;
/// Opened after the snapshot, where there is one.
const LATE: usize = 100;

/// Short enough to wait for a hold, long enough that a busy machine does not look like an outage: the gap
/// is 2 s. The idle timeout is the window, so that what is lost by mistake sleeps at once.
const TIMINGS: Timings = Timings {
    interval: Duration::from_millis(1_500),
    window: Duration::from_secs(6),
    idle_timeout: Duration::from_secs(6),
};
/// Between two looks at all sessions: looking is not to be the load.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// An armed installation with its crowd.
pub(super) struct Crowd {
    pub(super) cluster: TestCluster,
    gateway: Connections,
    handles: Vec<Handle>,
    leavers: Vec<Handle>,
    pool: PgPool,
    /// When everything was in motion, by the platform's clock (ms), and how many connections had ended by
    /// then: a machine that stood still while the crowd gathered is not what is judged.
    since_ms: i64,
    ended_before: i64,
}

/// What the counts of all sessions say together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) live: u64,
    pub(super) unconfirmed: u64,
}

fn session(number: usize) -> String {
    format!("s-{}", number % SESSIONS)
}

impl Crowd {
    /// Everybody but the late ones is connected, every session runs and is fenced.
    pub(super) async fn gathered() -> Self {
        let cluster = TestCluster::builder()
            .redis(RedisChoice::OwnClock)
            .timings(TIMINGS)
            .start()
            .await
            .armed()
            .await;
        cluster.platform.create_many("s", SESSIONS).await;
        cluster.platform.create_many("left", LEFT).await;
        let at_rest = json!({ "state": "hibernated" });
        cluster.platform.create_with("rising", at_rest).await;
        let patient = json!({ "idleTimeout": "1h" });
        cluster.platform.create_with("falling", patient).await;

        let mut crowd = Self {
            gateway: Connections::start(cluster.tracker()),
            handles: Vec::new(),
            leavers: Vec::new(),
            since_ms: 0,
            ended_before: 0,
            pool: cluster.pool().await,
            cluster,
        };
        crowd.open(0..CONNECTIONS - LATE).await;
        for number in 0..LEFT {
            let request = OpenRequest::new("bob");
            let leaver = crowd.gateway.connect(format!("left-{number}"), "c", request);
            crowd.leavers.push(leaver);
        }
        for leaver in &mut crowd.leavers {
            leaver.opened().await.expect("every user is let in");
        }
        let api = crowd.cluster.api();
        api.open("falling", "c", &user("bob")).await.expect(201);
        api.close("falling", "c").await.expect(204);
        eventually(SOON, "every session runs", async || {
            let counts = crowd.cluster.api().get("/v1/sessions/falling").await;
            let wakes = crowd.wakes_to_do().await;
            if wakes == 0 && counts.body["state"] == "running" {
                Ok(())
            } else {
                Err((wakes, counts.body))
            }
        })
        .await;
        crowd
    }

    async fn open(&mut self, numbers: std::ops::Range<usize>) {
        let from = self.handles.len();
        for number in numbers {
            let request = OpenRequest::new(format!("user-{number}"));
            self.handles.push(
                self.gateway
                    .connect(session(number), format!("c-{number}"), request),
            );
        }
        for handle in &mut self.handles[from..] {
            handle.opened().await.expect("every user is let in");
        }
    }

    async fn wakes_to_do(&self) -> u64 {
        self.cluster
            .state()
            .over_partitions(
                "ZCARD",
                connection_tracker::store::redis::PartitionKey::Wakes,
                &[],
            )
            .await
    }

    /// The last changes before the strike: the late ones come, a hibernation and a wake are on their way,
    /// and some have just left.
    pub(super) async fn in_motion(&mut self) {
        self.open(CONNECTIONS - LATE..CONNECTIONS).await;
        let platform = &self.cluster.platform;
        platform
            .change_settings(json!({ "start_min_ms": 3_000, "start_max_ms": 3_000 }))
            .await;
        let mut rising = self.gateway.connect("rising", "c", OpenRequest::new("cat"));
        rising.opened().await.expect("a user wakes it");
        self.handles.push(rising);
        for leaver in &mut self.leavers {
            leaver.close("left");
        }
        for leaver in &mut self.leavers {
            assert_eq!(leaver.ended().await, Verdict::Closed);
        }

        let held = json!({
            "verb": "patch", "name": "falling", "match_state": "hibernated", "times": 1,
            "action": { "delay_ms": 2_000 },
        });
        platform.rule(held).await;
        self.cluster
            .state()
            .age("falling", Duration::from_secs(7_200))
            .await;
        eventually(SOON, "the hibernation is on its way", async || {
            platform.faults().await[0]["hits"] == 1
        })
        .await;
        let everybody = i64::try_from(self.everybody()).unwrap();
        eventually(SOON, "everybody is in the history", async || {
            let sql = "SELECT count(*) FROM connections WHERE disconnected_at IS NULL";
            let open: i64 = sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap();
            if open >= everybody { Ok(()) } else { Err(open) }
        })
        .await;
        self.since_ms = jiff::Timestamp::now().as_millisecond();
        self.ended_before = self.ended().await;
    }

    /// Asks for the count of every session the crowd is in; an error where one could not be asked.
    pub(super) async fn counted(&self) -> Result<Counted, u16> {
        let names = (0..SESSIONS).map(session).chain(["rising".to_owned()]);
        let asked = names.map(|name| async move {
            let path = format!("/v1/sessions/{name}/connections/count");
            self.cluster.api().get(&path).await
        });
        let mut sum = Counted {
            live: 0,
            unconfirmed: 0,
        };
        for answer in join_all(asked).await {
            if answer.status != 200 {
                return Err(answer.status);
            }
            sum.live += answer.body["active_connections"].as_u64().unwrap();
            sum.unconfirmed += answer.body["unconfirmed_connections"].as_u64().unwrap();
        }
        Ok(sum)
    }

    /// Everybody of the gateway: the crowd and the one who wakes a session.
    pub(super) fn everybody(&self) -> u64 {
        self.handles.len() as u64
    }

    /// Connections of the crowd that have an end in the history. A row that was lost and whose connection its
    /// gateway has opened again ends where the next begins: nobody noticed.
    async fn ended(&self) -> i64 {
        let sql = "SELECT count(*) FROM connections c
            WHERE disconnected_at IS NOT NULL AND (session_id LIKE 's-%' OR session_id = 'rising')
            AND NOT (end_reason IN ('lost', 'reopened') AND EXISTS (SELECT FROM connections n
                WHERE n.session_id = c.session_id AND n.id = c.id AND n.connected_at > c.connected_at))";
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }

    /// Nobody was put to sleep who had users, or who had none before the hold was over; no connection of
    /// the crowd has an end; no gateway was told to cut a user.
    async fn unharmed(&mut self, may_sleep: fn(&str) -> bool) -> Result<(), String> {
        for patch in self.cluster.platform.all_patches("hibernated").await {
            let name = patch["name"].as_str().unwrap();
            if patch["at_ms"].as_i64() >= Some(self.since_ms) && !may_sleep(name) {
                return Err(format!("{name} was put to sleep: {patch}"));
            }
        }
        let ends = self.ended().await - self.ended_before;
        if ends > 0 {
            return Err(format!("{ends} connections have an end"));
        }
        for handle in &mut self.handles {
            if let Some(verdict) = handle.ended().now_or_never() {
                return Err(format!("{handle:?} was cut: {verdict:?}"));
            }
        }
        Ok(())
    }

    /// Watches from the strike (`struck`, an instant of the platform's clock, ms) to one window after the
    /// hold. `keeps_counts`: nothing was lost, so no count may ever be short; else not once all of them were
    /// brought back.
    pub(super) async fn outlives(&mut self, struck: jiff::Timestamp, reason: &str, keeps_counts: bool) {
        let everybody = self.everybody();
        let hold = TIMINGS.hold();
        let struck_ms = struck.as_millisecond();
        let hold_ms = i64::try_from(hold.as_millis()).unwrap();
        let mut looks = tokio::time::interval(LOOK_EVERY);
        // The hold lasts at least that long from the strike on, whatever it took to come here.
        let since = jiff::Timestamp::now().as_millisecond() - struck_ms;
        let left = hold.saturating_sub(Duration::from_millis(since.unsigned_abs()) + LOOK_EVERY);
        let mut were_all_back = keeps_counts;
        throughout(left, "nobody is harmed during the hold", async || {
            looks.tick().await;
            let is_restored = !keeps_counts && self.is_restored(reason).await;
            let harm = self.unharmed(|name| name == "falling").await;
            let counted = self.counted().await;
            if jiff::Timestamp::now().as_millisecond() - struck_ms >= hold_ms {
                // The machine stood still: too late to say anything of the hold.
                return Ok(());
            }
            let is_short = counted.is_ok_and(|counted| counted.live < everybody);
            if is_short && (were_all_back || is_restored) {
                return Err(format!("{counted:?} of {everybody}, restored: {is_restored}"));
            }
            were_all_back |= counted.is_ok_and(|counted| counted.live >= everybody);
            harm
        })
        .await;
        for (since, until, why) in self.holds().await {
            assert_eq!(until - since, hold_ms);
            // A busy machine may let the watermark of some partition grow old once more.
            assert!(why == reason || why == "gap", "{why} instead of {reason}");
        }

        // A ghost of an older snapshot is looked at two windows after the hold.
        eventually(
            SOON + hold * 2,
            "all count and are confirmed, what is empty sleeps",
            async || {
                looks.tick().await;
                let counted = self.counted().await;
                let wanted = Counted {
                    live: everybody,
                    unconfirmed: 0,
                };
                let api = self.cluster.api();
                let mut awake = 0;
                for number in 0..LEFT {
                    awake += usize::from(api.state(&format!("left-{number}")).await != "hibernated");
                }
                // Either its hibernation was through, or the hold undid it; never somewhere between.
                let falling = (
                    api.state("falling").await,
                    self.cluster.platform.desired("falling").await,
                );
                let is_settled = falling.0 == falling.1;
                let rising = api.state("rising").await;
                if counted == Ok(wanted) && awake == 0 && is_settled && rising == "running" {
                    Ok(())
                } else {
                    let record = api.session("falling").await.body;
                    let events = api.events("falling").await;
                    let object = self.cluster.platform.read("falling").await;
                    Err((counted, awake, falling, rising, record, events, object))
                }
            },
        )
        .await;
        for patch in self.cluster.platform.all_patches("hibernated").await {
            let at_ms = patch["at_ms"].as_i64().unwrap();
            // Decided before the strike, and so allowed to land after it.
            if at_ms >= self.since_ms && patch["name"] != "falling" {
                let after = at_ms - struck_ms;
                assert!(after >= hold_ms, "{after} ms after the strike: {patch}");
            }
        }
        // Every session is looked at once more, now that things may end.
        for number in 0..SESSIONS {
            self.cluster.state().look_now(&session(number)).await;
        }
        throughout(LOOK_EVERY * 4, "it works as before", async || {
            looks.tick().await;
            let counted = self.counted().await;
            if counted
                != Ok(Counted {
                    live: everybody,
                    unconfirmed: 0,
                })
            {
                return Err(format!("{counted:?} of {everybody}"));
            }
            self.unharmed(|name| name == "falling" || name.starts_with("left-"))
                .await
        })
        .await;
    }

    /// Whether all open rows of the history were brought back after their loss; a server that goes on with a
    /// snapshot does not know that something is missing.
    async fn is_restored(&self, reason: &str) -> bool {
        let state = self.cluster.state();
        if reason != "data_lost" || state.redis.try_cli(&["PING"]).await.is_err() {
            return false;
        }
        let (epochs, waiting) = (state.guards("epoch").await, state.guards("restore").await);
        epochs.iter().all(Option::is_some) && waiting.iter().all(Option::is_none)
    }

    /// Begin, end and reason of the last hold of every partition.
    async fn holds(&self) -> Vec<(i64, i64, String)> {
        let state = self.cluster.state();
        let number = |field: Option<String>| field.and_then(|text| text.parse().ok()).unwrap_or(0);
        let (since, until) = (state.guards("hold_since").await, state.guards("hold_until").await);
        let reasons = state.guards("hold_reason").await;
        since
            .into_iter()
            .zip(until)
            .zip(reasons)
            .map(|((since, until), why)| (number(since), number(until), why.unwrap_or_default()))
            .collect()
    }
}
