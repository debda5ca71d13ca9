-- Reads one session: its record, its exact count, when it is looked at again, mode and hold.
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
-- Returns {OK, now, {field, value, ...} of the record, live, unconfirmed, deadline or '', mode, hold_until, 1 when a wake
--   entry waits, when it sleeps or 0, why not or what decides when, 1 when eligible, idle since or 0, connections
--   that are stale and still to end} or {SESSION_UNKNOWN}.
-- Emits nothing. Cost O(log n).
local guard_key, session_key, connections_key, details_key, deadlines_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local wakes_key, history_key, sessions_key, counts_key = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local settings, sid = cjson.decode(ARGV[1]), ARGV[2]
--@include guard
--@include session
--@include due
local row = redis.call('HGETALL', session_key)
if #row == 0 then return { SESSION_UNKNOWN } end
local fresh = redis.call('ZCOUNT', connections_key, '(' .. int(now - settings.window_ms), '+inf')
local present = redis.call('ZCARD', connections_key)
local all = holding and present or fresh
local waits = redis.call('ZSCORE', wakes_key, wake_member(record.generation)) and 1 or 0
--@include prediction
local sleeps_at, because = prediction(all)
return { OK, now, row, all, all - fresh, redis.call('ZSCORE', deadlines_key, sid) or '', mode, hold_until, waits,
  sleeps_at, because, eligible() and 1 or 0, all == 0 and record.state == 'running' and idle_since() or 0, present - all }
