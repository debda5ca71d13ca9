-- Included by session_observe: what a hand did to the object. Hands that undo what was written, over and over: the third flip within settings.flip_ms
-- each ends the quarrel: the object is left alone for settings.contested_ms, and says so in history and answers.
local left_alone = false
local function contested()
  local flips = 1
  local flipped_at = instant('flipped_at', 0)
  if flipped_at and now - flipped_at < settings.flip_ms then flips = tonumber(record.flips or 0) + 1 end
  set('flips', flips)
  set('flipped_at', now)
  if flips < 3 then return false end
  set('contested_until', now + settings.contested_ms)
  unset('flips')
  left_alone = true
  record_event('contested', 'platform', 'left_alone_after_three_flips', { flips = flips, until_ms = now + settings.contested_ms })
  return true
end

local function by_hand()
  -- Obeyed on an empty session; with somebody on it undone, because other controllers have hands too.
  if live_count() > 0 and not contested() then
    file_wake('platform', 'hibernated_by_hand_with_live_connections')
  else
    move('hibernated', next_generation(), 'platform', 'hibernated_by_hand')
    -- The silent ones still have to end: the next review expires them.
    if redis.call('ZCARD', connections_key) > 0 then look_again_at(math.max(now, tonumber(record.contested_until or 0))) else redis.call('ZREM', deadlines_key, sid) end
  end
end
