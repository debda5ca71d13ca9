-- Included by connection_open for a connection that is new: whether the session has a slot for it.
if settings.max_connections > 0 and not holding then
  -- The silent go first: a late heartbeat would bring one back into a slot that is given away here.
  local stale = redis.call('ZRANGE', connections_key, '-inf', int(now - settings.window_ms), 'BYSCORE', 'LIMIT', 0, settings.review_limit, 'WITHSCORES')
  for i = 1, #stale, 2 do end_connection(stale[i], tonumber(stale[i + 1]), tonumber(stale[i + 1]), 'expired') end
end
-- The connection itself, brought back after a loss, takes no second slot.
local used = live_count() - (provisional and holding and 1 or 0)
if settings.max_connections > 0 and used >= settings.max_connections then
  -- One that missed a heartbeat by half an interval gives way; else the slots are taken.
  local oldest = redis.call('ZRANGE', connections_key, '(' .. int(now - settings.window_ms), '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
  if holding or not oldest[1] or tonumber(oldest[2]) > now - settings.interval_ms * 1.5 then
    return { LIMIT_REACHED, settings.max_connections, used, user_of(redis.call('HGET', details_key, oldest[1] or '')) or '' }
  end
  end_connection(oldest[1], tonumber(oldest[2]), tonumber(oldest[2]), 'gave_way')
end
