-- Included after session: when an empty running session may sleep, and what holds it awake. The review decides by it,
-- reading and the census tell it, so what is told is what will be done.
local armed = redis.call('HMGET', guard_key, 'adopt', 'armed_at')

-- Armed without `adopt`, only what is known to be reported sleeps: a connection since, or an object made since. An
-- idle session whose gateway does not report yet looks the same as one nobody uses.
local function eligible()
  if armed[1] == 'all' then return true end
  local reported = math.max(tonumber(record.last_opened or 0), tonumber(record.created or 0), tonumber(record.last_disconnect or 0))
  return armed[2] and reported >= tonumber(armed[2])
end

-- Since when nobody is connected: as the record says, or a window after the last heartbeat of those still to expire.
local function idle_since()
  local newest = redis.call('ZRANGE', connections_key, -1, -1, 'WITHSCORES')
  local ceased = newest[2] and tonumber(newest[2]) + settings.window_ms or 0
  return math.min(now, math.max(tonumber(record.empty_since or (newest[2] and 0 or now)), ceased))
end

-- When it is due, and the word for what decides that.
local function due_at()
  local due, because = idle_since() + idle_timeout(), 'idle_timeout'
  local function no_earlier(at, word)
    if at and at > due then due, because = at, word end
  end
  no_earlier((instant('since', 0) or 0) + settings.minimum_run_ms, 'minimum_run')
  no_earlier(instant('not_before', 900000), 'refused')
  no_earlier(instant('awake_until', settings.keep_awake_ms), 'keep_awake')
  no_earlier(instant('contested_until', settings.contested_ms), 'contested')
  return due, because
end
