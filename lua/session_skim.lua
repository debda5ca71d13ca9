-- Looks at many due sessions of one partition: one that runs, where everybody in it has spoken within the window, is looked
-- at again later. Every other is left to session_review; nothing is decided here.
-- KEYS[i] ct:{t}:guard (hash), ct:{t}:deadlines (zset) and ct:{t}:history (stream) first, then of each session
--   ct:{t}:session:<sid> (hash), ct:{t}:connections:<sid> (zset) and ct:{t}:details:<sid> (hash)
-- ARGV[1] settings JSON
-- ARGV[2] ids of the sessions, JSON
-- Returns {OK, {numbers of the sessions (from 1) that are left to session_review}, {version seen, newest heartbeat and how much
--   older the activity on the object may be, ms (0, 0: not to be written), of each of the others}}.
-- Emits connection.seen. Cost O(connections told as seen); the caller bounds the number of sessions.
local guard_key, deadlines_key, history_key, skim_keys = KEYS[1], KEYS[2], KEYS[3], KEYS
local settings, ids = cjson.decode(ARGV[1]), cjson.decode(ARGV[2])
--@include guard
-- What the record's own steps need and a look does not: they are never called here.
local session_key, connections_key, details_key, sid = skim_keys[4], skim_keys[5], skim_keys[6], ids[1]
local wakes_key, sessions_key, counts_key
--@include session
local left, healthy = {}, {}
local oldest_live = now - settings.window_ms
for number = 1, #ids do
  sid = ids[number]
  session_key, connections_key, details_key = skim_keys[3 * number + 1], skim_keys[3 * number + 2], skim_keys[3 * number + 3]
  local found = redis.call('HMGET', session_key, 'state', 'empty_since', 'version', 'idle_timeout')
  local oldest = redis.call('ZRANGE', connections_key, 0, 0, 'WITHSCORES')
  local newest = redis.call('ZRANGE', connections_key, -1, -1, 'WITHSCORES')
  local is_healthy = not holding and found[1] == 'running' and not found[2] and oldest[2]
    and tonumber(oldest[2]) > oldest_live and tonumber(newest[2]) <= now
  -- A closed one that keeps late heartbeats away is in the details alone; the review tidies up.
  if is_healthy and redis.call('HLEN', details_key) <= redis.call('ZCARD', connections_key) then
    local live, newest_ms, keep_ms = 1, 0, 0
    record = { state = found[1], idle_timeout = found[4] or nil }
--@include seen
--@include activity
    look_again_at(look_at)
    healthy[#healthy + 1] = found[3] or ''
    healthy[#healthy + 1] = newest_ms
    healthy[#healthy + 1] = keep_ms
  else
    left[#left + 1] = number
  end
end
return { OK, left, healthy }
