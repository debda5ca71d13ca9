-- Included by session_review last: a running session without a live connection, and when it may sleep.
if not instant('empty_since', 0) then set('empty_since', now) end
local timeout = idle_timeout()
if timeout < 0 then
  -- Never, as things are: looked at now and then, since the default may be changed by a restart.
  look_again_at(now + 3600000)
  return answer(WAITING)
end
local due = math.max(due_at(), holding and hold_until or 0)
if due > now then
  look_again_at(due)
  return answer(WAITING)
end
local inputs = { empty_since = tonumber(record.empty_since), idle_timeout_ms = timeout, live = live, mode = mode, term = term,
  timeout_from = record.idle_timeout and 'object' or 'default', adopt = armed[1] or nil, armed_at = tonumber(armed[2] or nil),
  last_opened = tonumber(record.last_opened), created = tonumber(record.created) }
if mode ~= 'act' or not eligible() then
  local is_news = record.would ~= record.empty_since
  if is_news then
    set('would', tonumber(record.empty_since))
    record_event('would_hibernate', 'sweeper', mode ~= 'act' and 'observe' or 'not_eligible', inputs)
  end
  look_again_at(now + settings.window_ms)
  return answer(WOULD_HIBERNATE, is_news)
end
if not grant.hibernate then
  look_again_at(now + grant.wait_ms)
  return answer(READY)
end
move('hibernating', next_generation(), 'sweeper', 'idle', inputs)
-- Its own deadline: if the actor dies now, the next review returns it with the same generation.
look_again_at(now + settings.act_retry_ms)
return answer(HIBERNATE)
