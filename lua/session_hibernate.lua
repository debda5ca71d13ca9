-- Puts a session to sleep by hand; with `force` its connections end in the same step, so that it stands.
-- KEYS[1] ct:{t}:guard             hash    the partition's guard
-- KEYS[2] ct:{t}:session:<sid>     hash    the session's record
-- KEYS[3] ct:{t}:connections:<sid> zset    connection id, last heartbeat in ms
-- KEYS[4] ct:{t}:details:<sid>     hash    connection id, JSON
-- KEYS[5] ct:{t}:deadlines         zset    session id, when to look, in ms
-- KEYS[6] ct:{t}:wakes             zset    <sid>:<generation>, when to try, in ms
-- KEYS[7] ct:{t}:history           stream  outbox of Postgres
-- KEYS[8] ct:{t}:sessions          set     session ids
-- KEYS[9] ct:{t}:counts            hash    sessions by state, connections by protocol
-- ARGV[1] settings JSON
-- ARGV[2] session id
-- ARGV[3] who asks
-- ARGV[4] why
-- ARGV[5] force, or empty
-- Returns {HIBERNATE, generation} (the leader acts on it at its next sweep), {ALREADY, generation} (asleep, or about
--   to), {IN_USE, live connections}, {KEPT_AWAKE, until in ms}, {OBSERVING}, {HOLDING, ms left}, {SESSION_UNKNOWN} or
--   {SESSION_TERMINATED}.
-- Emits session.hibernating, connection.closed, connection.expired. Cost O(connections ended), at most 10,000 of them.
local guard_key, session_key, connections_key, details_key, deadlines_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local wakes_key, history_key, sessions_key, counts_key = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local settings, sid, by, reason, force = cjson.decode(ARGV[1]), ARGV[2], ARGV[3], ARGV[4], ARGV[5] == 'force'
--@include guard
--@include session
if not record.state then return { SESSION_UNKNOWN } end
if record.state == 'terminated' then return { SESSION_TERMINATED } end
if record.state == 'hibernated' or record.state == 'hibernating' then return { ALREADY, record.generation } end
-- No confirmation would let it through: neither in mode observe nor during a hold is anything put to sleep.
if mode ~= 'act' then return { OBSERVING } end
if holding then return { HOLDING, hold_until - now } end
local live, awake_until = live_count(), instant('awake_until', settings.keep_awake_ms) or 0
if not force then
  if live > 0 then return { IN_USE, live } end
  if awake_until > now then return { KEPT_AWAKE, awake_until } end
end
-- Silent for a window and not expired yet: they ended with their last heartbeat, nobody forced them.
local silent = redis.call('ZRANGE', connections_key, '-inf', int(now - settings.window_ms), 'BYSCORE', 'LIMIT', 0, 10000, 'WITHSCORES')
for i = 1, #silent, 2 do
  end_connection(silent[i], tonumber(silent[i + 1]), tonumber(silent[i + 1]), 'expired')
end
if end_all_connections('forced', 10000) > 0 then return { IN_USE, live } end
redis.call('HDEL', session_key, 'awake_until', 'awake_by', 'awake_reason', 'attempts')
if not record.empty_since then set('empty_since', now) end
local inputs = { by = by, live = live, force = force, mode = mode, awake_until = awake_until }
move('hibernating', next_generation(), 'operator', reason, inputs)
look_again_at(now)
return { HIBERNATE, record.generation }
