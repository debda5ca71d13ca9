-- Holds a session awake until an instant, or lets it go; one that is about to sleep is woken.
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
-- ARGV[5] for how long, in ms; 0 lets it go
-- ARGV[6] until when, in ms, or 0: then the duration counts from now
-- Returns {OK, until in ms (0: let go), state, generation of the wake now filed or 0}, {SESSION_UNKNOWN} or
--   {SESSION_TERMINATED}. At most settings.keep_awake_ms ahead.
-- Emits session.keep_awake, session.waking. Cost O(log n).
local guard_key, session_key, connections_key, details_key, deadlines_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local wakes_key, history_key, sessions_key, counts_key = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local settings, sid, by, reason = cjson.decode(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local duration, until_ms = tonumber(ARGV[5]), tonumber(ARGV[6])
--@include guard
--@include session
if not record.state then return { SESSION_UNKNOWN } end
if record.state == 'terminated' then return { SESSION_TERMINATED } end
if duration == 0 and until_ms == 0 then
  if record.awake_until then
    redis.call('HDEL', session_key, 'awake_until', 'awake_by', 'awake_reason')
    record_event('keep_awake', 'operator', reason, { by = by, until_ms = 0 })
    if record.state == 'running' and record.empty_since then look_again_by(now) end
  end
  return { OK, 0, record.state, 0 }
end
local awake_until = math.min(until_ms > 0 and until_ms or now + duration, now + settings.keep_awake_ms)
set('awake_until', awake_until)
redis.call('HSET', session_key, 'awake_by', by, 'awake_reason', reason)
record_event('keep_awake', 'operator', reason, { by = by, until_ms = awake_until })
local wake = 0
if record.state == 'hibernating' and awake_until > now then
  file_wake('operator', 'keep_awake', 0, { by = by })
  wake = record.generation
end
return { OK, awake_until, record.state, wake }
