-- Included by session_observe: an object that ended or is gone, and a new one of the same name.
if object.gone then
  if not record.state then return { SESSION_UNKNOWN } end
  -- Only the object that was there can go: news of an older one of that name is ignored.
  if record.uid ~= object.uid then return { OLDER, record.state, record.version } end
  if record.state ~= 'terminated' then terminate('object_gone') end
  return { OK, record.state }
end
if record.uid and record.uid ~= object.uid then
  -- Of several workloads with one label the newest is the session; news of another ends nobody, until that one is gone.
  local is_free = object.made_ms and record.state == 'terminated'
  local is_twin = object.made_ms and object.made_ms < tonumber(record.made or 0)
  if not is_free and (is_twin or (not newer(object.version, record.version) and not went_back())) then
    return { OLDER, record.state, record.version }
  end
  if record.state ~= 'terminated' then terminate('object_replaced') end
  end_all_connections('session_terminated', 10000)
  redis.call('HINCRBY', counts_key, 'state:terminated', -1)
  redis.call('DEL', session_key, details_key)
  record = { generation = 0 }
end
if object.desired == 'terminated' then
  if record.state == 'terminated' then return { OLDER, record.state, record.version } end
  if not record.state then redis.call('SADD', sessions_key, sid) end
  set('uid', object.uid)
  set('version', object.version)
  set_object('terminated')
  terminate('terminated')
  return { OK, record.state }
end
