-- Counts the live connections of a session, exactly and now.
-- KEYS[1] ct:{t}:guard             hash    the partition's guard
-- KEYS[2] ct:{t}:connections:<sid> zset    connection id, last heartbeat in ms
-- KEYS[3] ct:{t}:session:<sid>     hash    the session's record
-- ARGV[1] settings JSON
-- Returns {OK, live, unconfirmed among them, now} or {SESSION_UNKNOWN}. During a hold stale ones count, unconfirmed.
-- Emits nothing. Cost O(log n).
local guard_key, connections_key, session_key = KEYS[1], KEYS[2], KEYS[3]
local settings = cjson.decode(ARGV[1])
--@include guard
if redis.call('EXISTS', session_key) == 0 then return { SESSION_UNKNOWN } end
local fresh = redis.call('ZCOUNT', connections_key, '(' .. int(now - settings.window_ms), '+inf')
local all = holding and redis.call('ZCARD', connections_key) or fresh
return { OK, all, all - fresh, now }
