-- Included by session_review: a waking session; past its start limit (that of its wake, not of its place in the queue) it is
-- tried again while somebody is connected, and given up when nobody is.
if record.state == 'waking' then
  local limit_at = (instant('due_at', 900000) or instant('since', 0)) + settings.start_limit_ms
  -- One whose entry is there and nothing went wrong with waits for a slot: filed anew it would lose its place, and a queue
  -- longer than the limit would never end. One that failed backs off.
  local is_queued = live > 0 and redis.call('ZSCORE', wakes_key, wake_member(record.generation))
    and redis.call('HEXISTS', session_key, 'error') == 0
  if (holding or is_queued) and limit_at <= now then
    -- Nor is time that nobody saw pass held against a wake that was on its way.
    set('due_at', now)
    limit_at = now + settings.start_limit_ms
  end
  if limit_at > now then
    local newest = redis.call('ZRANGE', connections_key, -1, -1, 'WITHSCORES')
    look_again_at(math.min(limit_at, live > 0 and tonumber(newest[2]) + settings.window_ms * 2 or limit_at,
      stale > 0 and now + grant.wait_ms or limit_at))
    return answer(WAITING)
  end
  if live > 0 then
    -- The next generation: the same one would be taken for our own write that already landed.
    local attempts = tonumber(record.attempts or 0) + 1
    set('attempts', attempts)
    file_wake('sweeper', 'start_limit', math.min(60000 * 2 ^ (attempts - 1), 900000))
    return answer(WAKE)
  end
  if stale > 0 then
    -- The silent have to end first: one of them could speak again in a session that is not fenced, and no open would write it.
    look_again_at(now + grant.wait_ms)
    return answer(STALE)
  end
  redis.call('HDEL', session_key, 'attempts')
  if record.object == 'hibernated' then
    move('hibernated', next_generation(), 'sweeper', 'wake_given_up')
    redis.call('ZREM', deadlines_key, sid)
    return answer(WAITING)
  end
  -- What the object shows, not fenced: nobody knows the outcome of the attempts.
  run(next_generation(), false, 'sweeper', 'wake_given_up', true)
end
