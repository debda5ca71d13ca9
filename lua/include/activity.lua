-- Included by session_review and session_skim: when a session with somebody in it is looked at again. Where the activity
-- on its object is kept alive (settings.activity) it is looked at each third of its idle timeout at least, and the answer
-- carries its newest heartbeat and how much older the value there may be: so old that it lasts until the next look.
-- `heard` is the newest heartbeat, where it was read already.
local look_at = now
if live > 0 then
  local newest = math.min(heard or tonumber(redis.call('ZRANGE', connections_key, -1, -1, 'WITHSCORES')[2]), now)
  -- No session is due earlier, and none is told that it sleeps before the hold is over.
  look_at = math.max(newest + settings.window_ms * 2, holding and hold_until or 0)
  if settings.activity and record.state == 'running' then
    local third = idle_timeout() < 0 and 600000 or idle_timeout() / 3
    look_at = math.min(look_at, now + third)
    newest_ms, keep_ms = newest, third - (look_at - now)
  end
end
