-- Looks at one session whose deadline has passed: expires, waits, or decides to hibernate.
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
-- ARGV[3] term of the caller
-- Returns {HIBERNATE, generation, version seen, expired}: act on it; or {WAITING | WOULD_HIBERNATE | UNDONE | WAKE |
--   SESSION_TERMINATED, generation, version seen, expired}; or {SESSION_UNKNOWN}.
-- Emits connection.expired, session.would_hibernate, session.hibernating, session.waking, session.running.
-- Cost O(connections expired), at most settings.review_limit of them at once.
local guard_key, session_key, connections_key, details_key, deadlines_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local wakes_key, history_key, sessions_key, counts_key = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local settings, sid, term = cjson.decode(ARGV[1]), ARGV[2], tonumber(ARGV[3])
--@include guard
--@include session
if not record.state then
  redis.call('ZREM', deadlines_key, sid)
  return { SESSION_UNKNOWN }
end
local expired = 0
local function answer(code)
  return { code, record.generation, record.version or '', expired }
end

if record.state == 'terminated' then
  if end_all_connections('session_terminated', settings.review_limit) > 0 then
    look_again_at(now)
  elseif instant('since', 0) + settings.terminated_ms <= now then
    redis.call('HINCRBY', counts_key, 'state:terminated', -1)
    redis.call('DEL', session_key, connections_key, details_key)
    redis.call('SREM', sessions_key, sid)
    redis.call('ZREM', deadlines_key, sid)
  else
    look_again_at(tonumber(record.since) + settings.terminated_ms)
  end
  return answer(SESSION_TERMINATED)
end

--@include expire
local live = redis.call('ZCARD', connections_key)
if live > 0 and record.empty_since then unset('empty_since') end
purge_tombstones()
if live > 0 and (record.state == 'hibernated' or record.state == 'hibernating') then
  file_wake('sweeper', 'live_connection')
  return answer(WAKE)
end
if record.state == 'hibernated' then
  redis.call('ZREM', deadlines_key, sid)
  return answer(WAITING)
end
if record.state == 'hibernating' then
  if holding or mode ~= 'act' then
    file_wake('sweeper', holding and 'hold' or 'observe')
    return answer(UNDONE)
  end
  -- Its actor died or its reply was lost: act again, with the same generation.
  if tonumber(redis.call('ZSCORE', deadlines_key, sid) or 0) > now then return answer(WAITING) end
  look_again_at(now + settings.act_retry_ms)
  return answer(HIBERNATE)
end
--@include overdue_wake
if live > 0 then
  local newest = redis.call('ZRANGE', connections_key, -1, -1, 'WITHSCORES')
  look_again_at(math.max(math.min(tonumber(newest[2]), now), holding and hold_until or 0) + settings.window_ms * 2)
  return answer(WAITING)
end
--@include idle
