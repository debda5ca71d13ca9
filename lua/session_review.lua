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
-- ARGV[4] grant JSON, what the brakes allow: expire (connections), hibernate (whether), wait_ms (else when to look again)
-- Returns {code, generation, version seen, expired, stale left, is news (1: said for the first time since it is idle), newest
--   heartbeat and how much older the activity on the object may be, ms (0, 0: not to be written)}: HIBERNATE: act on it; STALE: connections older than the
--   window are left to expire; READY: it would be hibernated; or WAITING, WOULD_HIBERNATE, UNDONE, WAKE,
--   SESSION_TERMINATED; or {SESSION_UNKNOWN}.
-- Emits connection.expired, connection.seen, session.would_hibernate, session.hibernating, session.waking, session.running.
-- Cost O(connections expired), at most settings.review_limit of them at once.
local guard_key, session_key, connections_key, details_key, deadlines_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local wakes_key, history_key, sessions_key, counts_key = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local settings, sid, term, grant = cjson.decode(ARGV[1]), ARGV[2], tonumber(ARGV[3]), cjson.decode(ARGV[4])
--@include guard
--@include session
--@include tombstones
--@include seen
if not record.state then
  redis.call('ZREM', deadlines_key, sid)
  return { SESSION_UNKNOWN }
end
local expired, stale, newest_ms, keep_ms, heard = 0, 0, 0, 0
local function answer(code, is_news)
  return { code, record.generation, record.version or '', expired, stale, is_news and 1 or 0, newest_ms, keep_ms }
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
local live = live_count()
if live > 0 and record.empty_since then unset('empty_since') end
purge_tombstones()
if live > 0 and is_to_tell(looked_at()) then tell_seen() end
-- Only those that spoke within the window wake it: what a hold merely counts cannot be in a session at rest.
local spoke = holding and redis.call('ZCOUNT', connections_key, '(' .. int(now - settings.window_ms), '+inf') or live
local contested = record.state == 'hibernated' and (instant('contested_until', settings.contested_ms) or 0) > now
if spoke > 0 and not contested and (record.state == 'hibernated' or record.state == 'hibernating') then
  file_wake('sweeper', 'live_connection')
  return answer(WAKE)
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
if record.state == 'hibernated' and stale == 0 then
  if live > 0 then look_again_at(contested and tonumber(record.contested_until) or math.max(now + settings.window_ms, hold_until))
  else redis.call('ZREM', deadlines_key, sid) end
  return answer(WAITING)
end
--@include overdue_wake
--@include activity
if stale > 0 then
  -- The brake, or the limit of one review: they are no longer live, but they have not ended either.
  look_again_at(now + grant.wait_ms)
  return answer(STALE)
end
if live > 0 then
  look_again_at(look_at)
  return answer(WAITING)
end
--@include due
--@include idle
