-- Looks at many due sessions of one partition: one that runs, where everybody in it has spoken within the window, is looked
-- at again later. Every other is left to session_review; nothing is decided here.
-- KEYS[i] ct:{t}:guard (hash), ct:{t}:deadlines (zset) and ct:{t}:history (stream) first, then of each session
--   ct:{t}:session:<sid> (hash), ct:{t}:connections:<sid> (zset) and ct:{t}:details:<sid> (hash)
-- ARGV[1] settings JSON
-- ARGV[2] ids of the sessions, JSON
-- Returns {OK, {numbers of the sessions (from 1) that are left to session_review}, {version seen, newest heartbeat and how much
--   older the activity on the object may be, ms (0, 0: not to be written), of each of the others}}.
-- Emits connection.seen. Cost O(sessions), at most 8 connections in each; the caller bounds their number.
local guard_key, deadlines_key, history_key, skim_keys = KEYS[1], KEYS[2], KEYS[3], KEYS
local settings, ids = cjson.decode(ARGV[1]), cjson.decode(ARGV[2])
--@include guard
-- What the record's own steps need and a look does not: they are never called here.
local session_key, connections_key, details_key, sid = skim_keys[4], skim_keys[5], skim_keys[6], ids[1]
local wakes_key, sessions_key, counts_key
--@include session
--@include seen
local left, healthy, deadlines = {}, {}, {}
local most, oldest_live = 8, now - settings.window_ms
-- A session is looked at once in two windows: the first look after another five minutes began tells who was seen.
local is_telling = is_to_tell(now - settings.window_ms * 2)
for number = 1, #ids do
  sid = ids[number]
  session_key, connections_key, details_key = skim_keys[3 * number + 1], skim_keys[3 * number + 2], skim_keys[3 * number + 3]
  local found = redis.call('HMGET', session_key, 'state', 'empty_since', 'version', 'idle_timeout')
  local may_be = not holding and found[1] == 'running' and not found[2]
  -- More than `most` of one session would cost more than a look should.
  local members = may_be and redis.call('ZRANGE', connections_key, 0, most, 'WITHSCORES') or {}
  local oldest, heard = tonumber(members[2]), tonumber(members[#members])
  local is_healthy = heard and #members <= 2 * most and oldest > oldest_live and heard <= now
  -- A closed one that keeps late heartbeats away is in the details alone; the review tidies up.
  if is_healthy and is_telling then is_healthy = redis.call('HLEN', details_key) * 2 <= #members end
  if is_healthy then
    if is_telling then tell_seen() end
    local live, newest_ms, keep_ms = 1, 0, 0
    record = { state = found[1], idle_timeout = found[4] or nil }
--@include activity
    deadlines[#deadlines + 1] = int(math.min(look_at, now + 3600000))
    deadlines[#deadlines + 1] = sid
    healthy[#healthy + 1] = found[3] or ''
    healthy[#healthy + 1] = newest_ms
    healthy[#healthy + 1] = keep_ms
  else
    left[#left + 1] = number
  end
end
if #deadlines > 0 then redis.call('ZADD', deadlines_key, unpack(deadlines)) end
return { OK, left, healthy }
