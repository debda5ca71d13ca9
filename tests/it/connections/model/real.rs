//! The real thing: the scripts, called through the store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use connection_tracker::domain::connection::{ConnectionDetails, Intent, OpenRequest};
use connection_tracker::domain::platform_object::{Desired, PlatformObject};
use connection_tracker::domain::{ConnectionId, SessionId, UserId};
use connection_tracker::lifecycle::Tasks;
use connection_tracker::store::redis::{
    HeartbeatBatcher, HeartbeatOutcome, HeartbeatTarget, Observation, Observed, OpenReply, PartitionKey,
    RedisStore,
};
use connection_tracker::telemetry::metrics::Metrics;
use serde_json::Value;

use super::Opened;
use crate::support::settings::Flags;
use crate::support::state::State;

/// The store, with one session.
pub(super) struct Real {
    pub(super) store: RedisStore,
    batcher: HeartbeatBatcher,
    pub(super) session: SessionId,
}

impl Real {
    /// A running session that nobody is connected to.
    pub(super) async fn start(flags: &Flags) -> Self {
        let store = RedisStore::new(&flags.config(), &Metrics::new()).unwrap();
        let session = SessionId::parse("s").unwrap();
        let object = PlatformObject {
            session: session.clone(),
            uid: "uid-1".to_owned(),
            version: "1".to_owned(),
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
        };
        let seen = Observation::Object(object);
        assert_eq!(
            store.session_observe(&session, &seen).await.unwrap(),
            Observed::News
        );
        let batcher = HeartbeatBatcher::start(&store, &Tasks::new());
        Self {
            store,
            batcher,
            session,
        }
    }

    pub(super) async fn open(&self, id: &str, user: &str, replaces: Option<&str>) -> Opened {
        let request = OpenRequest {
            id: ConnectionId::parse(id).unwrap(),
            details: ConnectionDetails {
                connected_at: 0,
                user: UserId::parse(user).unwrap(),
                address: None,
                agent: None,
                protocol: None,
                gateway: None,
                metadata: BTreeMap::new(),
            },
            intent: Intent::User,
            replaces: replaces.map(|id| ConnectionId::parse(id).unwrap()),
        };
        match self.store.connection_open(&self.session, &request).await.unwrap() {
            OpenReply::Opened(opened) if opened.is_repeated => Opened::Again,
            OpenReply::Opened(_) => Opened::New,
            OpenReply::Conflict => Opened::Conflict,
            OpenReply::Closed => Opened::Closed,
            OpenReply::LimitReached {
                limit: 3, used: 3, ..
            } => Opened::Limit,
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn heartbeat(&self, id: &str) -> HeartbeatOutcome {
        let target = HeartbeatTarget {
            session: self.session.clone(),
            connection: ConnectionId::parse(id).unwrap(),
        };
        self.batcher.heartbeat(&Arc::new(vec![target])).await[0]
    }

    pub(super) async fn close(&self, id: &str) -> (bool, usize) {
        let target = [(self.session.clone(), ConnectionId::parse(id).unwrap())];
        let mut replies = self.store.connection_close_many(&target, "client_closed").await;
        let reply = replies.pop().unwrap().unwrap();
        (reply.has_ended, reply.active as usize)
    }

    pub(super) async fn live(&self) -> BTreeSet<String> {
        let list = self
            .store
            .connection_list(&self.session, 100)
            .await
            .unwrap()
            .unwrap();
        list.into_iter().map(|view| view.id).collect()
    }

    pub(super) async fn count(&self) -> usize {
        let count = self.store.connection_count(&self.session).await.unwrap().unwrap();
        count.active as usize
    }

    /// Ids of what the outbox says was opened, and ids with reasons of what ended.
    pub(super) async fn history(&self, state: &State<'_>) -> (Vec<String>, Vec<(String, String)>) {
        let key = state.partition_key(self.session.as_str(), PartitionKey::History);
        let entries: Vec<(String, Vec<(String, String)>)> =
            state.redis.get(&["XRANGE", &key, "-", "+"]).await;
        let (mut opened, mut ended) = (Vec::new(), Vec::new());
        for (_, fields) in entries {
            let field = |name: &str| fields.iter().find(|(field, _)| field == name).unwrap().1.clone();
            let data: Value = serde_json::from_str(&field("data")).unwrap();
            let id = || data["id"].as_str().unwrap().to_owned();
            match field("type").as_str() {
                "connection.opened" => opened.push(id()),
                "connection.closed" | "connection.expired" => {
                    ended.push((id(), data["reason"].as_str().unwrap().to_owned()));
                }
                _ => {}
            }
        }
        (opened, ended)
    }
}
