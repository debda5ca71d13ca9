//! One session under a key prefix of its own, and ways to bring it where a test wants it.

use clap::Parser;
use connection_tracker::config::Config;
use connection_tracker::domain::connection::{ConnectionDetails, Intent, OpenRequest};
use connection_tracker::domain::event::{Event, HistoryEntry};
use connection_tracker::domain::mode::{Adopt, Mode, ModeRecord};
use connection_tracker::domain::platform_object::{Desired, PlatformObject};
use connection_tracker::domain::{ConnectionId, Generation, SessionId, UserId};
use connection_tracker::store::redis::{
    Confirmation, Grant, Observation, Observed, OpenReply, Opened, Partition, PartitionKey, RedisStore,
    Review, ReviewOutcome, SessionKey, SessionRecord,
};
use connection_tracker::telemetry::metrics::Metrics;
use deadpool_redis::redis::FromRedisValue;

use crate::support::redis::{Redis, RedisChoice};

pub(super) const UID: &str = "uid-1";

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    config: Config,
}

/// Where a session stands before the observation that a test is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    Unknown,
    NotFenced,
    Fenced,
    FencedAndLive,
    Hibernating,
    Hibernated,
    WakingAndLive,
    WakingAndEmpty,
    Terminated,
}

impl Stand {
    pub(super) const ALL: [Self; 9] = [
        Self::Unknown,
        Self::NotFenced,
        Self::Fenced,
        Self::FencedAndLive,
        Self::Hibernating,
        Self::Hibernated,
        Self::WakingAndLive,
        Self::WakingAndEmpty,
        Self::Terminated,
    ];
}

pub(super) struct Bench {
    pub(super) store: RedisStore,
    pub(super) session: SessionId,
    redis: Redis,
}

impl Bench {
    /// Armed, no hold, nothing known of the session.
    pub(super) async fn start() -> Self {
        let redis = Redis::start(RedisChoice::Shared).await;
        let prefix = format!("observe-{}", uuid::Uuid::new_v4().simple());
        let flags = ["test", "--redis-url", redis.url(), "--redis-prefix", &prefix];
        let config = CommandLine::parse_from(flags).config;
        let bench = Self {
            store: RedisStore::new(&config, &Metrics::new()).unwrap(),
            session: SessionId::parse("s1").unwrap(),
            redis,
        };
        let mode = ModeRecord {
            version: 1,
            mode: Mode::Act,
            adopt: Adopt::All,
            changed_by: "test".to_owned(),
            reason: None,
            changed_at: jiff::Timestamp::now(),
            armed_at: Some(jiff::Timestamp::now()),
        };
        let partition = Partition::of(&bench.session);
        bench.store.partition_mode(&[partition], &mode).await.unwrap();
        // A partition without data begins with a hold.
        let guard = bench.partition_key(PartitionKey::Guard);
        let _: i64 = bench.command(&["HDEL", &guard, "hold_until", "hold_since"]).await;
        bench
    }

    /// Brings the session there, with versions below 100, and gives its generation.
    pub(super) async fn bring(&self, stand: Stand) -> Generation {
        if stand == Stand::Unknown {
            return Generation(0);
        }
        assert!(self.see(self.object("10")).await);
        let first = self.record().await.generation;
        if stand == Stand::NotFenced {
            return first;
        }
        let fenced = PlatformObject {
            annotation: Some(first),
            ..self.object("11")
        };
        assert!(self.see(fenced).await);
        match stand {
            Stand::Unknown | Stand::NotFenced | Stand::Fenced => {}
            Stand::FencedAndLive => drop(self.open("c1").await),
            Stand::Terminated => {
                let ended = PlatformObject {
                    desired: Desired::Terminated,
                    ..self.object("12")
                };
                assert!(self.see(ended).await);
            }
            Stand::Hibernating | Stand::Hibernated | Stand::WakingAndLive | Stand::WakingAndEmpty => {
                let decided = self.decide_to_hibernate().await;
                if stand != Stand::Hibernating {
                    let confirmed = self
                        .store
                        .session_confirm(&self.session, decided, 1, None)
                        .await
                        .unwrap();
                    assert_eq!(confirmed, Confirmation::Confirmed);
                    assert!(
                        self.store
                            .session_settle(&self.session, decided, "12", None)
                            .await
                            .unwrap()
                    );
                }
                if matches!(stand, Stand::WakingAndLive | Stand::WakingAndEmpty) {
                    assert!(self.open("c1").await.wake.is_some());
                }
                if stand == Stand::WakingAndEmpty {
                    self.close("c1").await;
                }
            }
        }
        self.record().await.generation
    }

    /// The session slept long enough awake: its review decides.
    pub(super) async fn decide_to_hibernate(&self) -> Generation {
        self.age(24 * 3_600_000).await;
        let review = self.review().await;
        assert_eq!(review.outcome, ReviewOutcome::Hibernate);
        review.generation
    }

    /// The object as it runs, ready and without an annotation.
    pub(super) fn object(&self, version: &str) -> PlatformObject {
        PlatformObject {
            session: self.session.clone(),
            uid: UID.to_owned(),
            version: version.to_owned(),
            desired: Desired::Running,
            is_ready: true,
            is_probing: false,
            has_twins: false,
            annotation: None,
            idle_timeout: None,
            created_at_ms: 0,
            url: None,
            activity_at_ms: None,
            phase: None,
        }
    }

    /// Whether it was news.
    pub(super) async fn see(&self, object: PlatformObject) -> bool {
        self.observe(Observation::Object(object)).await == Observed::News
    }

    /// The same, where the record had seen `over` and a list taken since has `list_version`.
    pub(super) async fn see_restored(&self, object: PlatformObject, over: &str, list_version: &str) -> bool {
        let restored = Observation::Restored {
            object,
            over: over.to_owned(),
            list_version: list_version.to_owned(),
        };
        self.observe(restored).await == Observed::News
    }

    pub(super) async fn see_gone(&self, uid: &str) -> bool {
        self.observe(Observation::Gone { uid: uid.to_owned() }).await == Observed::News
    }

    pub(super) async fn observe(&self, seen: Observation) -> Observed {
        self.store.session_observe(&self.session, &seen).await.unwrap()
    }

    pub(super) async fn record(&self) -> SessionRecord {
        self.find().await.expect("the session is known")
    }

    pub(super) async fn find(&self) -> Option<SessionRecord> {
        self.store.session_read(&self.session).await.unwrap()
    }

    pub(super) async fn review(&self) -> Review {
        let reviews = self
            .store
            .session_review_many(&[(self.session.clone(), Grant::everything())], 1)
            .await;
        reviews.into_iter().next().unwrap().unwrap()
    }

    pub(super) async fn try_open(&self, id: &str) -> OpenReply {
        let request = OpenRequest {
            id: ConnectionId::parse(id).unwrap(),
            details: ConnectionDetails {
                connected_at: 0,
                user: UserId::parse("ann").unwrap(),
                address: None,
                agent: None,
                protocol: None,
                gateway: None,
                metadata: std::collections::BTreeMap::default(),
            },
            intent: Intent::User,
            replaces: None,
        };
        self.store.connection_open(&self.session, &request).await.unwrap()
    }

    pub(super) async fn open(&self, id: &str) -> Opened {
        match self.try_open(id).await {
            OpenReply::Opened(opened) => opened,
            other => panic!("the open was answered {other:?}"),
        }
    }

    pub(super) async fn close(&self, id: &str) {
        let target = [(self.session.clone(), ConnectionId::parse(id).unwrap())];
        let replies = self.store.connection_close_many(&target, "test").await;
        assert!(replies[0].as_ref().unwrap().has_ended);
    }

    /// Everything this session remembers happened `ms` earlier, and it is due for a review.
    pub(super) async fn age(&self, ms: i64) {
        let record = self.record().await;
        let key = self.store.keys().of_session(&self.session, SessionKey::Session);
        for field in ["empty_since", "since"] {
            if let Some(at) = record.ms(field) {
                let at = (at - ms).to_string();
                let _: i64 = self.command(&["HSET", &key, field, &at]).await;
            }
        }
        let deadlines = self.partition_key(PartitionKey::Deadlines);
        let _: i64 = self
            .command(&["ZADD", &deadlines, "1", self.session.as_str()])
            .await;
    }

    /// The last generation the partition remembers.
    pub(super) async fn last_generation(&self) -> u64 {
        let guard = self.partition_key(PartitionKey::Guard);
        let last: Option<u64> = self.command(&["HGET", &guard, "last"]).await;
        last.unwrap_or(0)
    }

    /// The wake entries of the partition.
    pub(super) async fn wakes(&self) -> Vec<String> {
        let wakes = self.partition_key(PartitionKey::Wakes);
        self.command(&["ZRANGE", &wakes, "0", "-1"]).await
    }

    /// Everything history was told, oldest first.
    pub(super) async fn history(&self) -> Vec<Event> {
        let entries = self
            .store
            .history_read(&[Partition::of(&self.session)], 1000)
            .await
            .unwrap();
        let decoded = entries.iter().map(|entry| entry.decode().unwrap());
        decoded.map(|HistoryEntry { event, .. }| event).collect()
    }

    /// Kind, actor and reason of the last event of the session itself.
    pub(super) async fn last_event(&self) -> (String, String, String) {
        let own = self
            .history()
            .await
            .into_iter()
            .rev()
            .find_map(|event| match event {
                Event::Session(event) => Some((event.kind, event.actor, event.reason)),
                Event::Opened(_) | Event::Ended(_) | Event::Seen(_) => None,
            });
        own.expect("something happened to the session")
    }

    pub(super) fn partition_key(&self, key: PartitionKey) -> String {
        self.store.keys().of_partition(Partition::of(&self.session), key)
    }

    pub(super) async fn command<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.redis.get(words).await
    }
}
