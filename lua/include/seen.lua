-- Included after session: tells Postgres who was last seen when, for connections older than 5 minutes and about every
-- 5 minutes, so that a restore and true ends know it.
-- Whether another five minutes began since then.
local function is_to_tell(at)
  return math.floor(now / 300000) ~= math.floor(at / 300000)
end

-- The deadline of a look is two windows after the newest heartbeat at the last one, or sooner where activity is kept alive.
local function looked_at()
  local ahead = settings.window_ms * 2
  if settings.activity and idle_timeout() >= 0 then ahead = math.min(ahead, idle_timeout() / 3) end
  return tonumber(redis.call('ZSCORE', deadlines_key, sid) or now) - ahead
end

local function tell_seen()
  local seen_members = redis.call('ZRANGE', connections_key, '(' .. int(now - settings.window_ms), '+inf', 'BYSCORE', 'LIMIT', 0, settings.review_limit, 'WITHSCORES')
  local rows = {}
  for i = 1, #seen_members, 2 do
    local detail = redis.call('HGET', details_key, seen_members[i])
    local connected_at = detail and string.match(detail, '^{"connected_at":(%d+)')
    if connected_at and now - connected_at >= 300000 then
      rows[#rows + 1] = string.format('{"id":"%s","connected_at":%s,"last_seen_at":%s}', seen_members[i], connected_at, int(tonumber(seen_members[i + 1])))
    end
  end
  if #rows > 0 then emit('connection.seen', '{"connections":[' .. table.concat(rows, ',') .. ']}') end
end
