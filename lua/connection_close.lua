-- Closes one connection, once: closing again is success and changes nothing.
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
-- ARGV[3] connection id
-- ARGV[4] reason, a word of letters, digits, `.`, `_` and `-`
-- Returns {OK, live connections left} or {ALREADY, live connections left}.
-- Emits connection.closed.
-- Cost O(log n) in the connections of the session.
local guard_key, session_key, connections_key, details_key, deadlines_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local wakes_key, history_key, sessions_key, counts_key = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local settings, sid, cid, reason = cjson.decode(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
--@include guard
--@include session
--@include tombstones
local member, score = cid, redis.call('ZSCORE', connections_key, cid)
if not score then
  -- Perhaps a provisional one, brought back from Postgres.
  member, score = '?' .. cid, redis.call('ZSCORE', connections_key, '?' .. cid)
end
if not score then
  -- A close that overtakes its open: the open that follows must not leave a ghost. Bounded per session.
  if record.state and redis.call('HEXISTS', details_key, cid) == 0
    and redis.call('HLEN', details_key) - redis.call('ZCARD', connections_key) < settings.early_closes then
    redis.call('HSET', details_key, cid, '{"closed_at":' .. int(now) .. ',"keep_ms":' .. int(settings.early_close_ms) .. '}')
  end
  return { ALREADY, live_count() }
end
end_connection(member, math.min(tonumber(score), now), now, reason, settings.tombstone_ms)
local live = live_count()
if live == 0 then
  set('empty_since', now)
  set('last_disconnect', now)
  if record.state == 'running' and idle_timeout() >= 0 then look_again_by(now + idle_timeout()) end
end
purge_tombstones()
return { OK, live }
