//! What a test reads and changes in Redis beside the service: guards, records, and the age of what is kept.
//!
//! Time is data there, so a test that needs an hour to have passed moves what is kept an hour back.

use std::time::Duration;

use connection_tracker::domain::SessionId;
use connection_tracker::store::redis::{Keys, Partition, PartitionKey, SessionKey};
use deadpool_redis::redis::{self, FromRedisValue, Value};

use super::redis::Redis;

/// Moves every instant of one session back by ARGV[2] ms, in one step; but for the openings, which name
/// rows of the history that may be written already.
const AGE: &str = r#"
local session, connections, details, deadlines, wakes = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local sid, by = ARGV[1], tonumber(ARGV[2])
local function back(value) return string.format('%.0f', tonumber(value) - by) end
for _, field in ipairs({ 'since', 'empty_since', 'last_opened', 'last_disconnect', 'due_at', 'not_before', 'purge_at',
  'awake_until', 'flipped_at', 'contested_until' }) do
  local value = redis.call('HGET', session, field)
  if value then redis.call('HSET', session, field, back(value)) end
end
local members = redis.call('ZRANGE', connections, 0, -1, 'WITHSCORES')
for i = 1, #members, 2 do redis.call('ZADD', connections, back(members[i + 1]), members[i]) end
local rows = redis.call('HGETALL', details)
for i = 1, #rows, 2 do
  local moved = string.gsub(rows[i + 1], '^({"closed_at":)(%d+)', function(head, value) return head .. back(value) end)
  redis.call('HSET', details, rows[i], moved)
end
local deadline = redis.call('ZSCORE', deadlines, sid)
if deadline then redis.call('ZADD', deadlines, back(deadline), sid) end
for _, member in ipairs(redis.call('ZRANGE', wakes, 0, -1)) do
  if string.sub(member, 1, #sid + 1) == sid .. ':' then
    redis.call('ZADD', wakes, back(redis.call('ZSCORE', wakes, member)), member)
  end
end
return 1
"#;

/// The keys of one installation.
pub(crate) struct State<'a> {
    pub(crate) redis: &'a Redis,
    pub(crate) keys: Keys,
}

fn id(session: &str) -> SessionId {
    SessionId::parse(session).unwrap()
}

impl State<'_> {
    /// The key that names the layout.
    pub(crate) fn meta_key(&self) -> String {
        self.keys.meta()
    }

    /// A key of the partition of a session.
    pub(crate) fn partition_key(&self, session: &str, key: PartitionKey) -> String {
        self.keys.of_partition(Partition::of(&id(session)), key)
    }

    /// A key of a session.
    pub(crate) fn session_key(&self, session: &str, key: SessionKey) -> String {
        self.keys.of_session(&id(session), key)
    }

    /// One field of the record of a session.
    pub(crate) async fn field(&self, session: &str, field: &str) -> Option<String> {
        let key = self.session_key(session, SessionKey::Session);
        self.redis.get(&["HGET", &key, field]).await
    }

    /// One field of the guard of a session's partition.
    pub(crate) async fn guard<T: FromRedisValue>(&self, session: &str, field: &str) -> T {
        let key = self.partition_key(session, PartitionKey::Guard);
        self.redis.get(&["HGET", &key, field]).await
    }

    /// Sets one field of the guard of every partition.
    pub(crate) async fn set_guards(&self, field: &str, value: &str) {
        let mut pipeline = redis::pipe();
        for partition in Partition::all() {
            let key = self.keys.of_partition(partition, PartitionKey::Guard);
            pipeline.cmd("HSET").arg(key).arg(field).arg(value);
        }
        let _: Value = self.redis.pipeline(&pipeline).await;
    }

    /// One field of the guard of every partition.
    pub(crate) async fn guards(&self, field: &str) -> Vec<Option<String>> {
        let mut pipeline = redis::pipe();
        for partition in Partition::all() {
            let key = self.keys.of_partition(partition, PartitionKey::Guard);
            pipeline.cmd("HGET").arg(key).arg(field);
        }
        self.redis.pipeline(&pipeline).await
    }

    /// What a command gives for the keys of this kind of all partitions, in all; `rest` follows the key.
    pub(crate) async fn over_partitions(&self, command: &str, key: PartitionKey, rest: &[&str]) -> u64 {
        let mut pipeline = redis::pipe();
        for partition in Partition::all() {
            let key = self.keys.of_partition(partition, key);
            pipeline.cmd(command).arg(key).arg(rest);
        }
        let found: Vec<Option<u64>> = self.redis.pipeline(&pipeline).await;
        found.into_iter().flatten().sum()
    }

    /// Now, by the clock that decides.
    pub(crate) async fn now_ms(&self) -> i64 {
        let (seconds, micros): (i64, i64) = self.redis.get(&["TIME"]).await;
        seconds * 1000 + micros / 1000
    }

    /// Moves everything that is kept of a session into the past, and makes it due for a look.
    pub(crate) async fn age(&self, session: &str, by: Duration) {
        let keys = [
            self.session_key(session, SessionKey::Session),
            self.session_key(session, SessionKey::Connections),
            self.session_key(session, SessionKey::Details),
            self.partition_key(session, PartitionKey::Deadlines),
            self.partition_key(session, PartitionKey::Wakes),
        ];
        let by = by.as_millis().to_string();
        let mut words = vec!["EVAL", AGE, "5"];
        words.extend(keys.iter().map(String::as_str));
        words.extend([session, by.as_str()]);
        let _: Value = self.redis.cli(&words).await;
    }

    /// Moves the last heartbeat of one connection into the past.
    pub(crate) async fn silence(&self, session: &str, connection: &str, by: Duration) {
        let key = self.session_key(session, SessionKey::Connections);
        let by = format!("-{}", by.as_millis());
        self.redis.cli(&["ZINCRBY", &key, &by, connection]).await;
    }

    /// Makes a session due for a review now.
    pub(crate) async fn look_now(&self, session: &str) {
        let key = self.partition_key(session, PartitionKey::Deadlines);
        self.redis.cli(&["ZADD", &key, "0", session]).await;
    }
}
