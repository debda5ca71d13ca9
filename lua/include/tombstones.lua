-- Included after session: closed connections that keep late heartbeats and opens away.
-- Time a tombstone still has; 0 or less: void. One from the future is void too.
local function tombstone_left(detail)
  local closed_at, keep = string.match(detail or '', '^{"closed_at":(%d+),"keep_ms":(%d+)')
  if not closed_at or closed_at - now > settings.backward_ms then return 0, closed_at end
  return closed_at + keep - now, closed_at
end

-- At most once a minute, so that many closes in a row do not each walk the whole hash.
local function purge_tombstones()
  if (instant('purge_at', 60000) or 0) > now then return end
  if redis.call('HLEN', details_key) <= redis.call('ZCARD', connections_key) then return end
  set('purge_at', now + 60000)
  local all = redis.call('HGETALL', details_key)
  for i = 1, #all, 2 do
    local left, closed_at = tombstone_left(all[i + 1])
    if closed_at and left <= 0 then redis.call('HDEL', details_key, all[i]) end
  end
end
