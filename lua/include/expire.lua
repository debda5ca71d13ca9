-- Included by session_review: expires connections older than the window, in the step that counts them.
-- An expired connection ended at its last heartbeat, not now; nothing expires during a hold.
if not holding then
  local ahead = redis.call('ZRANGE', connections_key, '(' .. int(now + settings.backward_ms), '+inf', 'BYSCORE', 'LIMIT', 0, settings.review_limit)
  for _, cid in ipairs(ahead) do redis.call('ZADD', connections_key, int(now), cid) end
  local stale = redis.call('ZRANGE', connections_key, '-inf', int(now - settings.window_ms), 'BYSCORE', 'LIMIT', 0, settings.review_limit, 'WITHSCORES')
  for i = 1, #stale, 2 do
    local last_seen = tonumber(stale[i + 1])
    end_connection(stale[i], last_seen, last_seen, 'expired')
    expired = expired + 1
    local ceased = last_seen + settings.window_ms
    if redis.call('ZCARD', connections_key) == 0 and ceased > tonumber(record.empty_since or 0) then
      -- It ceased to be live a window after its last heartbeat, however late this is noticed. A late
      -- heartbeat may have kept it live beyond the close that had set empty_since.
      set('empty_since', ceased)
      set('last_disconnect', ceased)
    end
  end
  if expired >= settings.review_limit then
    look_again_at(now)
    return answer(WAITING)
  end
end
