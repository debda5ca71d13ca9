-- Included by session_observe: readiness, where a probe stands between the object's own word and users.
-- The same version shown again, its probe having succeeded: all that can come of it is that the session is ready.
local function is_reached()
  return object.ready and record.version == object.version and record.ready ~= '1'
    and (record.state == 'waking' or record.state == 'running')
end
-- Ready by its own word, and not reached yet: that counts on the way to running, and takes nothing back from who runs.
local function set_ready()
  local ready = object.ready and '1' or object.probing and 'probing' or nil
  if ready == 'probing' and record.state == 'running' and record.ready == '1' then ready = '1' end
  if ready == record.ready then return end
  if ready then set('ready', ready) else unset('ready') end
end
