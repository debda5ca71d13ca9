-- Included after due: when a session will sleep if nobody comes, and what decides it; 0 and why not, where that cannot be
-- said. The brakes are of the whole installation and not known here.
local function prediction(live)
  if record.state == 'hibernated' or record.state == 'hibernating' then return 0, 'asleep' end
  if record.state ~= 'running' then return 0, record.state end
  if idle_timeout() < 0 then return 0, 'never' end
  if holding then return 0, 'hold' end
  if live > 0 then return 0, 'connected' end
  if mode ~= 'act' then return 0, 'observe' end
  if not eligible() then return 0, 'not_eligible' end
  local due, word = due_at()
  return math.max(due, now), word
end
