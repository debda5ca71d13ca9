-- Included by session_review: expires connections older than the window, in the step that counts them, as many as
-- `grant.expire` allows. An expired connection ended at its last heartbeat, not now; nothing expires during a hold.
if not holding then
  local ahead = redis.call('ZRANGE', connections_key, '(' .. int(now + settings.backward_ms), '+inf', 'BYSCORE', 'LIMIT', 0, settings.review_limit)
  for _, cid in ipairs(ahead) do redis.call('ZADD', connections_key, int(now), cid) end
  local oldest = int(now - settings.window_ms)
  local limit = math.min(grant.expire, settings.review_limit)
  if limit > 0 then
    local silent = redis.call('ZRANGE', connections_key, '-inf', oldest, 'BYSCORE', 'LIMIT', 0, limit, 'WITHSCORES')
    for i = 1, #silent, 2 do
      local ceased = end_connection(silent[i], tonumber(silent[i + 1]), tonumber(silent[i + 1]), 'expired') + settings.window_ms
      expired = expired + 1
      if redis.call('ZCARD', connections_key) == 0 and ceased > tonumber(record.empty_since or 0) then
        -- It ceased to be live a window after its last heartbeat, however late this is noticed. A late
        -- heartbeat may have kept it live beyond the close that had set empty_since.
        set('empty_since', ceased)
        set('last_disconnect', ceased)
      end
    end
  end
  stale = redis.call('ZCOUNT', connections_key, '-inf', oldest)
end
