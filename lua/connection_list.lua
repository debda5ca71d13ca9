-- Lists connections of a session with their last heartbeat, oldest heartbeat first.
-- KEYS[1] ct:{t}:guard             hash    the partition's guard
-- KEYS[2] ct:{t}:connections:<sid> zset    connection id, last heartbeat in ms
-- KEYS[3] ct:{t}:details:<sid>     hash    connection id, JSON
-- KEYS[4] ct:{t}:session:<sid>     hash    the session's record
-- ARGV[1] settings JSON
-- ARGV[2] most to return
-- Returns {OK, now, {id, last heartbeat in ms, details JSON, 1 when confirmed, ...}} or {SESSION_UNKNOWN}.
-- Emits nothing. Cost O(log n + returned).
local guard_key, connections_key, details_key, session_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local settings, limit = cjson.decode(ARGV[1]), tonumber(ARGV[2])
--@include guard
if redis.call('EXISTS', session_key) == 0 then return { SESSION_UNKNOWN } end
local oldest = int(now - settings.window_ms)
local from = holding and '-inf' or '(' .. oldest
local members = redis.call('ZRANGE', connections_key, from, '+inf', 'BYSCORE', 'LIMIT', 0, limit, 'WITHSCORES')
local rows = {}
for i = 1, #members, 2 do
  local score = tonumber(members[i + 1])
  rows[#rows + 1] = string.gsub(members[i], '^%?', '')
  rows[#rows + 1] = score
  rows[#rows + 1] = redis.call('HGET', details_key, members[i]) or '{}'
  rows[#rows + 1] = score > now - settings.window_ms and 1 or 0
end
return { OK, now, rows }
