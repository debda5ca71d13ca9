-- Reads one connection: what is kept of it, and whether it counts.
-- KEYS[1] ct:{t}:guard             hash    the partition's guard
-- KEYS[2] ct:{t}:connections:<sid> zset    connection id, last heartbeat in ms
-- KEYS[3] ct:{t}:details:<sid>     hash    connection id, JSON
-- ARGV[1] settings JSON
-- ARGV[2] connection id
-- Returns {OK, last heartbeat in ms, details JSON, 1 when younger than the window, 1 during a hold}, {CLOSED} or
--   {NOT_TRACKED}.
-- Emits nothing. Cost O(1).
local guard_key, connections_key, details_key = KEYS[1], KEYS[2], KEYS[3]
local settings, cid = cjson.decode(ARGV[1]), ARGV[2]
--@include guard
local score = redis.call('ZSCORE', connections_key, cid)
local detail = redis.call('HGET', details_key, cid) or '{}'
if not score then
  -- Perhaps a provisional one, brought back from Postgres after a loss.
  score = redis.call('ZSCORE', connections_key, '?' .. cid)
  detail = score and redis.call('HGET', details_key, '?' .. cid) or detail
end
if score then
  return { OK, score, detail, tonumber(score) > now - settings.window_ms and 1 or 0, holding and 1 or 0 }
end
local closed_at, keep = string.match(detail, '^{"closed_at":(%d+),"keep_ms":(%d+)')
if closed_at and closed_at + keep > now then return { CLOSED } end
return { NOT_TRACKED }
