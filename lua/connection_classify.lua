-- Answers one heartbeat that hit nothing: refreshed after all, or why not.
-- KEYS[1] ct:{t}:guard             hash    the partition's guard
-- KEYS[2] ct:{t}:session:<sid>     hash    the session's record
-- KEYS[3] ct:{t}:connections:<sid> zset    connection id, last heartbeat in ms
-- KEYS[4] ct:{t}:details:<sid>     hash    connection id, JSON
-- ARGV[1] settings JSON
-- ARGV[2] connection id
-- Returns {OK}, {SESSION_TERMINATED}, {CLOSED}, {SESSION_HIBERNATED} or {NOT_TRACKED}, judged in this order.
-- Emits nothing. Cost O(log n) in the connections of the session.
local guard_key, session_key, connections_key, details_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local settings, cid = cjson.decode(ARGV[1]), ARGV[2]
--@include guard
if redis.call('ZSCORE', connections_key, cid) then
  redis.call('ZADD', connections_key, 'XX', int(now), cid)
  return { OK }
end
local state = redis.call('HGET', session_key, 'state')
-- Before the tombstone, which the end of the session leaves too: its users are told that there is nothing to come back to.
if state == 'terminated' then return { SESSION_TERMINATED } end
local closed_at, keep = string.match(redis.call('HGET', details_key, cid) or '', '^{"closed_at":(%d+),"keep_ms":(%d+)')
-- One from further ahead than a step that is tolerated is void, for an open as for this.
if closed_at and closed_at + keep > now and closed_at - now <= settings.backward_ms then return { CLOSED } end
-- A provisional one, brought back from Postgres: only an open looks at state and fence.
if redis.call('ZSCORE', connections_key, '?' .. cid) then return { NOT_TRACKED } end
-- In a hold it may be that this connection, and the wake it asked for, were lost: its gateway opens it again, and that wakes.
if state == 'hibernated' and not holding then return { SESSION_HIBERNATED } end
return { NOT_TRACKED }
